/** A schema that is not accepted: not valid, too large, or one that no value fits. */
export class SchemaError extends Error {
  /** JSON pointer to the part that it is about; empty for the whole. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(path === "" ? message : `${message} (at ${path})`);
    this.name = "SchemaError";
    this.path = path;
  }
}

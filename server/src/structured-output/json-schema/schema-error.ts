/** Of a path, in the message. */
const MAX_SHOWN = 300;

/** A schema that is not accepted: not valid, too large, or one that no value fits. */
export class SchemaError extends Error {
  /** JSON pointer to the part that it is about; empty for the whole. */
  readonly path: string;
  /** The message without the path. */
  readonly problem: string;

  constructor(path: string, problem: string) {
    super(path === "" ? problem : `${problem} (at ${path.slice(0, MAX_SHOWN)})`);
    this.name = "SchemaError";
    this.path = path;
    this.problem = problem;
  }
}

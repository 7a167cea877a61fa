/** Most characters of the path in the message. */
const MAX_SHOWN = 300;

/** A refused schema: not valid, too large, or one that no value fits. */
export class SchemaError extends Error {
  /** JSON pointer to the part at fault; empty for the whole schema. */
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

/** A model file that can't be used. The message names the file and the fault, and is safe to show to a client. */
export class ModelFileError extends Error {
  /** Name of the file within its folder, never a path of the host. */
  readonly file: string;
  /** The fault, as one sentence without the file's name. */
  readonly reason: string;

  constructor(file: string, reason: string) {
    super(`${file}: ${reason}`);
    this.name = "ModelFileError";
    this.file = file;
    this.reason = reason;
  }
}

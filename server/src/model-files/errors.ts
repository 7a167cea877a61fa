/** A file of a model can't be used. The message names the file and what is wrong with it; it is safe to show to a client. */
export class ModelFileError extends Error {
  /** Name of the file within its folder, never a path on this machine. */
  readonly file: string;
  /** What is wrong, as one sentence, without the file's name. */
  readonly reason: string;

  constructor(file: string, reason: string) {
    super(`${file}: ${reason}`);
    this.name = "ModelFileError";
    this.file = file;
    this.reason = reason;
  }
}

import { AppError } from "../../lib/errors.ts";

/** One source could not deliver the file; the next one may. The message is for the log. */
export class SourceError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SourceError";
  }
}

/** No source delivered the weights. The public message says where the file may be put, relative to the cache folder. */
export class MissingWeightsError extends AppError {
  /** Where the file belongs, absolute: for the log and the console only. */
  readonly path: string;
  /** The failure of each source, as `source: reason`; for the log and the console only. */
  readonly reasons: readonly string[];

  constructor(message: string, path: string, reasons: readonly string[]) {
    super("UNAVAILABLE", message, { cause: new Error(reasons.join("; ")) });
    this.name = "MissingWeightsError";
    this.path = path;
    this.reasons = reasons;
  }
}

/** Why something failed, in one bounded line for the log. */
export function errorReason(error: unknown): string {
  const { message, cause } = error as Error;
  const deeper = cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
  return `${message || (error as NodeJS.ErrnoException).code || String(error)}${deeper}`
    .replaceAll(/\s+/g, " ")
    .slice(0, 500);
}

export function isDiskFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
}

import { AppError } from "../../lib/errors.ts";

/**
 * Converts the errors of an S3 request.
 * @throws AppError NOT_FOUND; UNAVAILABLE when the store can't be used, with the cause for the log.
 */
export async function withS3Errors<T>(response: Promise<T>): Promise<T> {
  try {
    return await response;
  } catch (error) {
    const { name } = error as Error;
    if (name === "NotFound" || name === "NoSuchKey") throw blobNotFound();
    if (name === "AbortError") throw error;
    throw new AppError("UNAVAILABLE", "The file store can't be used at the moment.", { cause: error });
  }
}

export function nullIfMissing(error: unknown): null {
  if (error instanceof AppError && error.code === "NOT_FOUND") return null;
  throw error;
}

export function blobNotFound(): AppError {
  return new AppError("NOT_FOUND", "There is no such file.");
}

import { AppError } from "../../lib/errors.ts";

/** Memory for the large request bodies of all clients together. */
export class BodyMemory {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @throws AppError UNAVAILABLE when the other bodies leave too little. */
  take(sizeBytes: number): void {
    if (this.#usedBytes + sizeBytes > this.#limitBytes) {
      throw new AppError(
        "UNAVAILABLE",
        "The server is handling too many large requests. Send this one again later.",
        { retryAfterS: 5 },
      );
    }
    this.#usedBytes += sizeBytes;
  }

  free(sizeBytes: number): void {
    this.#usedBytes -= sizeBytes;
  }
}

/** The process has one memory, so all its servers share this one. */
export const bodyMemory = new BodyMemory(256 * 1024 * 1024);

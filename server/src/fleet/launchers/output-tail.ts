const MAX_LINES = 20;
const MAX_CHARS = 4096;

/** The last lines that a process wrote: at most 20 lines and 4,096 characters. */
export class OutputTail {
  #lines: string[] | null = [];
  #chars = 0;

  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  get isRecording(): boolean {
    return this.#lines !== null;
  }

  /** @param line at most 4,096 characters; see `readLines`. */
  add(line: string): void {
    if (this.#lines === null) return;
    this.#lines.push(line);
    this.#chars += line.length;
    while (this.#lines.length > MAX_LINES || this.#chars > MAX_CHARS) {
      this.#chars -= this.#lines.shift()!.length;
    }
  }

  /** Forgets the lines and records no more. */
  stop(): void {
    this.#lines = null;
  }
}

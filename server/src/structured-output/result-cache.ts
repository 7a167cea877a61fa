import type { CompileResult } from "./compile-job.ts";

/** LRU cache of results, bounded in count and size. */
export class ResultCache {
  readonly #entries = new Map<string, { result: CompileResult; sizeBytes: number }>();
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #sizeBytes = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(key: string): CompileResult | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.result;
  }

  /** Stores the result unless it is larger than the whole cache. Returns the result. */
  set(key: string, result: CompileResult): CompileResult {
    const texts =
      result.ok && result.kind === "grammar"
        ? [result.grammar, ...result.unenforced, ...result.impliedTypes]
        : [JSON.stringify(result)];
    // JavaScript strings take at most two bytes a character; 300 bytes are the entry's own overhead.
    const sizeBytes = 300 + 2 * texts.reduce((sum, text) => sum + text.length, 0);
    const old = this.#entries.get(key);
    if (old !== undefined) this.#sizeBytes -= old.sizeBytes;
    this.#entries.delete(key);
    this.#entries.set(key, { result, sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxCount && this.#sizeBytes <= this.#maxBytes) break;
      this.#entries.delete(oldest);
      this.#sizeBytes -= entry.sizeBytes;
    }
    return result;
  }
}

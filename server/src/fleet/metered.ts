import type { EngineEvent } from "../engine/port.ts";

/** What has gone through a deployment so far. */
export interface Meter {
  requests: number;
  generatedTokens: number;
  promptTokens: number;
}

/**
 * The events of one generation as they are, counted into a meter; `onEnd` is called once when they are exhausted, left or
 * broken. A class, because a generator or closures of its own would make every token dearer.
 */
export class Metered implements AsyncIterator<EngineEvent> {
  readonly #inner: AsyncIterator<EngineEvent>;
  readonly #meter: Meter;
  readonly #onEnd: () => void;
  /** A delta counts as one token until the end tells the truth. */
  #counted = 0;
  #isOver = false;

  constructor(inner: AsyncIterator<EngineEvent>, meter: Meter, onEnd: () => void) {
    this.#inner = inner;
    this.#meter = meter;
    this.#onEnd = onEnd;
  }

  async next(): Promise<IteratorResult<EngineEvent>> {
    try {
      const result = await this.#inner.next();
      if (result.done) this.#release();
      else this.#count(result.value);
      return result;
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  async return(value?: unknown): Promise<IteratorResult<EngineEvent>> {
    try {
      return (await this.#inner.return?.(value)) ?? { done: true, value };
    } finally {
      this.#release();
    }
  }

  #count(event: EngineEvent): void {
    if (event.type === "delta") {
      this.#counted++;
      this.#meter.generatedTokens++;
    } else if (event.type === "end") {
      this.#meter.generatedTokens += event.usage.completionTokens - this.#counted;
      this.#meter.promptTokens += event.usage.promptTokens;
    }
  }

  #release(): void {
    if (!this.#isOver) this.#onEnd();
    this.#isOver = true;
  }
}

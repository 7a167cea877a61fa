import type { EngineError } from "../../engine/errors.ts";
import type { EngineEvent } from "../../engine/generation.ts";

/**
 * Events of one generation on their way to a reader that may be slower. Deltas of one choice that wait are joined, so
 * what waits is bounded by the text a context can hold.
 */
export class EventBuffer {
  #events: EngineEvent[] = [];
  #error: EngineError | null = null;
  #wake: (() => void) | null = null;

  get failed(): boolean {
    return this.#error !== null;
  }

  put(event: EngineEvent): void {
    const last = this.#events.at(-1);
    if (event.type === "delta" && last?.type === "delta" && last.choice === event.choice) {
      const joined = { ...last, text: last.text + event.text };
      if (event.tokens !== undefined) joined.tokens = [...(last.tokens ?? []), ...event.tokens];
      this.#events[this.#events.length - 1] = joined;
    } else {
      this.#events.push(event);
    }
    this.#wake?.();
  }

  /** The reader gets what already arrived, then the error. */
  fail(error: EngineError): void {
    this.#error ??= error;
    this.#wake?.();
  }

  async take(): Promise<EngineEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      if (this.#error !== null) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}

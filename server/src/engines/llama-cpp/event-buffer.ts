import type { EngineError } from "../../engine/errors.ts";
import type { EngineEvent } from "../../engine/generation.ts";

/**
 * Events of one generation for a reader that may be slow. Adjacent deltas of the same choice are merged, so the buffer
 * never holds more than the text of one context.
 */
export class EventBuffer {
  #events: EngineEvent[] = [];
  #error: EngineError | null = null;
  #wakeReader: (() => void) | null = null;

  get failed(): boolean {
    return this.#error !== null;
  }

  put(event: EngineEvent): void {
    const last = this.#events.at(-1);
    if (event.type === "delta" && last?.type === "delta" && last.choice === event.choice) {
      const merged = { ...last, text: last.text + event.text };
      if (event.tokens !== undefined) merged.tokens = [...(last.tokens ?? []), ...event.tokens];
      this.#events[this.#events.length - 1] = merged;
    } else {
      this.#events.push(event);
    }
    this.#wakeReader?.();
  }

  /** The reader gets the events that arrived before, then the error. Only the first error counts. */
  fail(error: EngineError): void {
    this.#error ??= error;
    this.#wakeReader?.();
  }

  /** Waits for the next event. @throws EngineError that `fail` was called with. */
  async take(): Promise<EngineEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      if (this.#error !== null) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      this.#wakeReader = null;
    }
  }
}

import type { FromWorker, GenerationEvent } from "../protocol.ts";

/** Sends the events of one turn of the event loop as one message, in order with the other messages. */
export class EventBatcher {
  readonly #send: (message: FromWorker) => void;
  #events: GenerationEvent[] = [];
  #scheduled = false;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  addEvent(event: GenerationEvent): void {
    this.#events.push(event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  sendMessage(message: FromWorker): void {
    this.#flush();
    this.#send(message);
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    this.#send({ type: "events", events });
  }
}

import {
  type Engine,
  type EngineChannel,
  EngineError,
  type EngineEvent,
  type GenerateRequest,
} from "../../engine/port.ts";
import type { Clock } from "../../lib/clock.ts";
import { EventBuffer } from "./event-buffer.ts";
import type { LlamaCppOptions } from "./options.ts";
import type { FromWorker, SerializedError, ToWorker } from "./protocol.ts";

type Loaded = FromWorker & { type: "loaded" };

/** The child answers between two batches; a machine under heavy load may take long for one. */
const HEALTH_TIMEOUT_MS = 10_000;

export interface LlamaCppEngine extends Engine {
  /** Generations that the process works on or holds in its queue. */
  activeGenerations(): Promise<number>;
}

/** Tokens, how many generations there are, or that it is done. */
type Reply = number[] | number | undefined;

interface Pending<T> {
  resolve(value: T): void;
  reject(error: EngineError): void;
}

/** The platform's side of the channel. */
export class LlamaCppClient {
  readonly #channel: EngineChannel;
  readonly #clock: Clock;
  readonly #eventBuffers = new Map<number, EventBuffer>();
  readonly #replies = new Map<number, Pending<Reply>>();
  #loading: Pending<Loaded> | null = null;
  #gone: EngineError | null = null;
  #lastId = 0;

  constructor(channel: EngineChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    channel.onMessage((message) => this.#receive(message as FromWorker));
    channel.onClose((reason) => {
      this.#lose(new EngineError("unavailable", "The model's process has ended.", new Error(reason)));
    });
  }

  /** @throws EngineError. */
  async load(options: LlamaCppOptions): Promise<LlamaCppEngine> {
    const { model, capabilities } = await new Promise<Loaded>((resolve, reject) => {
      this.#loading = { resolve, reject };
      this.#send({ type: "load", options });
    });
    return {
      capabilities,
      model,
      generate: (request, signal) => this.#generate(request, signal),
      tokenize: (text) => this.#ask<number[]>((id) => ({ type: "tokenize", id, text })),
      loadLora: (adapter) => this.#ask<undefined>((id) => ({ type: "load-adapter", id, adapter })),
      unloadLora: (adapter) => this.#ask<undefined>((id) => ({ type: "unload-adapter", id, adapter })),
      health: () => this.#health(),
      activeGenerations: () => this.#ask<number>((id) => ({ type: "ping", id })),
      close: () => this.#close(),
    };
  }

  async *#generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    this.#assertPresent();
    const id = ++this.#lastId;
    const inbox = new EventBuffer();
    const abort = () => this.#send({ type: "abort", id });
    this.#eventBuffers.set(id, inbox);
    this.#send({ type: "generate", id, request });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    let ended = false;
    try {
      while (!ended) {
        const event = await inbox.take();
        ended = event.type === "end";
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", abort);
      this.#eventBuffers.delete(id);
      if (!ended && !inbox.failed) abort();
    }
  }

  async #health(): Promise<void> {
    let cancel = () => {};
    const answered = this.#ask<number>((id) => {
      cancel = this.#clock.after(HEALTH_TIMEOUT_MS, () =>
        this.#reply(id)?.reject(new EngineError("timeout", "The model's process does not answer.")),
      );
      return { type: "ping", id };
    });
    try {
      await answered;
    } finally {
      cancel();
    }
  }

  #ask<T extends Reply>(message: (id: number) => ToWorker): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#assertPresent();
      const id = ++this.#lastId;
      this.#replies.set(id, { resolve: resolve as (value: Reply) => void, reject });
      this.#send(message(id));
    });
  }

  async #close(): Promise<void> {
    if (this.#gone !== null) return;
    this.#send({ type: "close" });
    this.#lose(new EngineError("unavailable", "The model is being shut down."));
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "events":
        for (const { id, event } of message.events) {
          const inbox = this.#eventBuffers.get(id);
          if (event.type === "error") inbox?.fail(toEngineError(event));
          else inbox?.put(event);
        }
        return;
      case "loaded":
        this.#loading?.resolve(message);
        this.#loading = null;
        return;
      case "load-failed":
        this.#loading?.reject(toEngineError(message));
        this.#loading = null;
        return;
      case "tokens":
        this.#reply(message.id)?.resolve(message.tokens);
        return;
      case "done":
        this.#reply(message.id)?.resolve(undefined);
        return;
      case "failed":
        this.#reply(message.id)?.reject(toEngineError(message));
        return;
      case "pong":
        this.#reply(message.id)?.resolve(message.active);
    }
  }

  #reply(id: number): Pending<Reply> | undefined {
    const pending = this.#replies.get(id);
    this.#replies.delete(id);
    return pending;
  }

  /** Everything that waits for the child fails with `error`, and everything that will. */
  #lose(error: EngineError): void {
    if (this.#gone !== null) return;
    this.#gone = error;
    this.#loading?.reject(error);
    for (const inbox of this.#eventBuffers.values()) inbox.fail(error);
    for (const pending of this.#replies.values()) pending.reject(error);
    this.#replies.clear();
  }

  #send(message: ToWorker): void {
    if (this.#gone === null) this.#channel.send(message);
  }

  #assertPresent(): void {
    if (this.#gone !== null) throw new EngineError(this.#gone.code, this.#gone.message, this.#gone.cause);
  }
}

function toEngineError(failure: SerializedError): EngineError {
  const cause = failure.detail === undefined ? undefined : new Error(failure.detail);
  return new EngineError(failure.code, failure.message, cause);
}

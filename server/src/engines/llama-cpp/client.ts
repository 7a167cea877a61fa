import type { TextEngine } from "../../engine/engine.ts";
import { EngineError } from "../../engine/errors.ts";
import type { EngineEvent, GenerateRequest, GenerationEngine } from "../../engine/generation.ts";
import type { EngineChannel } from "../../engine/process.ts";
import type { Clock } from "../../lib/clock.ts";
import { EventBuffer } from "./event-buffer.ts";
import type { LlamaCppOptions } from "./options.ts";
import type { FromWorker, SerializedError, ToWorker } from "./protocol.ts";

type LoadedMessage = FromWorker & { type: "loaded" };

/** The process answers between two batches, and one batch may take seconds on a machine under heavy load. */
const HEALTH_TIMEOUT_MS = 10_000;

export interface LlamaCppEngine extends TextEngine {
  /** Generations that hold a slot or wait for one. */
  activeGenerations(): Promise<number>;
}

/** The tokens of `tokenize`, the count of `ping`, or undefined for the other calls. */
type CallResult = number[] | number | undefined;

interface PendingCall<T> {
  resolve(value: T): void;
  reject(error: EngineError): void;
}

/** The platform's side of the channel to the process that runs the model. */
export class LlamaCppClient {
  readonly #channel: EngineChannel;
  readonly #clock: Clock;
  readonly #eventBuffers = new Map<number, EventBuffer>();
  readonly #pendingCalls = new Map<number, PendingCall<CallResult>>();
  #loading: PendingCall<LoadedMessage> | null = null;
  #closedWith: EngineError | null = null;
  #lastId = 0;

  constructor(channel: EngineChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    channel.onMessage((message) => this.#receive(message as FromWorker));
    channel.onClose((reason) => {
      this.#failAll(new EngineError("unavailable", "The model's process has ended.", new Error(reason)));
    });
  }

  /** Waits until the process has loaded the model. @throws EngineError with a public message. */
  async load(options: LlamaCppOptions): Promise<LlamaCppEngine> {
    const { model, capabilities } = await new Promise<LoadedMessage>((resolve, reject) => {
      this.#loading = { resolve, reject };
      this.#send({ type: "load", options });
    });
    const generation: GenerationEngine = {
      capabilities,
      generate: (request, signal) => this.#generate(request, signal),
      tokenize: (text) => this.#call<number[]>((id) => ({ type: "tokenize", id, text })),
    };
    return {
      ...generation,
      generation,
      model,
      loadLora: (lora) => this.#call<undefined>((id) => ({ type: "load-adapter", id, adapter: lora })),
      unloadLora: (loraId) =>
        this.#call<undefined>((id) => ({ type: "unload-adapter", id, adapter: loraId })),
      health: () => this.#health(),
      activeGenerations: () => this.#call<number>((id) => ({ type: "ping", id })),
      close: () => this.#close(),
    };
  }

  async *#generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    this.#assertOpen();
    const id = ++this.#lastId;
    const buffer = new EventBuffer();
    const abort = () => this.#send({ type: "abort", id });
    this.#eventBuffers.set(id, buffer);
    this.#send({ type: "generate", id, request });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    let ended = false;
    try {
      while (!ended) {
        const event = await buffer.take();
        ended = event.type === "end";
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", abort);
      this.#eventBuffers.delete(id);
      // The reader left early: nobody needs the rest of the output.
      if (!ended && !buffer.failed) abort();
    }
  }

  async #health(): Promise<void> {
    let cancelTimeout = () => {};
    const pong = this.#call<number>((id) => {
      cancelTimeout = this.#clock.after(HEALTH_TIMEOUT_MS, () =>
        this.#takePendingCall(id)?.reject(new EngineError("timeout", "The model's process does not answer.")),
      );
      return { type: "ping", id };
    });
    try {
      await pong;
    } finally {
      cancelTimeout();
    }
  }

  #call<T extends CallResult>(messageFor: (id: number) => ToWorker): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#assertOpen();
      const id = ++this.#lastId;
      this.#pendingCalls.set(id, { resolve: resolve as (value: CallResult) => void, reject });
      this.#send(messageFor(id));
    });
  }

  async #close(): Promise<void> {
    if (this.#closedWith !== null) return;
    this.#send({ type: "close" });
    this.#failAll(new EngineError("unavailable", "The model is being shut down."));
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "events":
        for (const { id, event } of message.events) {
          const buffer = this.#eventBuffers.get(id);
          if (event.type === "error") buffer?.fail(toEngineError(event));
          else buffer?.put(event);
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
        this.#takePendingCall(message.id)?.resolve(message.tokens);
        return;
      case "done":
        this.#takePendingCall(message.id)?.resolve(undefined);
        return;
      case "failed":
        this.#takePendingCall(message.id)?.reject(toEngineError(message));
        return;
      case "pong":
        this.#takePendingCall(message.id)?.resolve(message.active);
    }
  }

  #takePendingCall(id: number): PendingCall<CallResult> | undefined {
    const pending = this.#pendingCalls.get(id);
    this.#pendingCalls.delete(id);
    return pending;
  }

  /** Fails the load, all generations and all calls with `error`, the later ones too. */
  #failAll(error: EngineError): void {
    if (this.#closedWith !== null) return;
    this.#closedWith = error;
    this.#loading?.reject(error);
    for (const buffer of this.#eventBuffers.values()) buffer.fail(error);
    for (const pending of this.#pendingCalls.values()) pending.reject(error);
    this.#pendingCalls.clear();
  }

  #send(message: ToWorker): void {
    if (this.#closedWith === null) this.#channel.send(message);
  }

  #assertOpen(): void {
    if (this.#closedWith !== null)
      throw new EngineError(this.#closedWith.code, this.#closedWith.message, this.#closedWith.cause);
  }
}

function toEngineError(failure: SerializedError): EngineError {
  const cause = failure.detail === undefined ? undefined : new Error(failure.detail);
  return new EngineError(failure.code, failure.message, cause);
}

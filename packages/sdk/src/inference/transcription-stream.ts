import { ConnectionError, InputError } from "../client/errors.ts";
import { parseJson, type Transport } from "../client/transport.ts";
import type * as types from "../generated/types.ts";

/** The part of `WebSocket` that the stream uses. Browsers and Node 22 or later have a global `WebSocket`. */
export interface WebSocketLike {
  binaryType: string;
  send(data: string | Uint8Array): void;
  close(): void;
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: never) => void): void;
}

export interface TranscriptionStreamOptions {
  signal?: AbortSignal | undefined;
  /** Used instead of the global `WebSocket`. */
  WebSocket?: (new (url: string) => WebSocketLike) | undefined;
}

export type TranscriptionEvent =
  | types.StreamingTranscriptUpdate
  | types.StreamingCheckpoint
  | types.StreamingTrace;

/** Limit of unread events, so that a reader that stops can't fill the memory. */
const MAX_UNREAD_EVENTS = 10_000;

/**
 * Sends speech and receives its transcript as segments. A later segment replaces an earlier one of the same id.
 * Iteration ends when either side closes the connection, and throws a `ConnectionError` when the connection breaks.
 */
export class TranscriptionStream implements AsyncIterable<TranscriptionEvent> {
  readonly #socket: WebSocketLike;
  readonly #host: string;
  readonly #events: TranscriptionEvent[] = [];
  #wake = (): void => {};
  /** Undefined while the stream is open, null after a normal close, otherwise the error that ended it. */
  #end: Error | null | undefined;

  private constructor(socket: WebSocketLike, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.addEventListener("message", ({ data }: { data: unknown }) => this.#receive(data));
    socket.addEventListener("close", ({ code }: { code: number }) =>
      this.#finish(code === 1_000 ? null : this.#broken()),
    );
    socket.addEventListener("error", () => this.#finish(this.#broken()));
  }

  /** @throws ConnectionError; InputError when no `WebSocket` is available; the signal's reason */
  static async open(
    transport: Transport,
    path: string,
    { signal, WebSocket }: TranscriptionStreamOptions,
  ): Promise<TranscriptionStream> {
    const Socket = WebSocket ?? (globalThis as { WebSocket?: new (url: string) => WebSocketLike }).WebSocket;
    if (Socket === undefined)
      throw new InputError("WebSocket", "There is no global WebSocket: use Node 22 or later, or pass one.");
    signal?.throwIfAborted();
    const socket = new Socket(transport.webSocketUrl(path));
    socket.binaryType = "arraybuffer";
    const stream = new TranscriptionStream(socket, transport.origin);
    signal?.addEventListener("abort", () => stream.#finish(signal.reason as Error));
    await new Promise<void>((resolve) => {
      socket.addEventListener("open", () => resolve());
      stream.#wake = resolve;
    });
    if (stream.#end) throw stream.#end;
    return stream;
  }

  /** Sends audio: 16-bit PCM, little-endian, 16 kHz, mono; 50 to 400 ms per call. */
  send(audio: Uint8Array): void {
    if (this.#end !== undefined)
      throw this.#end ?? new ConnectionError(`The stream of ${this.#host} has ended.`);
    this.#socket.send(audio);
  }

  /** Requests an event with this id once all earlier audio is transcribed. */
  checkpoint(checkpointId: string): void {
    if (this.#end === undefined) this.#socket.send(JSON.stringify({ checkpoint_id: checkpointId }));
  }

  close(): void {
    this.#finish(null);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TranscriptionEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#events.shift();
        if (event !== undefined) yield event;
        else if (this.#end === undefined)
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        else if (this.#end === null) return;
        else throw this.#end;
      }
    } finally {
      this.close();
    }
  }

  #receive(data: unknown): void {
    const event = typeof data === "string" ? parseJson(data) : undefined;
    const isEvent = typeof event === "object" && event !== null;
    if (isEvent && this.#events.length < MAX_UNREAD_EVENTS) this.#events.push(event as TranscriptionEvent);
    else this.#finish(this.#broken());
    this.#wake();
  }

  #finish(end: Error | null): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#socket.close();
    this.#wake();
  }

  #broken(): ConnectionError {
    return new ConnectionError(`The connection to ${this.#host} broke.`);
  }
}

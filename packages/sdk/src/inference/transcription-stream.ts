import { ConnectionError, InputError } from "../client/errors.ts";
import { parseJson, type Transport } from "../client/transport.ts";
import type * as types from "../generated/types.ts";

/** What is used of a `WebSocket`. Browsers have one, Node since its version 22. */
export interface WebSocketLike {
  binaryType: string;
  send(data: string | Uint8Array): void;
  close(): void;
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: never) => void): void;
}

export interface TranscriptionStreamOptions {
  signal?: AbortSignal | undefined;
  /** In place of the global one. */
  WebSocket?: (new (url: string) => WebSocketLike) | undefined;
}

export type TranscriptionEvent =
  | types.StreamingTranscriptUpdate
  | types.StreamingCheckpoint
  | types.StreamingTrace;

/** More events than these wait for nobody. */
const MAX_WAITING_EVENTS = 10_000;

/**
 * Speech on its way, and its text on the way back: segments by their ids, later ones of the same id in place of earlier ones.
 * Iterating ends when the connection is closed, and throws a `ConnectionError` when that was nobody's wish.
 */
export class TranscriptionStream implements AsyncIterable<TranscriptionEvent> {
  readonly #socket: WebSocketLike;
  readonly #host: string;
  readonly #events: TranscriptionEvent[] = [];
  #wake = (): void => {};
  /** How it ended; undefined while it lasts. */
  #end: Error | null | undefined;

  private constructor(socket: WebSocketLike, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.addEventListener("message", ({ data }: { data: unknown }) => this.#take(data));
    socket.addEventListener("close", ({ code }: { code: number }) =>
      this.#finish(code === 1_000 ? null : this.#broken()),
    );
    socket.addEventListener("error", () => this.#finish(this.#broken()));
  }

  /** @throws ConnectionError; InputError where there is no WebSocket; the signal's reason */
  static async open(
    transport: Transport,
    path: string,
    { signal, WebSocket }: TranscriptionStreamOptions,
  ): Promise<TranscriptionStream> {
    const Socket = WebSocket ?? (globalThis as { WebSocket?: new (url: string) => WebSocketLike }).WebSocket;
    if (Socket === undefined)
      throw new InputError("WebSocket", "There is no WebSocket here: use Node 22 or later, or pass one.");
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

  /** Audio: 16-bit PCM, little-endian, 16 kHz, mono; 50 to 400 ms at a time. */
  send(audio: Uint8Array): void {
    if (this.#end !== undefined)
      throw this.#end ?? new ConnectionError(`The stream of ${this.#host} has ended.`);
    this.#socket.send(audio);
  }

  /** Asks for an event with this id once all audio before it is transcribed. */
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

  #take(data: unknown): void {
    const event = typeof data === "string" ? parseJson(data) : undefined;
    const isEvent = typeof event === "object" && event !== null;
    if (isEvent && this.#events.length < MAX_WAITING_EVENTS) this.#events.push(event as TranscriptionEvent);
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

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { AppError } from "../../lib/errors.ts";
import { errorBody, sendError } from "./error-response.ts";
import { readJsonBody } from "./json-body.ts";

/** Longest time a client may leave a stream unread before it is disconnected. */
const STALL_TIMEOUT_MS = 60_000;

const connectionClosedSignals = new WeakMap<Socket, AbortSignal>();

/** Aborts when the connection closes. One signal serves all requests of a connection, as creating one takes 4 µs. */
export function connectionClosedSignal(socket: Socket): AbortSignal {
  const known = connectionClosedSignals.get(socket);
  if (known !== undefined) return known;
  const abort = new AbortController();
  socket.on("close", () => abort.abort());
  if (socket.destroyed) abort.abort();
  connectionClosedSignals.set(socket, abort.signal);
  return abort.signal;
}

/**
 * One authenticated request and its response: JSON in, JSON or server-sent events out. `P` is the principal.
 * Call exactly one of `json`, `fail` and `openStream`.
 */
export class HttpExchange<P> {
  readonly id: string;
  readonly principal: P;
  /** Aborts when the client disconnects. It outlives the request: remove your listeners when the request is over. */
  readonly signal: AbortSignal;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;

  constructor(id: string, principal: P, req: IncomingMessage, res: ServerResponse) {
    this.id = id;
    this.principal = principal;
    this.#req = req;
    this.#res = res;
    this.signal = connectionClosedSignal(req.socket);
  }

  /** A header of the request, by its name in lower case; the first if it was sent several times. */
  header(name: string): string | undefined {
    const value = this.#req.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Reads the body as JSON; `text` is its JSON text. See readJsonBody for the errors. Call it once. */
  readJson(limitBytes: number, done: (error: AppError | null, body: unknown, text?: string) => void): void {
    readJsonBody(this.#req, { limitBytes, response: this.#res }, done);
  }

  /** @param headers names and values alternating. */
  json(body: string, headers: readonly string[]): void {
    this.#res.writeHead(200, [
      "content-type",
      "application/json; charset=utf-8",
      "content-length",
      String(Buffer.byteLength(body)),
      "x-request-id",
      this.id,
      ...headers,
    ]);
    this.#res.end(body);
  }

  fail(error: AppError): void {
    if (!this.#res.headersSent && !this.#res.destroyed) sendError(this.#res, this.id, error);
  }

  openStream(headers: readonly string[]): EventStream {
    this.#res.writeHead(200, [
      "content-type",
      "text/event-stream; charset=utf-8",
      "cache-control",
      "no-cache",
      "x-accel-buffering",
      "no",
      "x-request-id",
      this.id,
      ...headers,
    ]);
    return new EventStream(this.#res);
  }
}

/** A server-sent event stream. Events that are sent in one turn of the event loop leave in one write. */
export class EventStream {
  readonly #res: ServerResponse;
  #pending = "";
  #congested = false;

  constructor(res: ServerResponse) {
    this.#res = res;
  }

  /** @param data one JSON text without line breaks. */
  send(data: string): void {
    if (this.#pending === "") process.nextTick(() => this.#flush());
    this.#pending += `data: ${data}\n\n`;
  }

  /** True while the client reads more slowly than events are sent: then `await drained()` before the next event. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Resolves when the client has caught up or disconnected. A client that reads nothing for a minute is disconnected. */
  drained(): Promise<void> {
    if (!this.#congested || this.#res.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#res.off("drain", done);
        this.#res.off("close", done);
        this.#res.setTimeout(0);
        this.#congested = false;
        resolve();
      };
      this.#res.on("drain", done);
      this.#res.on("close", done);
      this.#res.setTimeout(STALL_TIMEOUT_MS, () => this.#res.destroy());
    });
  }

  end(): void {
    this.send("[DONE]");
    this.#flush(true);
  }

  /** Ends an incomplete response: an error event, then the end of the stream. */
  fail(error: AppError): void {
    this.send(errorBody(error));
    this.end();
  }

  #flush(last = false): void {
    const text = this.#pending;
    this.#pending = "";
    if (this.#res.destroyed) return;
    if (last) this.#res.end(text);
    else if (text !== "") this.#congested = !this.#res.write(text);
  }
}

/**
 * One request to a model server. One object is both undici's dispatch handler and the iterator of the events, because an
 * async generator, a Readable and `pool.request` each cost several microseconds a request.
 */
import type { Dispatcher } from "undici";
import { EngineError } from "../../engine/errors.ts";
import type { EngineEvent, GenerateRequest } from "../../engine/generation.ts";
import {
  badResponse,
  type ContextOverflow,
  parseContextOverflow,
  statusError,
  transportError,
} from "./errors.ts";
import type { ResponseBody } from "./protocol.ts";
import type { RequestInFlight } from "./requests-in-flight.ts";
import { ResponseToEvents } from "./response-to-events.ts";
import { SseParser } from "./sse.ts";

/** The part of the engine that a request uses. */
export interface Upstream {
  readonly maxResponseBytes: number;
  readonly maxEventBytes: number;
  /** @param maxTokens null leaves the limit to the server. */
  send(request: GenerateRequest, maxTokens: number | null, handler: Dispatcher.DispatchHandler): void;
  /**
   * The output limit to send again with, after the server refused the request's length; null leaves it to the server.
   * @throws EngineError `context_exceeded` when the prompt alone is too long.
   */
  maxTokensAfterOverflow(request: GenerateRequest, refusal: ContextOverflow): Promise<number | null>;
  /** Counts the request as in flight. @throws EngineError `overloaded`, `unavailable`. */
  acquireSlot(request: UpstreamRequest): void;
  releaseSlot(request: UpstreamRequest): void;
}

interface PendingNext {
  resolve(result: IteratorResult<EngineEvent>): void;
  reject(error: EngineError): void;
}

/**
 * The requests that a signal aborts. Each signal gets one listener, at its first request, which is never removed: when the
 * requests of a connection share a signal, adding and removing a listener for each costs more than all other bookkeeping.
 */
const requestsBySignal = new WeakMap<AbortSignal, Set<UpstreamRequest>>();

function requestsOf(signal: AbortSignal): Set<UpstreamRequest> {
  let set = requestsBySignal.get(signal);
  if (set === undefined) {
    const fresh = new Set<UpstreamRequest>();
    signal.addEventListener("abort", () => {
      for (const request of fresh) request.cancel();
    });
    requestsBySignal.set(signal, fresh);
    set = fresh;
  }
  return set;
}

const DONE: IteratorResult<EngineEvent> = { done: true, value: undefined };
/** Events held for a slow consumer before the connection is paused. */
const PAUSE_EVENTS = 256;
const ABORTED = new Error("aborted");

export class UpstreamRequest
  implements AsyncIterableIterator<EngineEvent>, Dispatcher.DispatchHandler, RequestInFlight
{
  sweeps = 0;
  silentSweeps = 0;
  readonly #upstream: Upstream;
  readonly #request: GenerateRequest;
  readonly #signal: AbortSignal;
  readonly #choices: ResponseToEvents;

  #events: EngineEvent[] = [];
  #taken = 0;
  #waiter: PendingNext | null = null;
  #error: EngineError | null = null;
  #started = false;
  /** True once the last event is queued or the request has failed. */
  #settled = false;

  #signalRequests: Set<UpstreamRequest> | null = null;
  #onWire = false;
  #hasSlot = false;
  #resent = false;
  #abortUpstream: ((error?: Error) => void) | null = null;
  #resumeUpstream: (() => void) | null = null;
  #paused = false;
  #status = 0;
  #sse: SseParser | null = null;
  #body: Buffer | null = null;
  #bodyPieces: Buffer[] | null = null;
  #bodyBytes = 0;

  constructor(upstream: Upstream, request: GenerateRequest, signal: AbortSignal) {
    this.#upstream = upstream;
    this.#request = request;
    this.#signal = signal;
    this.#choices = new ResponseToEvents(request, (event) => {
      this.#events.push(event);
    });
  }

  // ---- The consumer's side

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<EngineEvent>> {
    if (this.#taken < this.#events.length) {
      return Promise.resolve({ done: false, value: this.#take() });
    }
    if (this.#settled) {
      const error = this.#error;
      if (error === null) return Promise.resolve(DONE);
      this.#error = null;
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      if (!this.#started) this.#start();
    });
  }

  /** Leaving early aborts the request. */
  return(): Promise<IteratorResult<EngineEvent>> {
    this.#started = true;
    this.#settle(null);
    this.#error = null;
    this.#events = [];
    this.#taken = 0;
    this.#stopUpstream();
    return Promise.resolve(DONE);
  }

  /** Called when the signal is aborted. */
  cancel(): void {
    if (this.#settled) return;
    const usage = this.#choices.usage();
    if (!this.#onWire) usage.promptTokens = 0;
    this.#events.push({ type: "end", usage, aborted: true });
    this.#settle(null);
    this.#stopUpstream();
    this.#wake();
  }

  /** Whether a stream's first token has come. */
  get hasFirstToken(): boolean {
    return this.#choices.hasOutput;
  }

  /** Whether the server waits for the consumer of its stream. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** Ends the request with an error, and its connection. */
  fail(error: EngineError): void {
    this.#fail(error);
  }

  #take(): EngineEvent {
    const event = this.#events[this.#taken]!;
    this.#taken += 1;
    if (this.#taken === this.#events.length) {
      this.#events = [];
      this.#taken = 0;
      if (this.#paused) {
        this.#paused = false;
        this.#resumeUpstream?.();
      }
    }
    return event;
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    if (this.#taken < this.#events.length) {
      this.#waiter = null;
      waiter.resolve({ done: false, value: this.#take() });
    } else if (this.#settled) {
      this.#waiter = null;
      const error = this.#error;
      this.#error = null;
      if (error === null) waiter.resolve(DONE);
      else waiter.reject(error);
    }
  }

  #start(): void {
    this.#started = true;
    if (this.#signal.aborted) {
      this.cancel();
      return;
    }
    try {
      this.#upstream.acquireSlot(this);
      this.#hasSlot = true;
      this.#signalRequests = requestsOf(this.#signal);
      this.#signalRequests.add(this);
      this.#upstream.send(this.#request, this.#request.maxTokens, this);
    } catch (error) {
      this.#fail(error);
    }
  }

  #settle(error: EngineError | null): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#error = error;
    this.#signalRequests?.delete(this);
  }

  #fail(thrown: unknown): void {
    if (this.#settled) return;
    this.#settle(thrown instanceof EngineError ? thrown : badResponse(thrown));
    this.#stopUpstream();
    this.#wake();
  }

  #finish(): void {
    if (!this.#choices.complete) throw badResponse();
    this.#events.push({ type: "end", usage: this.#choices.usage(), aborted: false });
    this.#settle(null);
  }

  // ---- The connection's side (undici's handler)

  onConnect(abort: (error?: Error) => void): void {
    if (this.#settled) {
      abort(ABORTED);
      return;
    }
    this.#onWire = true;
    this.#abortUpstream = abort;
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void): boolean {
    if (status < 200) return true;
    this.#status = status;
    this.#resumeUpstream = resume;
    if (this.#request.stream && status === 200) {
      // The page of a proxy, say, could stream without end and never hold an event.
      if (!mayBeEventStream(headers)) {
        this.#fail(badResponse());
        return true;
      }
      this.#sse = new SseParser((data) => this.#onSse(data), this.#upstream.maxEventBytes);
    }
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.silentSweeps = 0;
    if (this.#sse !== null) {
      if (this.#settled) return true;
      try {
        this.#sse.push(chunk);
      } catch (error) {
        this.#fail(error);
        return true;
      }
      this.#wake();
      this.#paused = !this.#settled && this.#events.length >= PAUSE_EVENTS;
      return !this.#paused;
    }
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > this.#upstream.maxResponseBytes) {
      this.#fail(badResponse());
    } else if (this.#body === null) {
      this.#body = chunk;
    } else {
      this.#bodyPieces ??= [this.#body];
      this.#bodyPieces.push(chunk);
    }
    return true;
  }

  onComplete(): void {
    this.#abortUpstream = null;
    if (this.#settled) {
      this.#releaseSlot();
      return;
    }
    try {
      if (this.#sse !== null) {
        this.#sse.end();
        if (!this.#settled) this.#finish();
      } else if (this.#status === 200) {
        this.#choices.response(this.#json() as ResponseBody);
        this.#finish();
      } else if (this.#onErrorStatus()) {
        return;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#releaseSlot();
    this.#wake();
  }

  onError(error: Error): void {
    this.#abortUpstream = null;
    this.#releaseSlot();
    this.#fail(transportError(error));
  }

  #onSse(data: string): void {
    if (this.#settled) return;
    if (data === "[DONE]") this.#finish();
    else this.#choices.chunk(JSON.parse(data) as ResponseBody);
  }

  #json(): unknown {
    const body = this.#bodyPieces === null ? this.#body : Buffer.concat(this.#bodyPieces);
    if (body === null) throw badResponse();
    return JSON.parse(body.toString());
  }

  /** Handles an error status. True when the request is sent again with a lower output limit. @throws EngineError otherwise. */
  #onErrorStatus(): boolean {
    let body: unknown = null;
    try {
      body = this.#json();
    } catch {
      // Not JSON: the status alone decides.
    }
    const refusal = this.#status === 400 && !this.#resent ? parseContextOverflow(body) : null;
    if (refusal === null || refusal.promptTokens >= refusal.contextTokens) {
      throw statusError(this.#status, body, this.#request);
    }
    void this.#resendWithinContext(refusal);
    return true;
  }

  async #resendWithinContext(refusal: ContextOverflow): Promise<void> {
    this.#resent = true;
    this.#body = null;
    this.#bodyPieces = null;
    this.#bodyBytes = 0;
    try {
      const maxTokens = await this.#upstream.maxTokensAfterOverflow(this.#request, refusal);
      if (this.#settled) this.#releaseSlot();
      else this.#upstream.send(this.#request, maxTokens, this);
    } catch (error) {
      this.#releaseSlot();
      this.#fail(error);
    }
  }

  #stopUpstream(): void {
    const abort = this.#abortUpstream;
    if (abort === null) return;
    this.#abortUpstream = null;
    abort(ABORTED);
  }

  #releaseSlot(): void {
    if (!this.#hasSlot) return;
    this.#hasSlot = false;
    this.#upstream.releaseSlot(this);
  }
}

/** False when the content type names another format. @param headers names and values alternating. */
function mayBeEventStream(headers: readonly Buffer[]): boolean {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at]!;
    if (name.length !== "content-type".length || name.toString("latin1").toLowerCase() !== "content-type")
      continue;
    return headers[at + 1]!.toString("latin1").trimStart().toLowerCase().startsWith("text/event-stream");
  }
  return true;
}

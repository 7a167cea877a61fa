import type { ReplicaLease } from "../../fleet/service.ts";
import type { AppError } from "../../lib/errors.ts";
import type { Admission } from "../../metering/limits/service.ts";
import type { ModelRoute } from "../../orchestration/service.ts";
import type { RequestRecord } from "./record.ts";

/** Receives a response. The HTTP layer's HttpExchange implements it. */
export interface ResponseTarget {
  readonly id: string;
  /** Aborted when the client has closed its connection. */
  readonly signal: AbortSignal;
  /** A header of the request, by its name in lower case. */
  header(name: string): string | undefined;
  /** @param headers names and values alternating. */
  json(body: string, headers: readonly string[]): void;
  fail(error: AppError): void;
  /** @param headers names and values alternating. */
  openStream(headers: readonly string[]): ResponseStream;
}

export interface ResponseStream {
  send(data: string): void;
  /** True while the client reads more slowly than the stream writes. */
  readonly congested: boolean;
  drained(): Promise<void>;
  end(): void;
  /** Sends an error event, then ends the stream. */
  fail(error: AppError): void;
}

/** The headers of a response, or error, of the fallback model; empty: the model asked for answers. */
export function fallbackHeaders({ fallbackUsed, model }: ModelRoute): readonly string[] {
  return fallbackUsed ? ["x-hearth-fallback-model", model] : [];
}

/**
 * A request that was parsed, resolved, admitted and routed: an endpoint's work starts from it. The endpoint counts usage
 * into `record` and ends the request with exactly one of `respondJson`, `complete` or `cancel`, or throws.
 */
export class InferenceRequest<Body> {
  readonly target: ResponseTarget;
  readonly record: RequestRecord;
  readonly body: Body;
  readonly route: ModelRoute;
  readonly admission: Admission;
  readonly replica: ReplicaLease;
  /** Headers of the response besides those of the account's limits, names and values alternating. */
  headers: readonly string[];
  #dropped: string[] = [];
  #stream: ResponseStream | null = null;

  constructor(parts: {
    target: ResponseTarget;
    record: RequestRecord;
    body: Body;
    route: ModelRoute;
    admission: Admission;
    replica: ReplicaLease;
  }) {
    this.target = parts.target;
    this.record = parts.record;
    this.body = parts.body;
    this.route = parts.route;
    this.admission = parts.admission;
    this.replica = parts.replica;
    this.headers = fallbackHeaders(parts.route);
  }

  /** Names the parameters that were dropped, because the fallback model doesn't support them, in a header. */
  nameDropped(parameters: readonly string[]): void {
    if (parameters.length === 0) return;
    this.#dropped.push(...parameters);
    this.headers = [...fallbackHeaders(this.route), "x-hearth-fallback-dropped", this.#dropped.join(", ")];
  }

  /** Ends the request with a JSON response. */
  respondJson(body: string): void {
    this.complete(() => this.sendJson(body, []));
  }

  /** Ends the request successfully. `send` runs once the usage is on disk, and sends the last bytes of the response. */
  complete(send: () => void): void {
    this.record.finish("ok", 200, null, send);
  }

  /** Ends a request whose client has gone. */
  cancel(): void {
    this.record.finish("cancelled", 499, null, () => {});
  }

  /** Sends a whole response. To be called inside `complete`, when the usage is known. */
  sendJson(body: string, headers: readonly string[]): void {
    const limits = this.admission.headers(this.record, true);
    this.target.json(body, [...this.headers, ...limits, ...headers]);
  }

  /** Opens the response as a stream. `record.ensureOpened()` must have resolved. Called once. */
  openStream(): ResponseStream {
    const headers = [...this.headers, ...this.admission.headers(this.record, false)];
    this.#stream = this.target.openStream(headers);
    return this.#stream;
  }

  /** The stream that was opened; null: none. */
  get stream(): ResponseStream | null {
    return this.#stream;
  }
}

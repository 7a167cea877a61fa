import { Deadline, pause } from "./deadline.ts";
import {
  apiError,
  ConnectionError,
  FireworksError,
  InputError,
  InvalidResponseError,
  readErrorBody,
  TimeoutError,
} from "./errors.ts";
import {
  delayMs,
  isOutcomeUncertain,
  mayRetry,
  type RetrySafety,
  readCause,
  readRetryAfterMs,
} from "./retry.ts";
import { type Settings, wholeNumber } from "./settings.ts";

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Overrides the client's option. */
  timeoutMs?: number | undefined;
  /** Overrides the client's option. */
  maxRetries?: number | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
}

export interface HttpRequest {
  method: string;
  /** Path and query. */
  path: string;
  /** `FormData` is sent as a form, any other value as JSON. */
  body?: unknown;
  accept?: string | undefined;
  repeatable: RetrySafety;
  /** Called before a retry of an attempt that the server may have processed. */
  onUncertainOutcome?: () => void;
  options?: CallOptions | undefined;
}

export interface ApiResponse {
  headers: Headers;
  /** The media type in lower case, without parameters. */
  contentType: string;
  bytes: Uint8Array;
}

export interface StreamingResponse {
  headers: Headers;
  /** The body in chunks. Reading throws the same errors as `Transport.open`. */
  chunks: AsyncGenerator<Uint8Array, void, undefined>;
  /** Aborts the request. */
  close(): void;
}

/** Time and randomness. Tests replace them. */
export interface Runtime {
  nowMs(): number;
  random(): number;
  pause(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

/** The largest response that is read as a whole. */
const MAX_RESPONSE_BYTES = 256 * 1024 ** 2;

/** Sends requests to one host with one key, retries where that is safe, and turns every failure into an error of the SDK. */
export class Transport {
  readonly #settings: Settings;
  readonly #runtime: Runtime;

  constructor(settings: Settings, runtime: Runtime = { nowMs: Date.now, random: Math.random, pause }) {
    this.#settings = settings;
    this.#runtime = runtime;
  }

  /** The host's address, as error messages show it. */
  get origin(): string {
    return this.#settings.origin;
  }

  /** @throws ApiError, ConnectionError, InvalidResponseError; the signal's reason when it aborts */
  send(request: HttpRequest): Promise<ApiResponse> {
    return this.#try(request, async (response, deadline) => {
      const bytes = await this.#readAll(response);
      deadline.close();
      if (!response.ok) throw this.#errorOf(response, bytes);
      return { headers: response.headers, contentType: contentType(response), bytes };
    });
  }

  /** Opens an event stream. The caller must read it to its end or close it. @throws the errors of `send` */
  open(request: HttpRequest): Promise<StreamingResponse> {
    return this.#try(request, async (response, deadline) => {
      if (response.ok && contentType(response) === "text/event-stream")
        return {
          headers: response.headers,
          chunks: this.#chunks(response, deadline),
          close: () => deadline.abort(),
        };
      const bytes = await this.#readAll(response);
      throw response.ok ? this.#notTheApi(response, bytes) : this.#errorOf(response, bytes);
    });
  }

  /**
   * The URL contains the key, as browsers can't set headers of a WebSocket: pass it to `new WebSocket` and never log it.
   * @param path without the key
   */
  webSocketUrl(path: string): string {
    const url = new URL(this.origin.replace(/^http/, "ws") + path);
    url.searchParams.set("Authorization", this.#settings.apiKey);
    return url.href;
  }

  /** Parses the JSON object of a response; an empty response is an empty object. @throws InvalidResponseError */
  decode({ bytes, contentType: type }: Pick<ApiResponse, "bytes" | "contentType">): object {
    const value = bytes.length === 0 ? {} : parseJson(bytes);
    if (typeof value === "object" && value !== null) return value;
    throw this.invalidResponse(200, isPage(type, bytes) ? "a web page" : "content that is not JSON");
  }

  /** The error for a response that this API never gives. @param what completes "answered 200 with …" */
  invalidResponse(status: number, what: string): InvalidResponseError {
    return new InvalidResponseError(
      status,
      `${this.origin} answered ${status} with ${what}. Is it the address of the API?`,
    );
  }

  /** Parses JSON, with the API key replaced in case the server echoes it; undefined if it isn't JSON. */
  readJson(text: string): unknown {
    return parseJson(text.replaceAll(this.#settings.apiKey, "…"));
  }

  async #try<T>(
    request: HttpRequest,
    read: (response: Response, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const { maxRetries = this.#settings.maxRetries, signal } = request.options ?? {};
    wholeNumber("maxRetries", maxRetries, 0, 20);
    for (let retry = 0; ; retry++) {
      try {
        return await this.#attempt(request, read);
      } catch (error) {
        if (retry >= maxRetries || !mayRetry(error, request.repeatable)) throw error;
        if (isOutcomeUncertain(error)) request.onUncertainOutcome?.();
        const waitMs = delayMs(retry, error, this.#runtime.random);
        this.#log(request, `retry in ${Math.round(waitMs)} ms`);
        await this.#runtime.pause(waitMs, signal);
      }
    }
  }

  async #attempt<T>(
    request: HttpRequest,
    read: (response: Response, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const { signal, timeoutMs = this.#settings.timeoutMs } = request.options ?? {};
    wholeNumber("timeoutMs", timeoutMs, 1, 2 ** 31 - 1);
    signal?.throwIfAborted();
    const deadline = new Deadline(timeoutMs, signal);
    try {
      const response = await this.#settings.fetch(this.origin + request.path, {
        method: request.method,
        headers: this.#headers(request),
        body: encoded(request.body),
        signal: deadline.signal,
      });
      this.#log(request, String(response.status));
      if (response.redirected && request.method !== "GET") throw this.#redirected(response);
      return await read(response, deadline);
    } catch (error) {
      deadline.close();
      throw this.#failure(error, deadline);
    }
  }

  #headers({ body, accept = "application/json", options }: HttpRequest): Headers {
    const headers = new Headers({ accept });
    for (const [name, value] of Object.entries({ ...this.#settings.headers, ...options?.headers })) {
      try {
        headers.set(name, value);
      } catch {
        throw new InputError(
          "headers",
          "A header's name or value contains characters that headers may not have.",
        );
      }
    }
    if (body !== undefined && !(body instanceof FormData)) headers.set("content-type", "application/json");
    headers.set("authorization", `Bearer ${this.#settings.apiKey}`);
    return headers;
  }

  async #readAll(response: Response): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of bodyOf(response)) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_RESPONSE_BYTES)
        throw this.invalidResponse(response.status, `more than ${MAX_RESPONSE_BYTES} bytes`);
      chunks.push(chunk);
    }
    const bytes = new Uint8Array(sizeBytes);
    let offset = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return bytes;
  }

  async *#chunks(response: Response, deadline: Deadline): StreamingResponse["chunks"] {
    try {
      for await (const chunk of bodyOf(response)) {
        deadline.extend();
        yield chunk;
      }
    } catch (error) {
      throw this.#failure(error, deadline);
    } finally {
      deadline.abort();
    }
  }

  #errorOf(response: Response, bytes: Uint8Array): FireworksError {
    const { status, headers } = response;
    const body = readErrorBody(this.readJson(new TextDecoder().decode(bytes)));
    // A proxy answers with a web page when the API is down (5xx, 429): the address is right, so report the status.
    if (body === null && status < 500 && status !== 429) return this.#notTheApi(response, bytes);
    return apiError({
      code: body?.code ?? "",
      message: body?.message ?? `${this.origin} answered ${status}.`,
      param: body?.param ?? null,
      details: body?.details ?? [],
      status,
      requestId: headers.get("x-request-id"),
      retryAfterMs: readRetryAfterMs(headers.get("retry-after"), this.#runtime.nowMs()),
    });
  }

  #notTheApi(response: Response, bytes: Uint8Array): InvalidResponseError {
    const what = isPage(contentType(response), bytes) ? "a web page" : "content that this API never sends";
    return this.invalidResponse(response.status, what);
  }

  #redirected(response: Response): InvalidResponseError {
    return this.invalidResponse(response.status, `a redirect to ${new URL(response.url).origin}`);
  }

  #failure(error: unknown, deadline: Deadline): unknown {
    const { signal, isOver, timeoutMs } = deadline;
    if (isOver) return new TimeoutError(`${this.origin} did not answer within ${timeoutMs} ms.`);
    if (signal.aborted) return signal.reason;
    if (error instanceof FireworksError) return error;
    // The message of fetch may quote the request with its key: pass on only the system's error code.
    const { maybeSent, code } = readCause(error);
    const what = maybeSent ? `The connection to ${this.origin} broke` : `${this.origin} can't be reached`;
    return new ConnectionError(`${what}${code === null ? "" : ` (${code})`}.`, maybeSent);
  }

  #log({ method, path }: HttpRequest, what: string): void {
    this.#settings.log?.(`${method} ${this.origin}${path.replace(/\?.*/, "")}: ${what}`);
  }
}

/** Undefined if the text isn't JSON. */
export function parseJson(json: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof json === "string" ? json : new TextDecoder().decode(json));
  } catch {
    return undefined;
  }
}

function isPage(type: string, bytes: Uint8Array): boolean {
  return type.includes("html") || bytes[0] === 0x3c;
}

function contentType(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Reads the body's chunks. Not every browser supports `for await` over a ReadableStream. */
async function* bodyOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function encoded(body: unknown): FormData | string | null {
  if (body === undefined) return null;
  return body instanceof FormData ? body : JSON.stringify(body);
}

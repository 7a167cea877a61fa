/** Engine adapter for any server that speaks OpenAI's HTTP API: vLLM, SGLang, llama-server and their like. */
import { Pool } from "undici";
import { contextExceededError } from "../../engine/context-limit.ts";
import type { EngineModelInfo, TextEngine } from "../../engine/engine.ts";
import { EngineError } from "../../engine/errors.ts";
import type {
  EngineCapabilities,
  EngineEvent,
  GenerateRequest,
  GenerationEngine,
} from "../../engine/generation.ts";
import { systemClock } from "../../lib/clock.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { badResponse, type ContextOverflow, statusError, transportError } from "./errors.ts";
import { parseModelContext, parsePropertiesContext } from "./model-context.ts";
import { type Dialect, requestBody } from "./protocol.ts";
import { RequestsInFlight } from "./requests-in-flight.ts";
import { type Upstream, UpstreamRequest } from "./upstream-request.ts";

export interface OpenAiServerOptions {
  /** Base of the API's paths, version included: `http://127.0.0.1:8000/v1`. http or https, no credentials. */
  baseUrl: string;
  /** Sent as a bearer token. */
  apiKey?: string;
  /** The model's name on that server. */
  upstreamModel: string;
  /** Most tokens of prompt and output together. Default: as the server says, see `readContextLength`. */
  contextLength?: number;
  /**
   * `extended` (default): the fields and endpoints that vLLM, SGLang and llama-server add to OpenAI's. `openai`: only
   * OpenAI's own, for servers that refuse unknown fields.
   */
  dialect?: Dialect;
  /** Abilities of this server, some of `SERVER_FEATURES`; the platform refuses requests for others. Default: none. */
  features?: readonly string[];
  /** Most connections, ≥ 1; a stream holds one for as long as it runs. Default 256. */
  connections?: number;
  /** Most requests waiting for a free connection; more are `overloaded`. Default: as many as connections. */
  maxQueued?: number;
  /** Default 5 s. */
  connectTimeoutMs?: number;
  /**
   * From the request to the first token, the wait for a connection and the server's queue included; without streaming that
   * is the whole generation. Default 600 s.
   */
  firstTokenTimeoutMs?: number;
  /** Longest pause between two pieces of a stream after its first token. Default 60 s. */
  stallTimeoutMs?: number;
  /** Largest response that is not a stream. Default 16 MiB. */
  maxResponseBytes?: number;
  /** Largest single event of a stream. Default 1 MiB. */
  maxEventBytes?: number;
}

/** uvicorn, which vLLM and SGLang use, closes idle connections after 5 s: a request on one being closed would fail. */
const KEEP_ALIVE_MS = 4_000;
const FIRST_TOKEN_TIMEOUT_MS = 600_000;
const STALL_TIMEOUT_MS = 60_000;
/** For everything but generations. */
const SMALL_REQUEST_TIMEOUT_MS = 10_000;
const SMALL_REQUEST_CONNECTIONS = 4;

/** @throws TypeError for an invalid option. */
export function createOpenAiServerEngine(options: OpenAiServerOptions): TextEngine {
  return new OpenAiServerEngine(options);
}

class OpenAiServerEngine implements TextEngine, Upstream {
  readonly generation: GenerationEngine = this;
  readonly capabilities: EngineCapabilities;
  readonly model: EngineModelInfo;
  readonly maxResponseBytes: number;
  readonly maxEventBytes: number;

  readonly #pool: Pool;
  /** For everything but generations: a health check must not wait for a generation to end. */
  readonly #smallRequestPool: Pool;
  readonly #upstreamModel: string;
  readonly #dialect: Dialect;
  readonly #headers: string[];
  /** `#basePath` is `/v1`, say. `#rootPath` is the same without its version: `/health` and `/tokenize` are there. */
  readonly #basePath: string;
  readonly #rootPath: string;
  readonly #maxInFlight: number;
  readonly #requests: RequestsInFlight;
  /** False until the server was asked for its context, and again after it did not answer: it may be another one then. */
  #knowsContext: boolean;
  readonly #isContextConfigured: boolean;
  #closed: Promise<void> | null = null;

  constructor(options: OpenAiServerOptions) {
    const url = parseBaseUrl(options.baseUrl);
    const connections = options.connections ?? 256;
    if (!Number.isInteger(connections) || connections < 1)
      throw new TypeError("connections must be at least 1");
    this.#dialect = options.dialect ?? "extended";
    this.#upstreamModel = options.upstreamModel;
    this.#basePath = url.pathname.replace(/\/+$/, "");
    this.#rootPath = this.#basePath.replace(/\/v\d+$/, "");
    this.#maxInFlight = connections + (options.maxQueued ?? connections);
    this.#headers = ["content-type", "application/json"];
    if (options.apiKey !== undefined) {
      if (!/^[\x21-\x7e]+$/.test(options.apiKey)) throw new TypeError("apiKey must be visible ASCII");
      this.#headers.push("authorization", `Bearer ${options.apiKey}`);
    }
    this.maxResponseBytes = options.maxResponseBytes ?? 16 * 1024 * 1024;
    this.maxEventBytes = options.maxEventBytes ?? 1024 * 1024;
    this.capabilities = capabilitiesOf(this.#dialect, options.features ?? []);
    this.#knowsContext = options.contextLength !== undefined;
    this.#isContextConfigured = this.#knowsContext;
    this.model = {
      contextLength: options.contextLength ?? null,
      chatTemplate: null,
      bosToken: "",
      eosToken: "",
    };
    this.#requests = new RequestsInFlight({
      clock: systemClock,
      firstTokenTimeoutMs: options.firstTokenTimeoutMs ?? FIRST_TOKEN_TIMEOUT_MS,
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
    });
    const poolOptions = {
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectTimeout: options.connectTimeoutMs ?? 5_000,
    };
    // undici's time-outs know no first token: `RequestsInFlight` ends the generations that take too long.
    this.#pool = new Pool(url.origin, { ...poolOptions, connections, headersTimeout: 0, bodyTimeout: 0 });
    this.#smallRequestPool = new Pool(url.origin, {
      ...poolOptions,
      connections: SMALL_REQUEST_CONNECTIONS,
      headersTimeout: SMALL_REQUEST_TIMEOUT_MS,
      bodyTimeout: SMALL_REQUEST_TIMEOUT_MS,
    });
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    return new UpstreamRequest(this, request, signal);
  }

  send(request: GenerateRequest, maxTokens: number | null, handler: UpstreamRequest): void {
    this.#pool.dispatch(
      {
        method: "POST",
        path: `${this.#basePath}${request.input.kind === "chat" ? "/chat/completions" : "/completions"}`,
        headers: this.#headers,
        // A connection has one request at a time anyway; false saves undici a turn of its queue for each request.
        blocking: false,
        body: requestBody(
          this.#upstreamModel,
          this.#dialect,
          request,
          this.#withinContext(request, maxTokens),
        ),
      },
      handler,
    );
  }

  /** A chat without a limit gets all of the rest of the context; with a larger limit it would be refused at first. */
  #withinContext({ input }: GenerateRequest, maxTokens: number | null): number | null {
    const { contextLength } = this.model;
    if (input.kind !== "chat" || contextLength === null || maxTokens === null) return maxTokens;
    return maxTokens >= contextLength ? null : maxTokens;
  }

  async maxTokensAfterOverflow({ input }: GenerateRequest, refusal: ContextOverflow): Promise<number | null> {
    if (refusal.exact) return refusal.contextTokens - refusal.promptTokens;
    // The server stopped counting the prompt. A chat request without a limit gets all of the rest of the context; a text
    // request without a limit gets a small default, so its prompt is counted here.
    if (input.kind === "chat") return null;
    // Plus the start token, which tokenize doesn't add.
    const promptTokens =
      1 + (input.kind === "tokens" ? input.tokens : await this.tokenize(input.text)).length;
    const tokensLeft = refusal.contextTokens - promptTokens;
    if (tokensLeft < 1) throw contextExceededError(promptTokens, refusal.contextTokens);
    return tokensLeft;
  }

  acquireSlot(request: UpstreamRequest): void {
    if (this.#closed !== null) throw new EngineError("unavailable", "The engine is closed.");
    if (this.#requests.count >= this.#maxInFlight) {
      throw new EngineError("overloaded", "Too many requests are waiting for the model server.");
    }
    this.#requests.add(request);
  }

  releaseSlot(request: UpstreamRequest): void {
    this.#requests.delete(request);
  }

  failWork(error: EngineError): void {
    this.#requests.failAll(error);
  }

  async tokenize(text: string): Promise<number[]> {
    if (this.#dialect === "openai") throw noTokenizer();
    // vLLM reads `model`, `prompt`, `add_special_tokens`; llama-server `content`, `add_special`, `parse_special`.
    const body = JSON.stringify({
      model: this.#upstreamModel,
      prompt: text,
      add_special_tokens: false,
      content: text,
      add_special: false,
      parse_special: true,
    });
    const { status, json } = await this.#requestJson("POST", `${this.#rootPath}/tokenize`, body);
    if (status === 404 || status === 405 || status === 501) throw noTokenizer();
    if (status !== 200) throw statusError(status, json, null);
    const tokens = (json as { tokens?: unknown } | null)?.tokens;
    if (!Array.isArray(tokens) || !tokens.every((token) => Number.isInteger(token))) throw badResponse();
    return tokens as number[];
  }

  async health(): Promise<void> {
    try {
      let { status } = await this.#requestJson("GET", `${this.#rootPath}/health`, null);
      if (status === 404 || status === 405) {
        ({ status } = await this.#requestJson("GET", `${this.#basePath}/models`, null));
      }
      if (status < 200 || status > 299) throw statusError(Math.max(status, 500), null, null);
    } catch (error) {
      this.#knowsContext = this.#isContextConfigured;
      throw error;
    }
    if (this.#knowsContext) return;
    this.#knowsContext = true;
    // A server that can't be asked for its context is healthy all the same.
    await this.#readContextLength().catch(() => {});
  }

  /** Reads the context's length from the list of models (vLLM, SGLang) or the server's properties (llama-server). */
  async #readContextLength(): Promise<void> {
    const models = await this.#requestJson("GET", `${this.#basePath}/models`, null);
    let length = parseModelContext(models.json, this.#upstreamModel);
    if (length === null && this.#dialect === "extended") {
      const properties = await this.#requestJson("GET", `${this.#rootPath}/props`, null);
      length = parsePropertiesContext(properties.json);
    }
    this.model.contextLength = length;
  }

  close(): Promise<void> {
    this.#closed ??= Promise.all([this.#pool.destroy(), this.#smallRequestPool.destroy()]).then(() => {});
    return this.#closed;
  }

  /** `json` is null when the response is not JSON. @throws EngineError on transport failures. */
  async #requestJson(method: "GET" | "POST", path: string, body: string | null) {
    if (this.#closed !== null) throw new EngineError("unavailable", "The engine is closed.");
    try {
      const response = await this.#smallRequestPool.request({ method, path, body, headers: this.#headers });
      const pieces: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const piece of response.body as AsyncIterable<Uint8Array>) {
        sizeBytes += piece.length;
        if (sizeBytes > this.maxResponseBytes) throw badResponse();
        pieces.push(piece);
      }
      return { status: response.statusCode, json: parseJson(Buffer.concat(pieces).toString()) };
    } catch (error) {
      throw error instanceof EngineError ? error : transportError(error);
    }
  }
}

function noTokenizer(): EngineError {
  return new EngineError("unsupported", "The model server has no tokenizer endpoint.");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function parseBaseUrl(baseUrl: string): URL {
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new TypeError("baseUrl is not a URL");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new TypeError("baseUrl must be http or https");
  if (url.username !== "" || url.search !== "" || url.hash !== "") {
    throw new TypeError("baseUrl takes no credentials, query or fragment");
  }
  return url;
}

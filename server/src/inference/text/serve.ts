import type { Principal } from "../../control/api-keys/service.ts";
import {
  EngineError,
  type EngineInput,
  type EngineUsage,
  type FinishReason,
  type GenerateRequest,
} from "../../engine/port.ts";
import type { RoutedEngine } from "../../fleet/service.ts";
import { AppError, toAppError } from "../../lib/errors.ts";
import { toPublicError } from "./engine-errors.ts";
import { checkCombinations, maxTokensOf, samplingOf, stopsOf, type TextParameters } from "./parameters.ts";
import type { RequestRecord } from "./record.ts";
import type { ReplyFormat, ReplyHead, WholeChoice } from "./reply.ts";

/** Where a reply goes. The HTTP layer's Exchange fits; nothing here knows HTTP. */
export interface ReplyTarget {
  readonly id: string;
  readonly signal: AbortSignal;
  json(body: string, headers: readonly string[]): void;
  fail(error: AppError): void;
  openStream(headers: readonly string[]): ReplyStream;
}

export interface ReplyStream {
  send(data: string): void;
  readonly congested: boolean;
  drained(): Promise<void>;
  end(): void;
  /** An error event, then the end. */
  fail(error: AppError): void;
}

/** A text endpoint: how its body becomes engine input and how its replies look. */
export interface TextEndpoint<Body extends TextParameters> {
  /** Name in the usage ledger. */
  name: string;
  /** The field an over-long prompt is blamed on. */
  promptField: string;
  /** @throws AppError BAD_REQUEST naming the field. */
  parse(body: unknown): Body;
  /** @throws AppError BAD_REQUEST. */
  input(body: Body, engine: RoutedEngine): EngineInput | Promise<EngineInput>;
  format: ReplyFormat;
}

export interface TextServices {
  /** @throws AppError NOT_FOUND. */
  resolveModel(name: string): { name: string; fallbackUsed: boolean };
  /** A ready replica; waits for a starting one. @throws AppError UNAVAILABLE. */
  route(model: string, signal: AbortSignal): Promise<RoutedEngine>;
  /** Lets a request in; the returned function lets it out. @throws AppError RATE_LIMIT_EXCEEDED. */
  admit(principal: Principal, model: string, n: number): () => void;
}

/** Serves one request whose body has arrived. Never throws: every failure is answered and recorded. */
export async function serveText<Body extends TextParameters>(
  services: TextServices,
  endpoint: TextEndpoint<Body>,
  target: ReplyTarget,
  record: RequestRecord,
  rawBody: unknown,
): Promise<void> {
  try {
    const body = endpoint.parse(rawBody);
    checkCombinations(body);
    const model = services.resolveModel(body.model);
    record.model = model.name;
    const release = services.admit(record.principal, model.name, body.n ?? 1);
    try {
      const headers = model.fallbackUsed ? ["x-hearth-fallback-model", model.name] : [];
      await new Reply(services, endpoint, target, record, body, headers).run();
    } finally {
      release();
    }
  } catch (thrown) {
    refuse(
      target,
      record,
      thrown instanceof EngineError ? toPublicError(thrown, endpoint.promptField) : thrown,
    );
  }
}

/** Answers and records a request that got no reply. */
export function refuse(target: ReplyTarget, record: RequestRecord, thrown: unknown): void {
  if (target.signal.aborted) {
    record.finish("cancelled", 499, null, () => {});
    return;
  }
  const error = toAppError(thrown);
  record.finish(error.status < 500 ? "rejected" : "error", error.status, error, () => target.fail(error));
}

/** One reply in the making, whole or streamed. */
class Reply<Body extends TextParameters> {
  readonly #services: TextServices;
  readonly #endpoint: TextEndpoint<Body>;
  readonly #target: ReplyTarget;
  readonly #record: RequestRecord;
  readonly #body: Body;
  readonly #headers: readonly string[];
  readonly #head: ReplyHead;
  readonly #choices: WholeChoice[] = [];
  #stream: ReplyStream | null = null;
  /** The finish of a choice waits for the next event: the last one carries the usage. */
  #heldFinish: { choice: number; reason: FinishReason } | null = null;

  constructor(
    services: TextServices,
    endpoint: TextEndpoint<Body>,
    target: ReplyTarget,
    record: RequestRecord,
    body: Body,
    headers: readonly string[],
  ) {
    this.#services = services;
    this.#endpoint = endpoint;
    this.#target = target;
    this.#record = record;
    this.#body = body;
    this.#headers = headers;
    this.#head = {
      id: endpoint.format.idPrefix + target.id,
      created: Math.floor(record.startedAtMs / 1000),
      model: record.model,
    };
  }

  async run(): Promise<void> {
    const engine = await this.#services.route(this.#record.model, this.#target.signal);
    this.#record.replica = engine.replicaId;
    try {
      await this.#generate(engine);
    } catch (thrown) {
      if (this.#stream === null) throw thrown;
      this.#breakOff(this.#stream, thrown);
    }
  }

  async #generate(engine: RoutedEngine): Promise<void> {
    const request: GenerateRequest = {
      id: this.#target.id,
      input: await this.#endpoint.input(this.#body, engine),
      sampling: samplingOf(this.#body),
      n: this.#body.n ?? 1,
      maxTokens: maxTokensOf(this.#body),
      stop: stopsOf(this.#body),
      stream: this.#body.stream === true,
    };
    refuseUnknownSampling(request, engine);
    for await (const event of engine.generate(request, this.#target.signal)) {
      if (event.type === "end") {
        this.#record.usage(event.usage);
        if (event.aborted) this.#record.finish("cancelled", 499, null, () => {});
        else this.#complete(event.usage);
        return;
      }
      if (event.type === "prompt") continue;
      if (event.type === "delta") this.#record.delta();
      if (!request.stream) this.#collect(event);
      else if (!this.#target.signal.aborted) await this.#pass(event);
    }
    throw new EngineError("bad_reply", "The engine ended without saying so.");
  }

  #collect(event: { type: "delta"; choice: number; text: string } | Finish): void {
    this.#choices[event.choice] ??= { text: "", reason: "stop" };
    const choice = this.#choices[event.choice] as WholeChoice;
    if (event.type === "delta") choice.text += event.text;
    else choice.reason = event.reason;
  }

  async #pass(event: { type: "delta"; choice: number; text: string } | Finish): Promise<void> {
    const { format } = this.#endpoint;
    const stream = this.#stream ?? (await this.#open());
    this.#releaseFinish(stream, this.#chunkUsage);
    if (event.type === "finish") this.#heldFinish = event;
    else if (event.text !== "")
      stream.send(format.delta(this.#head, event.choice, event.text, this.#chunkUsage));
    if (stream.congested) await stream.drained();
  }

  /** The ledger knows of the request before its first byte is out, so that a crash can't hide it. */
  async #open(): Promise<ReplyStream> {
    await this.#record.ensureOpened();
    const stream = this.#target.openStream(this.#headers);
    for (let choice = 0; choice < (this.#body.n ?? 1); choice++) {
      const opening = this.#endpoint.format.opening(this.#head, choice, this.#chunkUsage);
      if (opening !== null) stream.send(opening);
    }
    this.#stream = stream;
    return stream;
  }

  /** OpenAI's layout says `usage: null` on every chunk but the extra one; the other leaves it out until the finish. */
  get #chunkUsage(): null | undefined {
    return this.#body.stream_options?.include_usage === true ? null : undefined;
  }

  #releaseFinish(stream: ReplyStream, usage: EngineUsage | null | undefined): void {
    const held = this.#heldFinish;
    if (held === null) return;
    this.#heldFinish = null;
    stream.send(this.#endpoint.format.finish(this.#head, held.choice, held.reason, usage));
  }

  /** The reply's last bytes leave only after its usage is spooled: what a client has seen whole is never lost. */
  #complete(usage: EngineUsage): void {
    const { format } = this.#endpoint;
    this.#record.finish("ok", 200, null, () => {
      const stream = this.#stream;
      if (stream === null) {
        const body = format.whole(this.#head, this.#choices, usage);
        this.#target.json(body, [...this.#headers, ...this.#record.timingHeaders()]);
        return;
      }
      const extraChunk = this.#chunkUsage === null;
      this.#releaseFinish(stream, extraChunk ? null : usage);
      if (extraChunk) stream.send(format.usageOnly(this.#head, usage));
      stream.end();
    });
  }

  /** A failure after the first chunk: an error event, then the end. */
  #breakOff(stream: ReplyStream, thrown: unknown): void {
    const error =
      thrown instanceof EngineError ? toPublicError(thrown, this.#endpoint.promptField) : toAppError(thrown);
    const outcome = this.#target.signal.aborted ? "cancelled" : "error";
    this.#record.finish(outcome, error.status, error, () => stream.fail(error));
  }
}

type Finish = { type: "finish"; choice: number; reason: FinishReason };

/** Sampling the engine doesn't have is refused by its request name, never dropped. */
function refuseUnknownSampling(request: GenerateRequest, engine: RoutedEngine): void {
  for (const field of Object.keys(request.sampling) as (keyof typeof request.sampling)[]) {
    if (engine.capabilities.sampling.includes(field)) continue;
    const param = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    throw new AppError("BAD_REQUEST", `The engine of this model does not support ${param}.`, { param });
  }
}

import { contextExceededError } from "../../engine/context-limit.ts";
import { EngineError } from "../../engine/errors.ts";
import type {
  EngineEvent,
  EngineInput,
  EngineUsage,
  FinishReason,
  GenerateRequest,
} from "../../engine/generation.ts";
import type { ReplicaLease, RouteRequest } from "../../fleet/service.ts";
import { badRequest, toAppError } from "../../lib/errors.ts";
import type { Admission } from "../../metering/limits/service.ts";
import type { ModelRoute } from "../../orchestration/service.ts";
import { ChoiceOutput } from "./choice-output.ts";
import { toPublicError } from "./engine-errors.ts";
import { engineRequest, type ResponseOptions } from "./engine-request.ts";
import { parseLogprobFormat } from "./logprobs.ts";
import type { ContentPart } from "./output-parser.ts";
import { maxTokensOf, type TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import type { RequestRecord } from "./record.ts";
import { NO_EXTRAS, type ResponseHead, type ResponseTail } from "./response-serializer.ts";
import type { ResponseStream, ResponseTarget, TextEndpoint, TextServices } from "./serve.ts";

/** One reply in the making, whole or streamed. */
export class ResponseWriter<Body extends TextParameters> {
  readonly #services: TextServices;
  readonly #endpoint: TextEndpoint<Body>;
  readonly #target: ResponseTarget;
  readonly #record: RequestRecord;
  readonly #body: Body;
  readonly #route: ModelRoute;
  readonly #admission: Admission;
  readonly #head: ResponseHead;
  readonly #options: ResponseOptions;
  readonly #choices: ChoiceOutput[] = [];
  #headers: readonly string[];
  #stream: ResponseStream | null = null;
  /** The finish of a choice waits for the next event: the last one carries the usage. */
  #pendingFinish: number | null = null;

  /** @throws AppError BAD_REQUEST for wishes that contradict each other. */
  constructor(
    services: TextServices,
    endpoint: TextEndpoint<Body>,
    target: ResponseTarget,
    record: RequestRecord,
    body: Body,
    route: ModelRoute,
    admission: Admission,
  ) {
    this.#services = services;
    this.#endpoint = endpoint;
    this.#target = target;
    this.#record = record;
    this.#body = body;
    this.#route = route;
    this.#admission = admission;
    this.#headers = route.fallbackUsed ? ["x-hearth-fallback-model", route.model] : [];
    this.#options = toResponseOptions(body);
    this.#head = {
      id: endpoint.serializer.idPrefix + target.id,
      created: Math.floor(record.startedAtMs / 1000),
      model: record.model,
    };
  }

  async run(): Promise<void> {
    const engine = await this.#services.route(this.#routeRequest(), this.#target.signal);
    this.#record.replica = engine.replicaId;
    try {
      const plan = await this.#endpoint.planPrompt(this.#body, engine, this.#route.chatTemplate);
      if (plan.responseHeaders.length > 0) this.#headers = [...this.#headers, ...plan.responseHeaders];
      const { usage, aborted } = await this.#generateAll(plan, engine);
      this.#record.setUsage(usage);
      if (aborted) this.#record.finish("cancelled", 499, null, () => {});
      else this.#complete(usage);
    } catch (thrown) {
      if (this.#stream === null) throw thrown;
      this.#failStream(this.#stream, thrown);
    }
  }

  /** What tells replicas apart: the prompt they have computed before, and the session where one is named. */
  #routeRequest(): RouteRequest {
    const { deployment, lora: adapter, sessionAffinity } = this.#route;
    const { prompt_cache_key, user } = this.#body;
    const session = sessionAffinity
      ? (this.#target.header("x-session-affinity") ?? prompt_cache_key ?? user ?? undefined)
      : undefined;
    return {
      deployment,
      lora: adapter,
      // Two accounts may call their sessions alike.
      sessionKey: session === undefined ? undefined : `${this.#record.accountId}\n${session}`,
      promptPrefix: this.#endpoint.promptPrefix(this.#body),
      priority: this.#admission.isOverLimit ? "low" : undefined,
    };
  }

  #generateAll(plan: PromptPlan, engine: ReplicaLease): Promise<GenerationEnd> {
    const [only] = plan.inputs;
    if (plan.inputs.length > 1 || only === undefined) return this.#generateBatch(plan, engine);
    return this.#generate(plan, only, engine, 0, this.#target.signal);
  }

  /** All prompts of a batch at once; the first failure stops the others. */
  async #generateBatch(plan: PromptPlan, engine: ReplicaLease): Promise<GenerationEnd> {
    const failed = new AbortController();
    const either = AbortSignal.any([this.#target.signal, failed.signal]);
    const n = this.#body.n ?? 1;
    const all = plan.inputs.map((input, i) => this.#generate(plan, input, engine, i * n, either));
    try {
      const ends = await Promise.all(all);
      return { usage: sumUsages(ends.map((end) => end.usage)), aborted: ends.some((end) => end.aborted) };
    } catch (error) {
      failed.abort();
      await Promise.allSettled(all);
      throw error;
    }
  }

  /** @param first index of the prompt's first choice in the reply. */
  async #generate(
    plan: PromptPlan,
    input: EngineInput,
    engine: ReplicaLease,
    first: number,
    signal: AbortSignal,
  ): Promise<GenerationEnd> {
    const request = this.#engineRequest(plan, input, engine);
    if (this.#body.context_length_exceeded_behavior === "error") {
      await refuseOverflow(input, maxTokensOf(this.#body), engine);
    }
    for (let i = 0; i < request.n; i++)
      this.#choices[first + i] = new ChoiceOutput(plan.createParser(), this.#options);
    for await (const event of engine.generate(request, signal)) {
      if (event.type === "end") return event;
      if (event.type === "start") this.#record.addPromptUsage(event);
      // The prompt is every choice's.
      else if (event.type === "prompt") {
        for (let i = 0; i < request.n; i++) await this.#handleEvent(event, first + i, plan, signal);
      } else {
        const passing = this.#handleEvent(event, first + event.choice, plan, signal);
        if (passing !== null) await passing;
      }
    }
    throw new EngineError("bad_reply", "The engine ended without saying so.");
  }

  #engineRequest(plan: PromptPlan, input: EngineInput, engine: ReplicaLease): GenerateRequest {
    const accountId = this.#route.isolation === "account" ? this.#record.accountId : null;
    const owner = { accountId, isolationKey: this.#target.header("x-prompt-cache-isolation-key") };
    const request = engineRequest(this.#target.id, this.#body, plan, input, this.#options, owner, engine);
    if (this.#admission.isOverLimit) request.priority = "low";
    return request;
  }

  /** Null: there is nothing to wait for. */
  #handleEvent(
    event: ChoiceEvent,
    choice: number,
    plan: PromptPlan,
    signal: AbortSignal,
  ): Promise<void> | null {
    if (event.type === "delta") this.#record.addDelta();
    const parts = this.#applyEvent(event, choice, plan);
    return this.#body.stream === true && !signal.aborted ? this.#writeParts(event, choice, parts) : null;
  }

  #applyEvent(event: ChoiceEvent, index: number, plan: PromptPlan): readonly ContentPart[] {
    const choice = this.#choices[index] as ChoiceOutput;
    if (event.type === "prompt")
      return choice.addPrompt({ tokens: event.tokens, fragments: plan.promptFragments });
    return event.type === "delta"
      ? choice.addText(event.text, event.tokens, event.as)
      : choice.finish(event.reason);
  }

  async #writeParts(event: ChoiceEvent, index: number, parts: readonly ContentPart[]): Promise<void> {
    // The prompt alone opens no stream: the engine may still refuse.
    if (event.type === "prompt" && parts.length === 0) return;
    const { serializer: format } = this.#endpoint;
    const stream = this.#stream ?? (await this.#openStream());
    this.#writePendingFinish(stream, this.#chunkTail);
    const choice = this.#choices[index] as ChoiceOutput;
    let extras = parts.length > 0 ? choice.takeExtras(false) : NO_EXTRAS;
    for (const part of parts) {
      const chunk = format.deltaChunk(this.#head, index, part, extras, this.#chunkTail);
      if (chunk === null) continue;
      stream.send(chunk);
      extras = NO_EXTRAS;
    }
    if (event.type === "finish") this.#pendingFinish = index;
    if (stream.congested) await stream.drained();
  }

  /** The ledger knows of the request before its first byte is out, so that a crash can't hide it. */
  async #openStream(): Promise<ResponseStream> {
    await this.#record.ensureOpened();
    if (this.#stream !== null) return this.#stream;
    const limits = this.#admission.headers(this.#record, false);
    const stream = this.#target.openStream([...this.#headers, ...limits]);
    for (let choice = 0; choice < this.#choices.length; choice++) {
      const opening = this.#endpoint.serializer.openingChunk(this.#head, choice, this.#chunkTail);
      if (opening !== null) stream.send(opening);
    }
    this.#stream = stream;
    return stream;
  }

  /** OpenAI's layout says `usage: null` on every chunk but the extra one; the other leaves it out until the finish. */
  get #chunkTail(): ResponseTail {
    return this.#body.stream_options?.include_usage === true ? USAGE_NULL : NO_TAIL;
  }

  #writePendingFinish(stream: ResponseStream, tail: ResponseTail): void {
    const held = this.#pendingFinish;
    if (held === null) return;
    this.#pendingFinish = null;
    const choice = this.#choices[held] as ChoiceOutput;
    stream.send(
      this.#endpoint.serializer.finishChunk(
        this.#head,
        held,
        choice.finishReason,
        choice.takeExtras(true),
        tail,
      ),
    );
  }

  /** The reply's last bytes leave only after its usage is spooled: what a client has seen whole is never lost. */
  #complete(usage: EngineUsage): void {
    const { serializer: format } = this.#endpoint;
    this.#record.finish("ok", 200, null, () => {
      const perfMetrics = this.#options.perfMetrics ? this.#record.perfMetrics() : undefined;
      const stream = this.#stream;
      if (stream === null) {
        const choices = this.#choices.map((choice) => choice.toCompletedChoice());
        const body = format.response(this.#head, choices, { usage, perfMetrics });
        const limits = this.#admission.headers(this.#record, true);
        this.#target.json(body, [...this.#headers, ...limits, ...this.#record.timingHeaders()]);
        return;
      }
      const extraChunk = this.#chunkTail === USAGE_NULL;
      this.#writePendingFinish(stream, extraChunk ? USAGE_NULL : { usage, perfMetrics });
      if (extraChunk) stream.send(format.usageChunk(this.#head, { usage, perfMetrics }));
      stream.end();
    });
  }

  /** A failure after the first chunk: an error event, then the end. */
  #failStream(stream: ResponseStream, thrown: unknown): void {
    const error =
      thrown instanceof EngineError ? toPublicError(thrown, this.#endpoint.promptField) : toAppError(thrown);
    const outcome = this.#target.signal.aborted ? "cancelled" : "error";
    this.#record.finish(outcome, error.status, error, () => stream.fail(error));
  }
}

const NO_TAIL: ResponseTail = {};
const USAGE_NULL: ResponseTail = { usage: null };

interface GenerationEnd {
  usage: EngineUsage;
  aborted: boolean;
}

type ChoiceEvent =
  | Extract<EngineEvent, { type: "prompt" | "delta" }>
  | { type: "finish"; choice: number; reason: FinishReason };

function toResponseOptions(p: TextParameters): ResponseOptions {
  return {
    logprobs: parseLogprobFormat(p),
    tokenIds: p.return_token_ids === true,
    rawOutput: p.raw_output === true,
    echo: p.echo_last ? { last: p.echo_last } : p.echo === true ? { last: Number.MAX_SAFE_INTEGER } : null,
    perfMetrics: p.perf_metrics_in_response === true,
  };
}

/** @throws EngineError `context_exceeded` when prompt and output together may not fit; AppError BAD_REQUEST where that is not known. */
async function refuseOverflow(input: EngineInput, maxTokens: number, engine: ReplicaLease): Promise<void> {
  const { contextLength } = engine.model;
  if (contextLength === null || input.kind === "chat") {
    throw badRequest(
      "context_length_exceeded_behavior",
      "context_length_exceeded_behavior: the engine of this model does not tell what fits its context.",
    );
  }
  const tokens = input.kind === "tokens" ? input.tokens : await engine.tokenize(input.text);
  if (tokens.length + maxTokens <= contextLength) return;
  throw contextExceededError(`${tokens.length} and the output may have ${maxTokens}`, contextLength);
}

function sumUsages(usages: readonly EngineUsage[]): EngineUsage {
  const total: EngineUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  for (const usage of usages) {
    total.promptTokens += usage.promptTokens;
    total.cachedTokens += usage.cachedTokens;
    total.completionTokens += usage.completionTokens;
  }
  return total;
}

import { contextExceededError } from "../../engine/context-limit.ts";
import { EngineError } from "../../engine/errors.ts";
import type { EngineEvent, EngineInput, EngineUsage, FinishReason } from "../../engine/generation.ts";
import type { ReplicaLease } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import type { RequestRecord } from "../pipeline/record.ts";
import type { InferenceRequest, ResponseStream } from "../pipeline/request.ts";
import { ChoiceOutput } from "./choice-output.ts";
import { type ResponseOptions, toEngineRequest } from "./engine-request.ts";
import { parseLogprobFormat } from "./logprobs.ts";
import type { ContentPart } from "./output-parser.ts";
import { maxTokensOf, type TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import {
  NO_EXTRAS,
  type ResponseHead,
  type ResponseSerializer,
  type ResponseTail,
} from "./response-serializer.ts";
import { systemFingerprint } from "./system-fingerprint.ts";
import { perfMetricsJson, timingHeaders } from "./timing-headers.ts";

/** Generates one response and writes it, whole or streamed. */
export class ResponseWriter<Body extends TextParameters> {
  readonly #serializer: ResponseSerializer;
  readonly #request: InferenceRequest<Body>;
  readonly #record: RequestRecord;
  readonly #plan: PromptPlan;
  readonly #head: ResponseHead;
  readonly #options: ResponseOptions;
  readonly #choices: ChoiceOutput[] = [];
  readonly #knowsFirstToken: boolean;
  /** The choice whose finish is not written yet: the last finish carries the usage, so each waits for the next event. */
  #pendingFinish: number | null = null;

  constructor(serializer: ResponseSerializer, request: InferenceRequest<Body>, plan: PromptPlan) {
    const { record, body, target } = request;
    this.#serializer = serializer;
    this.#request = request;
    this.#record = record;
    this.#plan = plan;
    this.#options = toResponseOptions(body);
    this.#knowsFirstToken = body.stream === true || request.replica.capabilities.earlyFirstDelta;
    this.#head = {
      id: serializer.idPrefix + target.id,
      created: Math.floor(record.startedAtMs / 1000),
      model: record.model,
      fingerprint: systemFingerprint(request.replica.model),
    };
  }

  /** Runs the plan's prompts. A stream is written meanwhile, up to its last finish. @throws AppError; EngineError. */
  generate(): Promise<GenerationEnd> {
    const { inputs } = this.#plan;
    const [only] = inputs;
    if (inputs.length > 1 || only === undefined) return this.#generateBatch();
    return this.#generate(only, 0, this.#request.target.signal);
  }

  /** Writes the response, or the rest of the stream. Its last bytes leave only after the usage is on disk. */
  complete(usage: EngineUsage): void {
    this.#request.complete(() => {
      const record = this.#record;
      const perfMetrics = this.#options.perfMetrics ? perfMetricsJson(record, usage.prediction) : undefined;
      const { stream } = this.#request;
      if (stream === null) {
        const choices = this.#choices.map((choice) => choice.toCompletedChoice());
        const body = this.#serializer.response(this.#head, choices, { usage, perfMetrics });
        this.#request.sendJson(body, timingHeaders(record, usage.prediction));
        return;
      }
      const hasUsageChunk = this.#request.body.stream_options?.include_usage === true;
      this.#writePendingFinish(stream, hasUsageChunk ? USAGE_NULL : { usage, perfMetrics });
      if (hasUsageChunk) stream.send(this.#serializer.usageChunk(this.#head, { usage, perfMetrics }));
      stream.end();
    });
  }

  /** Generates for all prompts of a batch at once. The first failure stops the others. */
  async #generateBatch(): Promise<GenerationEnd> {
    const { target, body } = this.#request;
    const failed = new AbortController();
    const signal = AbortSignal.any([target.signal, failed.signal]);
    const n = body.n ?? 1;
    const generations = this.#plan.inputs.map((input, i) => this.#generate(input, i * n, signal));
    try {
      const ends = await Promise.all(generations);
      return { usage: sumUsages(ends.map((end) => end.usage)), aborted: ends.some((end) => end.aborted) };
    } catch (error) {
      failed.abort();
      await Promise.allSettled(generations);
      throw error;
    }
  }

  /** @param firstChoice index in the response of the prompt's first choice. */
  async #generate(input: EngineInput, firstChoice: number, signal: AbortSignal): Promise<GenerationEnd> {
    const { body, replica } = this.#request;
    const options = this.#options;
    const engineRequest = toEngineRequest({ request: this.#request, plan: this.#plan, input, options });
    if (body.context_length_exceeded_behavior === "error") {
      await refuseOverflow(input, maxTokensOf(body), replica);
    }
    for (let i = 0; i < engineRequest.n; i++) {
      this.#choices[firstChoice + i] = new ChoiceOutput(this.#plan.createParser(), options);
    }
    for await (const event of replica.generate(engineRequest, signal)) {
      if (event.type === "end") return event;
      if (event.type === "start") {
        // Prompts of a batch add up.
        this.#record.promptTokens += event.promptTokens;
        this.#record.cachedTokens += event.cachedTokens;
      } else if (event.type === "prompt") {
        // All choices of a prompt share it.
        for (let i = 0; i < engineRequest.n; i++) await this.#handleEvent(event, firstChoice + i, signal);
      } else {
        const writing = this.#handleEvent(event, firstChoice + event.choice, signal);
        if (writing !== null) await writing;
      }
    }
    throw new EngineError("bad_reply", "The engine's output broke off.");
  }

  /** Null: nothing to await. It spares whole responses a promise for each token. */
  #handleEvent(event: ChoiceEvent, index: number, signal: AbortSignal): Promise<void> | null {
    const choice = this.#choices[index] as ChoiceOutput;
    let parts: readonly ContentPart[];
    if (event.type === "delta") {
      // One token a delta until the engine gives its own count at the end.
      this.#record.completionTokens++;
      if (this.#knowsFirstToken) this.#record.markFirstToken();
      parts = choice.addText(event.text, event.tokens, event.as);
    } else if (event.type === "prompt") {
      parts = choice.addPrompt({ tokens: event.tokens, fragments: this.#plan.promptFragments });
    } else {
      parts = choice.finish(event.reason);
      const checked = this.#plan.checkToolCalls?.(choice);
      if (checked !== undefined) {
        return checked.then(() => this.#writeIfStreamed(event, index, parts, signal) ?? undefined);
      }
    }
    return this.#writeIfStreamed(event, index, parts, signal);
  }

  #writeIfStreamed(
    event: ChoiceEvent,
    index: number,
    parts: readonly ContentPart[],
    signal: AbortSignal,
  ): Promise<void> | null {
    return this.#request.body.stream === true && !signal.aborted
      ? this.#writeParts(event, index, parts)
      : null;
  }

  async #writeParts(event: ChoiceEvent, index: number, parts: readonly ContentPart[]): Promise<void> {
    // A prompt that isn't echoed opens no stream, because the engine may still refuse the request with a status.
    if (event.type === "prompt" && parts.length === 0) return;
    const stream = this.#request.stream ?? (await this.#openStream());
    this.#writePendingFinish(stream, USAGE_NULL);
    const choice = this.#choices[index] as ChoiceOutput;
    let extras = parts.length > 0 ? choice.takeExtras(false) : NO_EXTRAS;
    for (const part of parts) {
      const chunk = this.#serializer.deltaChunk(this.#head, index, part, extras, USAGE_NULL);
      if (chunk === null) continue;
      stream.send(chunk);
      extras = NO_EXTRAS;
    }
    if (event.type === "finish") this.#pendingFinish = index;
    if (stream.congested) await stream.drained();
  }

  async #openStream(): Promise<ResponseStream> {
    // A crash after the first byte must still leave a row in the ledger.
    await this.#record.ensureOpened();
    // Another prompt of the batch may have opened it meanwhile.
    if (this.#request.stream !== null) return this.#request.stream;
    const stream = this.#request.openStream();
    for (let choice = 0; choice < this.#choices.length; choice++) {
      const opening = this.#serializer.openingChunk(this.#head, choice, USAGE_NULL);
      if (opening !== null) stream.send(opening);
    }
    return stream;
  }

  #writePendingFinish(stream: ResponseStream, tail: ResponseTail): void {
    const index = this.#pendingFinish;
    if (index === null) return;
    this.#pendingFinish = null;
    const choice = this.#choices[index] as ChoiceOutput;
    const extras = choice.takeExtras(true);
    stream.send(this.#serializer.finishChunk(this.#head, index, choice.finishReason, extras, tail));
  }
}

/**
 * The tail of every chunk but the one with the usage: the last finish, or with `include_usage` an extra chunk after it, as in
 * OpenAI's API.
 */
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

/** @throws EngineError `context_exceeded` when prompt and output may not fit; AppError BAD_REQUEST when nobody can tell. */
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

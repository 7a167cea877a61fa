import type { EngineEvent, EngineUsage, FinishReason, TokenInfo } from "../../../engine/generation.ts";
import type { Sampling } from "../../../engine/sampling.ts";
import { ChoiceText } from "../tokenizer/choice-text.ts";
import type { Backend, Decoder, DecodeSpec, GeneratedToken } from "./backend.ts";
import type { LoraKey } from "./lora-round-robin.ts";
import type { Slot } from "./slot.ts";

/** `prompt` is not empty and fits the context; `maxTokens`, ≥ 0, fits it after the prompt. */
export interface GenerationSpec extends DecodeSpec {
  id: number;
  n: number;
  stop: readonly string[];
  /** Texts whose special tokens are delivered. */
  markers?: readonly string[];
  stream: boolean;
  /** Deliver the prompt's tokens; `logprobs`: with scores. */
  promptInfo?: { logprobs: boolean };
  cacheScope?: string;
  cacheMaxTokens?: number;
  priority?: "low";
}

/** A request while it is scheduled: its choices, each computed in a slot of its own, and its usage so far. */
export class Generation {
  readonly spec: GenerationSpec;
  /** Choices that wait for a slot, in order. */
  readonly waiting: ScheduledChoice[];
  readonly running = new Set<ScheduledChoice>();
  aborted = false;
  completionTokens = 0;
  /** Scores of the prompt's tokens so far; null when they were not requested or are complete. */
  promptScores: TokenInfo[] | null = null;
  readonly #choices: readonly ScheduledChoice[];
  readonly #backend: Backend;
  #completePromptScores: readonly TokenInfo[] | null = null;
  #started = false;
  #cachedTokens: number | null = null;
  #unfinished: number;

  constructor(spec: GenerationSpec, backend: Backend) {
    this.spec = spec;
    this.#backend = backend;
    const seed = spec.sampling.seed ?? Math.floor(Math.random() * 2 ** 31);
    this.#choices = Array.from({ length: spec.n }, (_, index) => {
      const sampling = { ...spec.sampling, seed: seed + index };
      return new ScheduledChoice({ generation: this, index, sampling, backend });
    });
    this.waiting = [...this.#choices];
    this.#unfinished = spec.n;
    if (spec.promptInfo?.logprobs === true) this.promptScores = [backend.tokenInfo(spec.prompt[0]!)];
  }

  get loraKey(): LoraKey {
    return this.spec.loraKey ?? null;
  }

  /** A seed and greedy sampling promise reproducible output, so state may be reused only where it changes no result. */
  get needsExactReuse(): boolean {
    const { seed, temperature } = this.spec.sampling;
    return seed !== undefined || temperature === 0;
  }

  /** Most tokens of other generations' state that may be reused. 0 while the prompt is scored: every token is computed. */
  get maxTokensFromOthers(): number {
    if (this.promptScores !== null) return 0;
    return this.spec.cacheMaxTokens ?? Number.POSITIVE_INFINITY;
  }

  /** Every token of the prompt has its score. */
  completePromptScores(): void {
    this.#completePromptScores = this.promptScores;
    this.promptScores = null;
  }

  /** The events that precede all others; empty after the first call. */
  startEvents(): EngineEvent[] {
    if (this.#started) return [];
    this.#started = true;
    const { prompt, promptInfo } = this.spec;
    const start: EngineEvent = {
      type: "start",
      promptTokens: prompt.length,
      cachedTokens: this.#cachedTokens ?? 0,
    };
    if (promptInfo === undefined) return [start];
    const tokens = this.#completePromptScores ?? prompt.map((token) => this.#backend.tokenInfo(token));
    this.#completePromptScores = null;
    return [start, { type: "prompt", tokens }];
  }

  get done(): boolean {
    return this.#unfinished === 0;
  }

  /** The usage reports the smallest number: a token that any choice computed was not spared. */
  choiceStarted(reusedTokens: number): void {
    this.#cachedTokens = Math.min(this.#cachedTokens ?? reusedTokens, reusedTokens);
  }

  choiceFinished(): void {
    this.#unfinished--;
  }

  endEvent(): EngineEvent {
    return {
      type: "end",
      usage: {
        promptTokens: this.spec.prompt.length,
        cachedTokens: this.#cachedTokens ?? 0,
        completionTokens: this.completionTokens,
        ...this.#predictionUsage(),
      },
      aborted: !this.done,
    };
  }

  #predictionUsage(): Pick<EngineUsage, "prediction"> {
    const speculated = this.#choices.some(({ decoder }) => decoder?.prediction !== undefined);
    if (this.spec.prediction === undefined && !speculated) return {};
    let acceptedTokens = 0;
    let rejectedTokens = 0;
    for (const { decoder } of this.#choices) {
      acceptedTokens += decoder?.prediction?.acceptedTokens ?? 0;
      rejectedTokens += decoder?.prediction?.rejectedTokens ?? 0;
    }
    return { prediction: { acceptedTokens, rejectedTokens } };
  }
}

interface ScheduledChoiceOptions {
  generation: Generation;
  /** Counted from 0 within the generation. */
  index: number;
  /** With the choice's own seed. */
  sampling: Sampling;
  backend: Backend;
}

/** One choice of a generation: its slot, its decoder and its text. */
export class ScheduledChoice {
  readonly generation: Generation;
  readonly index: number;
  readonly sampling: Sampling;
  slot: Slot<ScheduledChoice> | null = null;
  /** Set once the prompt is computed: the choice is a running stream. */
  decoder: Decoder | null = null;
  /** Tokens of the prompt that the slot has computed. */
  promptDone = 0;
  completionTokens = 0;
  readonly #text: ChoiceText;
  #undeliveredText = "";
  #undeliveredTokens: TokenInfo[] = [];
  #hasDelivered = false;

  constructor({ generation, index, sampling, backend }: ScheduledChoiceOptions) {
    this.generation = generation;
    this.index = index;
    this.sampling = sampling;
    const { prompt, stop, markers = [] } = generation.spec;
    this.#text = new ChoiceText({
      detokenize: (tokens, before) => backend.detokenize(tokens, before),
      specialText: (token) => backend.specialText(token),
      prompt,
      stops: stop,
      markers,
    });
  }

  get promptLeft(): number {
    return this.generation.spec.prompt.length - this.promptDone;
  }

  /** @returns the events to deliver, and the reason when the choice ends with this token. */
  acceptToken({ token, ends, closed, info }: GeneratedToken): {
    events: EngineEvent[];
    finish: FinishReason | null;
  } {
    this.completionTokens++;
    this.generation.completionTokens++;
    if (info !== undefined) this.#undeliveredTokens.push(info);
    // An end token is counted, but has no text.
    if (!ends) this.#undeliveredText += this.#text.push(token);
    const finish = this.#finishReason(ends);
    if (finish !== null) this.#undeliveredText += this.#text.flush();
    // The first piece leaves at once in any case: it tells the time to the first token.
    const isDue = this.generation.spec.stream || finish !== null || !this.#hasDelivered;
    const events: EngineEvent[] = isDue ? this.#takeDelta() : [];
    if (finish !== null) {
      events.push({
        type: "finish",
        choice: this.index,
        reason: finish,
        ...(closed === true ? { closed } : {}),
      });
    }
    return { events, finish };
  }

  #finishReason(ends: boolean): FinishReason | null {
    if (ends || this.#text.stopped) return "stop";
    return this.completionTokens >= this.generation.spec.maxTokens ? "length" : null;
  }

  #takeDelta(): EngineEvent[] {
    const text = this.#undeliveredText;
    const tokens = this.#undeliveredTokens;
    if (text === "" && tokens.length === 0) return [];
    this.#hasDelivered = true;
    this.#undeliveredText = "";
    this.#undeliveredTokens = [];
    return [{ type: "delta", choice: this.index, text, ...(tokens.length > 0 ? { tokens } : {}) }];
  }
}

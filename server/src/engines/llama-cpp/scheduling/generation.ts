import type { EngineEvent, EngineUsage, FinishReason, Sampling, TokenInfo } from "../../../engine/port.ts";
import { StopMatcher } from "../../../engine/stop-matcher.ts";
import { IncrementalDetokenizer } from "../tokenizer/incremental-detokenizer.ts";
import type { Backend, Decoder, DecodeSpec, GeneratedToken } from "./backend.ts";
import type { LoraKey } from "./lora-round-robin.ts";
import type { Slot } from "./slots.ts";

/** `prompt`: not empty, fits the context; `maxTokens`, ≥ 0: fits it after the prompt. */
export interface GenerationSpec extends DecodeSpec {
  id: number;
  n: number;
  stop: readonly string[];
  stream: boolean;
  /** Deliver the prompt's tokens, scored or not. */
  promptInfo?: { logprobs: boolean };
  cacheScope?: string;
  cacheMaxTokens?: number;
  priority?: "low";
}

/** A request on its way: its choices, each computed in a slot of its own, and what it used so far. */
export class Generation {
  readonly spec: GenerationSpec;
  /** Choices that wait for a slot, in order. */
  readonly waiting: ScheduledChoice[];
  readonly running = new Set<ScheduledChoice>();
  aborted = false;
  completionTokens = 0;
  /** What the model thought of the prompt's tokens so far; null when that isn't asked for, or known already. */
  promptScores: TokenInfo[] | null = null;
  readonly #choices: readonly ScheduledChoice[];
  readonly #backend: Backend;
  #promptInfo: readonly TokenInfo[] | null = null;
  #opened = false;
  #cachedTokens: number | null = null;
  #unfinished: number;

  constructor(spec: GenerationSpec, backend: Backend) {
    this.spec = spec;
    this.#backend = backend;
    const seed = spec.sampling.seed ?? Math.floor(Math.random() * 2 ** 31);
    this.#choices = Array.from({ length: spec.n }, (_, index) => {
      const sampling = { ...spec.sampling, seed: seed + index };
      return new ScheduledChoice(this, index, sampling, backend);
    });
    this.waiting = [...this.#choices];
    this.#unfinished = spec.n;
    if (spec.promptInfo?.logprobs === true) this.promptScores = [backend.tokenInfo(spec.prompt[0]!)];
  }

  get loraKey(): LoraKey {
    return this.spec.loraKey ?? null;
  }

  /** A seed and greedy sampling promise the same output again: then only state may be reused that doesn't change it. */
  get needsExactReuse(): boolean {
    const { seed, temperature } = this.spec.sampling;
    return seed !== undefined || temperature === 0;
  }

  /** Most tokens of other generations' state that may be reused. A prompt that is scored is computed whole. */
  get maxTokensFromOthers(): number {
    if (this.promptScores !== null) return 0;
    return this.spec.cacheMaxTokens ?? Number.POSITIVE_INFINITY;
  }

  /** All tokens of the prompt are scored. */
  promptScored(): void {
    this.#promptInfo = this.promptScores;
    this.promptScores = null;
  }

  /** The events before all others, once. */
  startEvents(): EngineEvent[] {
    if (this.#opened) return [];
    this.#opened = true;
    const { prompt, promptInfo } = this.spec;
    const start: EngineEvent = {
      type: "start",
      promptTokens: prompt.length,
      cachedTokens: this.#cachedTokens ?? 0,
    };
    if (promptInfo === undefined) return [start];
    const tokens = this.#promptInfo ?? prompt.map((token) => this.#backend.tokenInfo(token));
    this.#promptInfo = null;
    return [start, { type: "prompt", tokens }];
  }

  get done(): boolean {
    return this.#unfinished === 0;
  }

  /** The choice that had to compute most decides: what any of them computed was not spared. */
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
    const isGuessed = this.#choices.some(({ decoder }) => decoder?.prediction !== undefined);
    if (this.spec.prediction === undefined && !isGuessed) return {};
    let [acceptedTokens, rejectedTokens] = [0, 0];
    for (const { decoder } of this.#choices) {
      acceptedTokens += decoder?.prediction?.acceptedTokens ?? 0;
      rejectedTokens += decoder?.prediction?.rejectedTokens ?? 0;
    }
    return { prediction: { acceptedTokens, rejectedTokens } };
  }
}

/** One choice: where it is computed, and the text it has made. */
export class ScheduledChoice {
  readonly generation: Generation;
  readonly index: number;
  readonly sampling: Sampling;
  slot: Slot | null = null;
  /** Set once the prompt is computed: the choice is a running stream. */
  decoder: Decoder | null = null;
  /** Tokens of the prompt that the slot has computed. */
  promptDone = 0;
  completionTokens = 0;
  readonly #text: IncrementalDetokenizer;
  readonly #matcher: StopMatcher;
  #collected = "";
  /** Not delivered yet. */
  #infos: TokenInfo[] = [];

  constructor(generation: Generation, index: number, sampling: Sampling, backend: Backend) {
    this.generation = generation;
    this.index = index;
    this.sampling = sampling;
    this.#text = new IncrementalDetokenizer(
      (tokens, before) => backend.detokenize(tokens, before),
      generation.spec.prompt,
    );
    this.#matcher = new StopMatcher(generation.spec.stop);
  }

  get promptLeft(): number {
    return this.generation.spec.prompt.length - this.promptDone;
  }

  /** Takes a token the model made. Returns what to deliver, and why the choice is at its end if it is. */
  acceptToken({ token, ends, closed, info }: GeneratedToken): {
    events: EngineEvent[];
    finish: FinishReason | null;
  } {
    this.completionTokens++;
    this.generation.completionTokens++;
    if (info !== undefined) this.#infos.push(info);
    const text = ends ? "" : this.#matcher.push(this.#text.push(token));
    const finish = this.#finishReason(ends);
    const rest = finish === null ? "" : this.#matcher.flush();
    return { events: this.#deliver(text + rest, finish, closed === true), finish };
  }

  #finishReason(ends: boolean): FinishReason | null {
    if (ends || this.#matcher.stopped) return "stop";
    return this.completionTokens >= this.generation.spec.maxTokens ? "length" : null;
  }

  #deliver(text: string, finish: FinishReason | null, closed: boolean): EngineEvent[] {
    this.#collected += text;
    const due = this.generation.spec.stream || finish !== null;
    const events: EngineEvent[] = due ? this.#delta() : [];
    if (finish !== null) {
      const how = closed ? { closed } : {};
      events.push({ type: "finish", choice: this.index, reason: finish, ...how });
    }
    return events;
  }

  #delta(): EngineEvent[] {
    const [text, tokens] = [this.#collected, this.#infos];
    if (text === "" && tokens.length === 0) return [];
    this.#collected = "";
    this.#infos = [];
    const scored = tokens.length > 0 ? { tokens } : {};
    return [{ type: "delta", choice: this.index, text, ...scored }];
  }
}

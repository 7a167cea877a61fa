import type { EngineEvent, FinishReason, Sampling } from "../../engine/port.ts";
import { StopMatcher } from "../../engine/stop-matcher.ts";
import type { Backend, Decoder } from "./backend.ts";
import type { Slot } from "./slots.ts";
import { TokenText } from "./token-text.ts";

export interface GenerationSpec {
  id: number;
  /** Not empty, fits the context. */
  prompt: readonly number[];
  sampling: Sampling;
  n: number;
  /** Fits the context after the prompt. */
  maxTokens: number;
  stop: readonly string[];
  stream: boolean;
}

/** A request on its way: its choices, each computed in a slot of its own, and what it used so far. */
export class Generation {
  readonly spec: GenerationSpec;
  /** Choices that wait for a slot, in order. */
  readonly waiting: Choice[];
  readonly running = new Set<Choice>();
  aborted = false;
  completionTokens = 0;
  #cachedTokens: number | null = null;
  #unfinished: number;

  constructor(spec: GenerationSpec, backend: Backend) {
    this.spec = spec;
    const seed = spec.sampling.seed ?? Math.floor(Math.random() * 2 ** 31);
    this.waiting = Array.from({ length: spec.n }, (_, index) => {
      const sampling = { ...spec.sampling, seed: seed + index };
      return new Choice(this, index, sampling, backend);
    });
    this.#unfinished = spec.n;
  }

  /** A seed promises the same output again: then only state may be reused that doesn't change it. */
  get exact(): boolean {
    return this.spec.sampling.seed !== undefined;
  }

  get done(): boolean {
    return this.#unfinished === 0;
  }

  /** The choice that had to compute most decides: what any of them computed was not spared. */
  started(reusedTokens: number): void {
    this.#cachedTokens = Math.min(this.#cachedTokens ?? reusedTokens, reusedTokens);
  }

  finished(): void {
    this.#unfinished--;
  }

  endEvent(): EngineEvent {
    return {
      type: "end",
      usage: {
        promptTokens: this.spec.prompt.length,
        cachedTokens: this.#cachedTokens ?? 0,
        completionTokens: this.completionTokens,
      },
      aborted: !this.done,
    };
  }
}

/** One choice: where it is computed, and the text it has made. */
export class Choice {
  readonly generation: Generation;
  readonly index: number;
  readonly sampling: Sampling;
  slot: Slot | null = null;
  /** Set once the prompt is computed: the choice is a running stream. */
  decoder: Decoder | null = null;
  /** Tokens of the prompt that the slot has computed. */
  promptDone = 0;
  made = 0;
  readonly #backend: Backend;
  readonly #text: TokenText;
  readonly #matcher: StopMatcher;
  #collected = "";

  constructor(generation: Generation, index: number, sampling: Sampling, backend: Backend) {
    this.generation = generation;
    this.index = index;
    this.sampling = sampling;
    this.#backend = backend;
    this.#text = new TokenText(
      (tokens, before) => backend.detokenize(tokens, before),
      generation.spec.prompt,
    );
    this.#matcher = new StopMatcher(generation.spec.stop);
  }

  get promptLeft(): number {
    return this.generation.spec.prompt.length - this.promptDone;
  }

  /** Takes a token the model made. Returns what to deliver, and why the choice is at its end if it is. */
  take(token: number): { events: EngineEvent[]; finish: FinishReason | null } {
    this.made++;
    this.generation.completionTokens++;
    const isEnd = this.#backend.isEnd(token);
    const text = isEnd ? "" : this.#matcher.push(this.#text.push(token));
    const finish = this.#finishReason(isEnd);
    const rest = finish === null ? "" : this.#matcher.flush();
    return { events: this.#deliver(text + rest, finish), finish };
  }

  #finishReason(isEnd: boolean): FinishReason | null {
    if (isEnd || this.#matcher.stopped) return "stop";
    return this.made >= this.generation.spec.maxTokens ? "length" : null;
  }

  #deliver(text: string, finish: FinishReason | null): EngineEvent[] {
    const stream = this.generation.spec.stream;
    if (!stream) this.#collected += text;
    const due = stream ? text : finish === null ? "" : this.#collected;
    const events: EngineEvent[] = due === "" ? [] : [{ type: "delta", choice: this.index, text: due }];
    if (finish !== null) events.push({ type: "finish", choice: this.index, reason: finish });
    return events;
  }
}

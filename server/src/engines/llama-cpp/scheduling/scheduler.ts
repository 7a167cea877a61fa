import { EngineError } from "../../../engine/errors.ts";
import type { EngineEvent } from "../../../engine/generation.ts";
import type { Clock } from "../../../lib/clock.ts";
import { type GenerationEvent, serializeError } from "../protocol.ts";
import type { Backend } from "./backend.ts";
import { Generation, type GenerationSpec, type ScheduledChoice } from "./generation.ts";
import type { LoraKey, LoraRoundRobin } from "./lora-round-robin.ts";
import { COPY_GAIN_TOKENS, commonPrefixLength, placePrompt, type SlotState } from "./place-prompt.ts";
import { BLOCK_TOKENS, nextChunkTokens } from "./prefill-blocks.ts";
import type { PrefillChunkSizer } from "./prefill-chunk-sizer.ts";
import { Slot } from "./slot.ts";

export interface SchedulerOptions {
  backend: Backend;
  /** Most generations that wait while none of their choices has a slot, beyond those that free slots can take. */
  queueLimit: number;
  chunkSizer: PrefillChunkSizer;
  loraRoundRobin: LoraRoundRobin;
  clock: Clock;
  emit: (event: GenerationEvent) => void;
  /** Lets the event loop turn once, so that messages come in and the library finishes its batch. */
  yieldToEventLoop: () => Promise<void>;
}

type ChoiceSlot = Slot<ScheduledChoice>;
type PlaceableSlot = SlotState & { slot: ChoiceSlot };

/** One in so many chunks goes to the oldest prompt, so that a series of short prompts can't starve it. */
const OLDEST_PROMPT_EVERY = 4;
/** Added to the rank of low-priority generations; above any number of slots. */
const LOW_PRIORITY_RANK = 1_000_000;

/**
 * Computes generations in steps (continuous batching with chunked prefill). A step is one batch with the next token of
 * every running stream, and then at most one chunk of one prompt. Slots are assigned and aborts take effect between two
 * steps, when nothing is computed. Streams with different LoRAs can't share a batch: then a step covers one LoRA, and a
 * chunk follows once every LoRA has had its turn.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #backend: Backend;
  readonly #generations = new Map<number, Generation>();
  readonly #slots: readonly ChoiceSlot[];
  readonly #queuedWork: (() => Promise<void>)[] = [];
  #uses = 0;
  #chunksComputed = 0;
  #running = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#backend = options.backend;
    this.#slots = Array.from({ length: options.backend.slots }, (_, index) => new Slot(index));
  }

  /** Generations that hold a slot or wait for one. */
  get active(): number {
    return this.#generations.size;
  }

  /** @throws EngineError `overloaded` when the queue is full. */
  submit(spec: GenerationSpec): void {
    const generation = new Generation(spec, this.#backend);
    if (spec.maxTokens === 0 && generation.promptScores === null) {
      this.#generations.set(spec.id, generation);
      this.#finishEmpty(generation);
      return;
    }
    if (!this.#hasRoom()) throw new EngineError("overloaded", "The model is busy and its queue is full.");
    this.#generations.set(spec.id, generation);
    void this.#run();
  }

  /** The generation ends after the batch that is being computed. Ignores unknown ids: a generation may just have ended. */
  abort(id: number): void {
    const generation = this.#generations.get(id);
    if (generation !== undefined) generation.aborted = true;
  }

  /** Runs `work` while nothing is computed. */
  runBetweenSteps<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queuedWork.push(() => work().then(resolve, reject));
      void this.#run();
    });
  }

  #hasRoom(): boolean {
    let waiting = 0;
    for (const { running } of this.#generations.values()) if (running.size === 0) waiting++;
    const free = this.#slots.filter((slot) => slot.occupant === null).length;
    return waiting < free + this.#options.queueLimit;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#generations.size > 0 || this.#queuedWork.length > 0) {
      // Before anything else, so that requests and aborts that arrived together take effect together.
      await this.#options.yieldToEventLoop();
      for (const generation of [...this.#generations.values()]) {
        if (generation.aborted) this.#end(generation, generation.endEvent());
      }
      await this.#queuedWork.shift()?.();
      await this.#assignSlots();
      await this.#step();
    }
    this.#running = false;
  }

  /**
   * Assigns free slots one by one: each to the generation with the fewest running choices, the oldest of equal ones.
   * Low priority comes after all others.
   */
  async #assignSlots(): Promise<void> {
    while (this.#slots.some((slot) => slot.occupant === null)) {
      // A prompt that has to be scored is computed by the first choice alone.
      const waiting = [...this.#generations.values()].filter(
        (g) => g.waiting.length > 0 && (g.promptScores === null || g.running.size === 0),
      );
      if (waiting.length === 0) return;
      const cached = this.#slots.map((slot) => this.#backend.cachedTokens(slot.index));
      const next = waiting
        .filter((g) => !this.#isPrefixBeingComputed(g, this.#slotStates(g, cached)))
        .reduce<Generation | null>((a, b) => (a === null || rankOf(b) < rankOf(a) ? b : a), null);
      if (next === null) return;
      await this.#place(next, this.#slotStates(next, cached));
    }
  }

  /** The slots with as much of their cached tokens as `generation` may reuse. */
  #slotStates(generation: Generation, cached: readonly (readonly number[])[]): PlaceableSlot[] {
    return this.#slots.map((slot, index) => {
      const reusable = slot.reusableTokens(generation);
      const tokens = cached[index]!;
      return {
        slot,
        cachedTokens: reusable < tokens.length ? tokens.slice(0, reusable) : tokens,
        exactTokens: slot.exactTokens,
        lastUsed: slot.lastUsed,
        free: slot.occupant === null,
      };
    });
  }

  /**
   * Whether a running choice is about to compute much of the same prompt. Waiting for it costs nothing: prompts are
   * computed one after the other anyhow, and the state is copied then.
   */
  #isPrefixBeingComputed(generation: Generation, states: readonly SlotState[]): boolean {
    if (!this.#backend.canCopy) return false;
    const { prompt } = generation.spec;
    return this.#slots.some((slot) => {
      const { occupant, index } = slot;
      if (occupant === null || occupant.promptLeft === 0) return false;
      const reusable = slot.reusableTokens(generation);
      const common = Math.min(reusable, commonPrefixLength(occupant.generation.spec.prompt, prompt));
      if (common - occupant.promptDone < 1 || common < COPY_GAIN_TOKENS) return false;
      const inOtherSlots = states
        .filter((_, i) => i !== index)
        .map((s) => commonPrefixLength(s.cachedTokens, prompt));
      return common - Math.max(0, ...inOtherSlots) >= COPY_GAIN_TOKENS;
    });
  }

  async #place(generation: Generation, states: readonly PlaceableSlot[]): Promise<void> {
    const rules = { exact: generation.needsExactReuse, canCopy: this.#backend.canCopy };
    const placement = placePrompt(generation.spec.prompt, states, rules)!;
    const { slot } = placement.slot;
    const source = placement.copyFrom?.slot ?? slot;
    const choice = generation.waiting.shift()!;
    slot.occupant = choice;
    slot.lastUsed = ++this.#uses;
    choice.slot = slot;
    generation.running.add(choice);
    try {
      if (slot.maybeNonFinite) await this.#wipe(slot);
      choice.promptDone =
        source === slot
          ? await this.#backend.truncate(slot.index, placement.reuse)
          : await this.#backend.copy(source.index, slot.index, placement.reuse);
      slot.takeOver(source, choice.promptDone, generation);
      generation.choiceStarted(choice.promptDone);
    } catch (error) {
      this.#fail(generation, error);
    }
  }

  async #wipe(slot: ChoiceSlot): Promise<void> {
    const finite = this.#slots.find(
      (s) => !s.maybeNonFinite && s.provenFinite && this.#backend.cachedTokens(s.index).length > 0,
    );
    await this.#backend.wipe(slot.index, finite?.index ?? null);
    slot.maybeNonFinite = false;
  }

  async #step(): Promise<void> {
    const choices = this.#slots.flatMap((slot) => slot.occupant ?? []);
    const streams = choices.filter((c) => c.decoder !== null);
    if (streams.length > 0 && !(await this.#advanceStreams(streams))) return;
    // After the streams and not in the same call: llama.cpp would split that batch, and break up the chunk's blocks.
    const prefilling = choices.filter((c) => c.slot !== null && c.decoder === null);
    if (prefilling.length > 0) await this.#prefillChunk(this.#pickPrompt(prefilling), streams.length);
  }

  /** Generates a token for every stream of one LoRA. Returns whether the streams of all LoRAs have had their turn. */
  async #advanceStreams(streams: readonly ScheduledChoice[]): Promise<boolean> {
    const { loraRoundRobin, clock } = this.#options;
    const streamsByLora = new Map<LoraKey, number>();
    for (const { generation } of streams) {
      streamsByLora.set(generation.loraKey, (streamsByLora.get(generation.loraKey) ?? 0) + 1);
    }
    const lora = loraRoundRobin.next(streamsByLora);
    this.#backend.useLora(lora);
    const startMs = clock.monotonicMs();
    const batch = streams.filter((c) => c.generation.loraKey === lora);
    await Promise.all(batch.map((c) => this.#prepare(c)));
    await Promise.all(batch.map((c) => this.#decode(c)));
    return loraRoundRobin.recordBatch(streamsByLora, clock.monotonicMs() - startMs);
  }

  /**
   * Shortest remaining prompt first: short prompts end sooner, and none ends later than if all advanced together. Every
   * `OLDEST_PROMPT_EVERY`th chunk goes to the oldest.
   */
  #pickPrompt(prefilling: readonly ScheduledChoice[]): ScheduledChoice {
    this.#chunksComputed++;
    const oldestFirst = [...prefilling].sort((a, b) => a.slot!.lastUsed - b.slot!.lastUsed);
    if (this.#chunksComputed % OLDEST_PROMPT_EVERY === 0) return oldestFirst[0]!;
    return oldestFirst.reduce((best, c) => (c.promptLeft < best.promptLeft ? c : best));
  }

  /** Computes a chunk of the prompt. The chunk that completes the prompt generates the first token too. */
  async #prefillChunk(choice: ScheduledChoice, streams: number): Promise<void> {
    const { generation } = choice;
    const { spec } = generation;
    const slot = choice.slot!;
    const { chunkSizer, clock } = this.#options;
    if (generation.promptScores !== null && choice.promptLeft === 1) {
      generation.completePromptScores();
      if (spec.maxTokens === 0) {
        this.#finishEmpty(generation);
        return;
      }
    }
    const position = choice.promptDone;
    const preferred = chunkSizer.next(streams);
    const limits = {
      maxTokens: generation.needsExactReuse ? Math.max(BLOCK_TOKENS, preferred) : preferred,
      maxPartialTokens: chunkSizer.partialBlock(streams, position),
    };
    if (generation.promptScores !== null) {
      await this.#scoreChunk(choice, nextChunkTokens(position, choice.promptLeft - 1, limits));
      return;
    }
    const tokens = nextChunkTokens(position, choice.promptLeft, limits);
    const chunk = spec.prompt.slice(position, position + tokens);
    choice.promptDone += tokens;
    const loraChanged = this.#backend.useLora(generation.loraKey);
    let startMs = clock.monotonicMs();
    try {
      if (choice.promptLeft > 0) {
        await this.#backend.prefill(slot.index, chunk);
      } else {
        const decodeSpec = { ...spec, sampling: choice.sampling };
        choice.decoder = await this.#backend.decode(slot.index, chunk, decodeSpec);
        startMs = clock.monotonicMs();
      }
    } catch (error) {
      this.#fail(generation, error);
      return;
    }
    if (choice.decoder !== null) await this.#decode(choice);
    slot.recordComputed(position, tokens);
    // The first computation after a change of LoRA is slower: its time says nothing about the next chunk.
    if (!loraChanged) chunkSizer.record(tokens, clock.monotonicMs() - startMs, position);
  }

  /** Computes and scores a chunk of the prompt. Its time is not recorded, as chunks without scores are faster. */
  async #scoreChunk(choice: ScheduledChoice, tokens: number): Promise<void> {
    const { generation } = choice;
    const { prompt, logprobs = 0 } = generation.spec;
    const slot = choice.slot!;
    const position = choice.promptDone;
    choice.promptDone += tokens;
    this.#backend.useLora(generation.loraKey);
    try {
      const scores = await this.#backend.score(slot.index, {
        tokens: prompt.slice(position, choice.promptDone),
        next: prompt.slice(position + 1, choice.promptDone + 1),
        top: logprobs,
      });
      generation.promptScores!.push(...scores);
      slot.recordComputed(position, tokens);
    } catch (error) {
      this.#fail(generation, error);
    }
  }

  async #prepare({ generation, decoder }: ScheduledChoice): Promise<void> {
    try {
      await decoder!.prepare?.();
    } catch (error) {
      this.#fail(generation, error);
    }
  }

  async #decode(choice: ScheduledChoice): Promise<void> {
    const { generation } = choice;
    const { id } = generation.spec;
    if (!this.#generations.has(id)) return;
    try {
      for (const generated of await choice.decoder!.next()) {
        // Another choice of the same generation may have failed in this batch.
        if (!this.#generations.has(id)) return;
        const { events, finish } = choice.acceptToken(generated);
        this.#emit(generation, events);
        if (finish === null) continue;
        generation.choiceFinished();
        this.#release(choice);
        if (generation.done) this.#end(generation, generation.endEvent());
        return;
      }
    } catch (error) {
      this.#fail(generation, error);
    }
  }

  #finishEmpty(generation: Generation): void {
    for (let choice = 0; choice < generation.spec.n; choice++) {
      this.#emit(generation, [{ type: "finish", choice, reason: "length" }]);
      generation.choiceFinished();
    }
    this.#end(generation, generation.endEvent());
  }

  #emit(generation: Generation, events: readonly EngineEvent[]): void {
    const { id } = generation.spec;
    for (const event of generation.startEvents()) this.#options.emit({ id, event });
    for (const event of events) this.#options.emit({ id, event });
  }

  #fail(generation: Generation, error: unknown): void {
    for (const choice of generation.running) choice.slot!.stateUnknown = true;
    this.#end(generation, { type: "error", ...serializeError(error) });
  }

  #end(generation: Generation, event: GenerationEvent["event"]): void {
    const { id } = generation.spec;
    if (!this.#generations.delete(id)) return;
    this.#options.emit({ id, event });
    for (const choice of [...generation.running]) this.#release(choice);
  }

  #release(choice: ScheduledChoice): void {
    const slot = choice.slot;
    if (slot === null || !choice.generation.running.delete(choice)) return;
    slot.lastUsed = ++this.#uses;
    if (!slot.provenFinite) slot.maybeNonFinite = true;
    slot.occupant = null;
    choice.slot = null;
    choice.decoder?.end();
  }
}

/** The generation with the lowest rank gets the next slot. */
function rankOf({ spec, running }: Generation): number {
  return running.size + (spec.priority === "low" ? LOW_PRIORITY_RANK : 0);
}

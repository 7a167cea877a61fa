import { EngineError, type EngineEvent } from "../../../engine/port.ts";
import type { Clock } from "../../../lib/clock.ts";
import { type GenerationEvent, serializeError } from "../protocol.ts";
import type { Backend } from "./backend.ts";
import { Generation, type GenerationSpec, type ScheduledChoice } from "./generation.ts";
import type { LoraKey, LoraRoundRobin } from "./lora-round-robin.ts";
import { BLOCK_TOKENS, nextChunkTokens } from "./prefill-blocks.ts";
import type { PrefillChunkSizer } from "./prefill-chunk-sizer.ts";
import { COPY_GAIN_TOKENS, commonPrefixLength, placePrompt, Slot, type SlotState } from "./slots.ts";

export interface SchedulerOptions {
  backend: Backend;
  /** Generations that may wait while none of their choices has a slot. */
  queueLimit: number;
  chunkSizer: PrefillChunkSizer;
  loraRoundRobin: LoraRoundRobin;
  clock: Clock;
  emit: (event: GenerationEvent) => void;
  /** Lets the event loop turn once: messages come in, and the model's batch is wholly over. */
  yieldToEventLoop: () => Promise<void>;
}

type PlacedSlot = SlotState & { slot: Slot };

/** Every so many slices the oldest prompt gets one, so that a stream of short ones can't hold it up for ever. */
const OLDEST_EVERY = 4;
/** Above all numbers of slots. */
const LOW_RANK = 1_000_000;

/**
 * Computes generations in steps. A step is one token of every running stream, in one batch, and then at most one slice
 * of one prompt. Between two steps nothing is computed: that is where slots are given away and aborts act. Streams with
 * different adapters can't share a batch: then a step is that of one adapter, and the slice comes when each had its turn.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #backend: Backend;
  readonly #generations = new Map<number, Generation>();
  readonly #slots: readonly Slot[];
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

  /** The generation ends after the batch that is being computed. Unknown ids (it may just have ended) are ignored. */
  abort(id: number): void {
    const generation = this.#generations.get(id);
    if (generation !== undefined) generation.aborted = true;
  }

  /** Does something with the model while nothing is computed. */
  runBetweenSteps<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queuedWork.push(() => work().then(resolve, reject));
      void this.#run();
    });
  }

  #hasRoom(): boolean {
    let waiting = 0;
    for (const g of this.#generations.values()) if (g.running.size === 0) waiting++;
    const free = this.#slots.filter((slot) => slot.occupant === null).length;
    return waiting < free + this.#options.queueLimit;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#generations.size > 0 || this.#queuedWork.length > 0) {
      // First of all: requests and aborts that arrived together are seen together.
      await this.#options.yieldToEventLoop();
      this.#endAborted();
      await this.#queuedWork.shift()?.();
      await this.#admit();
      await this.#step();
    }
    this.#running = false;
  }

  /** Ends what was aborted. */
  #endAborted(): void {
    for (const generation of [...this.#generations.values()]) {
      if (generation.aborted) this.#end(generation, generation.endEvent());
    }
  }

  /**
   * Gives free slots away, one by one to the generation that has fewest; of equals, the oldest. Those of low priority get
   * what the others can't use.
   */
  async #admit(): Promise<void> {
    while (this.#slots.some((slot) => slot.occupant === null)) {
      // The first choice alone computes a prompt that is to be scored.
      const waiting = [...this.#generations.values()].filter(
        (g) => g.waiting.length > 0 && (g.promptScores === null || g.running.size === 0),
      );
      if (waiting.length === 0) return;
      const held = this.#slots.map((slot) => this.#backend.cachedTokens(slot.index));
      const next = waiting
        .filter((g) => !this.#isBeingComputed(g, this.#slotStates(g, held)))
        .reduce<Generation | null>((a, b) => (a === null || rankOf(b) < rankOf(a) ? b : a), null);
      if (next === null) return;
      await this.#place(next, this.#slotStates(next, held));
    }
  }

  /** The slots as `generation` may use them. */
  #slotStates(generation: Generation, held: readonly (readonly number[])[]): PlacedSlot[] {
    return this.#slots.map((slot, index) => {
      const usable = slot.reusableTokens(generation);
      return {
        slot,
        cachedTokens: usable < held[index]!.length ? held[index]!.slice(0, usable) : held[index]!,
        exactTokens: slot.exactTokens,
        lastUsed: slot.lastUsed,
        free: slot.occupant === null,
      };
    });
  }

  /**
   * Whether another choice is just computing much of the same prompt. To wait for it costs nothing: prompts are
   * computed one after the other anyhow, and then the state is copied.
   */
  #isBeingComputed(generation: Generation, states: readonly SlotState[]): boolean {
    if (!this.#backend.canCopy) return false;
    const { prompt } = generation.spec;
    return this.#slots.some((slot) => {
      const { occupant, index } = slot;
      if (occupant === null || occupant.promptLeft === 0) return false;
      const usable = slot.reusableTokens(generation);
      const common = Math.min(usable, commonPrefixLength(occupant.generation.spec.prompt, prompt));
      if (common - occupant.promptDone < 1 || common < COPY_GAIN_TOKENS) return false;
      const elsewhere = states
        .filter((_, i) => i !== index)
        .map((s) => commonPrefixLength(s.cachedTokens, prompt));
      return common - Math.max(0, ...elsewhere) >= COPY_GAIN_TOKENS;
    });
  }

  async #place(generation: Generation, states: readonly PlacedSlot[]): Promise<void> {
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

  async #wipe(slot: Slot): Promise<void> {
    const sound = this.#slots.find(
      (s) => !s.maybeNonFinite && s.provenFinite && this.#backend.cachedTokens(s.index).length > 0,
    );
    await this.#backend.wipe(slot.index, sound?.index ?? null);
    slot.maybeNonFinite = false;
  }

  async #step(): Promise<void> {
    const choices = this.#slots.flatMap((slot) => slot.occupant ?? []);
    const streams = choices.filter((c) => c.decoder !== null);
    if (streams.length > 0 && !(await this.#advance(streams))) return;
    // After the streams and not with them: in one call llama.cpp would take them apart again, and cut up the block.
    const filling = this.#pickPrompt(choices.filter((c) => c.slot !== null && c.decoder === null));
    if (filling !== null) await this.#prefillChunk(filling, streams.length);
  }

  /** A token of every stream with one adapter. Whether those with the others have had their turns as well. */
  async #advance(streams: readonly ScheduledChoice[]): Promise<boolean> {
    const { loraRoundRobin: turns, clock } = this.#options;
    const counts = new Map<LoraKey, number>();
    for (const { generation } of streams) {
      counts.set(generation.loraKey, (counts.get(generation.loraKey) ?? 0) + 1);
    }
    const adapter = turns.next(counts);
    this.#backend.useLora(adapter);
    const startMs = clock.monotonicMs();
    const now = streams.filter((c) => c.generation.loraKey === adapter);
    await Promise.all(now.map((c) => this.#prepare(c)));
    await Promise.all(now.map((c) => this.#decode(c)));
    return turns.recordBatch(counts, clock.monotonicMs() - startMs);
  }

  /** The prompt with least left to compute goes first: nobody ends later, the short ones end sooner. */
  #pickPrompt(filling: readonly ScheduledChoice[]): ScheduledChoice | null {
    if (filling.length === 0) return null;
    this.#chunksComputed++;
    const oldestFirst = [...filling].sort((a, b) => a.slot!.lastUsed - b.slot!.lastUsed);
    if (this.#chunksComputed % OLDEST_EVERY === 0) return oldestFirst[0]!;
    return oldestFirst.reduce((best, c) => (c.promptLeft < best.promptLeft ? c : best));
  }

  /** Computes a slice of the prompt; the one that completes it makes the first token too. */
  async #prefillChunk(choice: ScheduledChoice, streams: number): Promise<void> {
    const { generation } = choice;
    const { spec } = generation;
    const slot = choice.slot!;
    const { chunkSizer: slices, clock } = this.#options;
    if (generation.promptScores !== null && choice.promptLeft === 1) {
      generation.promptScored();
      if (spec.maxTokens === 0) {
        this.#finishEmpty(generation);
        return;
      }
    }
    const most = generation.needsExactReuse
      ? Math.max(BLOCK_TOKENS, slices.next(streams))
      : slices.next(streams);
    const position = choice.promptDone;
    const pieceMost = slices.partialBlock(streams, position);
    if (generation.promptScores !== null) {
      await this.#score(choice, nextChunkTokens(position, choice.promptLeft - 1, most, pieceMost));
      return;
    }
    const tokens = nextChunkTokens(position, choice.promptLeft, most, pieceMost);
    const slice = spec.prompt.slice(position, position + tokens);
    choice.promptDone += tokens;
    const changes = this.#backend.useLora(generation.loraKey);
    let startMs = clock.monotonicMs();
    try {
      if (choice.promptLeft > 0) {
        await this.#backend.prefill(slot.index, slice);
      } else {
        choice.decoder = await this.#backend.decode(slot.index, slice, {
          ...spec,
          sampling: choice.sampling,
        });
        startMs = clock.monotonicMs();
      }
    } catch (error) {
      this.#fail(generation, error);
      return;
    }
    if (choice.decoder !== null) await this.#decode(choice);
    slot.recordComputed(position, tokens);
    if (!changes) slices.record(tokens, clock.monotonicMs() - startMs, position);
  }

  /** Computes a slice of the prompt and what the model thought of it. How long that takes says nothing of others. */
  async #score(choice: ScheduledChoice, tokens: number): Promise<void> {
    const { generation } = choice;
    const { prompt, logprobs = 0 } = generation.spec;
    const slot = choice.slot!;
    const position = choice.promptDone;
    choice.promptDone += tokens;
    const slice = prompt.slice(position, choice.promptDone);
    const next = prompt.slice(position + 1, choice.promptDone + 1);
    this.#backend.useLora(generation.loraKey);
    try {
      generation.promptScores!.push(
        ...(await this.#backend.score(slot.index, { tokens: slice, next, top: logprobs })),
      );
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
      for (const made of await choice.decoder!.next()) {
        // Another choice of it may have failed in the same batch.
        if (!this.#generations.has(id)) return;
        const { events, finish } = choice.acceptToken(made);
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

/** The lowest is next. */
function rankOf({ spec, running }: Generation): number {
  return running.size + (spec.priority === "low" ? LOW_RANK : 0);
}

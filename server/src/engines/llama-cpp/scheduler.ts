import { EngineError } from "../../engine/port.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Backend } from "./backend.ts";
import { BLOCK_TOKENS, nextPiece } from "./blocks.ts";
import { type Choice, Generation, type GenerationSpec } from "./generation.ts";
import type { GenerationEvent } from "./protocol.ts";
import type { SliceSizer } from "./slices.ts";
import { COPY_GAIN_TOKENS, commonPrefix, placePrompt, Slot, type SlotState } from "./slots.ts";

export interface SchedulerOptions {
  backend: Backend;
  /** Generations that may wait while none of their choices has a slot. */
  queueLimit: number;
  slices: SliceSizer;
  clock: Clock;
  emit: (event: GenerationEvent) => void;
  /** Lets the event loop turn once: messages come in, and the model's batch is wholly over. */
  turn: () => Promise<void>;
}

type PlacedSlot = SlotState & { slot: Slot };

/** Every so many slices the oldest prompt gets one, so that a stream of short ones can't hold it up for ever. */
const OLDEST_EVERY = 4;

/**
 * Computes generations in steps. A step is one token of every running stream, in one batch, and then at most one slice
 * of one prompt. Between two steps nothing is computed: that is where slots are given away and aborts act.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #backend: Backend;
  readonly #generations = new Map<number, Generation>();
  readonly #slots: readonly Slot[];
  #uses = 0;
  #slicesMade = 0;
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
    if (spec.maxTokens === 0) {
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

  #hasRoom(): boolean {
    let waiting = 0;
    for (const g of this.#generations.values()) if (g.running.size === 0) waiting++;
    const free = this.#slots.filter((slot) => slot.occupant === null).length;
    return waiting < free + this.#options.queueLimit;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#generations.size > 0) {
      // First of all: requests and aborts that arrived together are seen together.
      await this.#options.turn();
      this.#sweep();
      await this.#admit();
      await this.#step();
    }
    this.#running = false;
  }

  /** Ends what was aborted. */
  #sweep(): void {
    for (const generation of [...this.#generations.values()]) {
      if (generation.aborted) this.#end(generation, generation.endEvent());
    }
  }

  /** Gives free slots away, one by one to the generation that has fewest; of equals, the oldest. */
  async #admit(): Promise<void> {
    while (this.#slots.some((slot) => slot.occupant === null)) {
      const states = this.#slotStates();
      const next = [...this.#generations.values()]
        .filter((g) => g.waiting.length > 0 && !this.#isBeingComputed(g, states))
        .reduce<Generation | null>((a, b) => (a === null || b.running.size < a.running.size ? b : a), null);
      if (next === null) return;
      await this.#place(next, states);
    }
  }

  #slotStates(): PlacedSlot[] {
    return this.#slots.map((slot) => ({
      slot,
      held: slot.spoilt ? [] : this.#backend.held(slot.index),
      exactTokens: slot.exactTokens,
      lastUsed: slot.lastUsed,
      free: slot.occupant === null,
    }));
  }

  /**
   * Whether another choice is just computing much of the same prompt. To wait for it costs nothing: prompts are
   * computed one after the other anyhow, and then the state is copied.
   */
  #isBeingComputed(generation: Generation, states: readonly SlotState[]): boolean {
    if (!this.#backend.canCopy) return false;
    const { prompt } = generation.spec;
    return this.#slots.some(({ occupant, index }) => {
      if (occupant === null || occupant.promptLeft === 0) return false;
      const common = commonPrefix(occupant.generation.spec.prompt, prompt);
      if (common - occupant.promptDone < 1 || common < COPY_GAIN_TOKENS) return false;
      const elsewhere = states.filter((_, i) => i !== index).map((s) => commonPrefix(s.held, prompt));
      return common - Math.max(0, ...elsewhere) >= COPY_GAIN_TOKENS;
    });
  }

  async #place(generation: Generation, states: readonly PlacedSlot[]): Promise<void> {
    const rules = { exact: generation.exact, canCopy: this.#backend.canCopy };
    const placement = placePrompt(generation.spec.prompt, states, rules)!;
    const { slot } = placement.slot;
    const source = placement.copyFrom?.slot ?? slot;
    const choice = generation.waiting.shift()!;
    slot.occupant = choice;
    slot.lastUsed = ++this.#uses;
    choice.slot = slot;
    generation.running.add(choice);
    try {
      choice.promptDone =
        source === slot
          ? await this.#backend.keep(slot.index, placement.reuse)
          : await this.#backend.copy(source.index, slot.index, placement.reuse);
      slot.takeOver(source, choice.promptDone);
      generation.started(choice.promptDone);
    } catch (error) {
      this.#fail(generation, error);
    }
  }

  async #step(): Promise<void> {
    const choices = this.#slots.flatMap((slot) => slot.occupant ?? []);
    const streams = choices.filter((c) => c.decoder !== null);
    await Promise.all(streams.map((c) => this.#decode(c)));
    // After the streams and not with them: in one call llama.cpp would take them apart again, and cut up the block.
    const filling = this.#pickPrompt(choices.filter((c) => c.slot !== null && c.decoder === null));
    if (filling !== null) await this.#fill(filling, streams.length);
  }

  /** The prompt with least left to compute goes first: nobody ends later, the short ones end sooner. */
  #pickPrompt(filling: readonly Choice[]): Choice | null {
    if (filling.length === 0) return null;
    this.#slicesMade++;
    const oldestFirst = [...filling].sort((a, b) => a.slot!.lastUsed - b.slot!.lastUsed);
    if (this.#slicesMade % OLDEST_EVERY === 0) return oldestFirst[0]!;
    return oldestFirst.reduce((best, c) => (c.promptLeft < best.promptLeft ? c : best));
  }

  /** Computes a slice of the prompt; the one that completes it makes the first token too. */
  async #fill(choice: Choice, streams: number): Promise<void> {
    const { generation } = choice;
    const { prompt } = generation.spec;
    const slot = choice.slot!;
    const { slices, clock } = this.#options;
    const most = generation.exact ? Math.max(BLOCK_TOKENS, slices.next(streams)) : slices.next(streams);
    const position = choice.promptDone;
    const tokens = nextPiece(position, choice.promptLeft, most);
    const slice = prompt.slice(position, position + tokens);
    choice.promptDone += tokens;
    const startMs = clock.monotonicMs();
    if (choice.promptLeft === 0) {
      choice.decoder = this.#backend.decode(slot.index, slice, choice.sampling, prompt);
      await this.#decode(choice);
    } else {
      try {
        await this.#backend.prefill(slot.index, slice);
      } catch (error) {
        this.#fail(generation, error);
      }
    }
    slot.computed(position, tokens);
    slices.record(tokens, clock.monotonicMs() - startMs);
  }

  async #decode(choice: Choice): Promise<void> {
    const { generation } = choice;
    const { id } = generation.spec;
    try {
      const token = await choice.decoder!.next();
      // Another choice of it may have failed in the same batch.
      if (!this.#generations.has(id)) return;
      const { events, finish } = choice.take(token);
      for (const event of events) this.#options.emit({ id, event });
      if (finish === null) return;
      generation.finished();
      this.#release(choice);
      if (generation.done) this.#end(generation, generation.endEvent());
    } catch (error) {
      this.#fail(generation, error);
    }
  }

  #finishEmpty(generation: Generation): void {
    const { id } = generation.spec;
    for (const choice of generation.waiting) {
      this.#options.emit({ id, event: { type: "finish", choice: choice.index, reason: "length" } });
      generation.finished();
    }
    this.#options.emit({ id, event: generation.endEvent() });
  }

  #fail(generation: Generation, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    for (const choice of generation.running) choice.slot!.spoilt = true;
    this.#end(generation, { type: "error", code: "internal", message: "The model failed.", detail });
  }

  #end(generation: Generation, event: GenerationEvent["event"]): void {
    const { id } = generation.spec;
    if (!this.#generations.delete(id)) return;
    this.#options.emit({ id, event });
    for (const choice of [...generation.running]) this.#release(choice);
  }

  #release(choice: Choice): void {
    const slot = choice.slot;
    if (slot === null || !choice.generation.running.delete(choice)) return;
    slot.lastUsed = ++this.#uses;
    slot.occupant = null;
    choice.slot = null;
    choice.decoder?.end();
  }
}

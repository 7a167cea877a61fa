import { EngineError } from "../../engine/port.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Backend } from "./backend.ts";
import { type Choice, Generation, type GenerationSpec } from "./generation.ts";
import type { GenerationEvent } from "./protocol.ts";
import type { SliceSizer } from "./slices.ts";
import { chooseSlot } from "./slots.ts";

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

/** Every so many slices the oldest prompt gets one, so that a stream of short ones can't hold it up for ever. */
const OLDEST_EVERY = 4;

/**
 * Computes generations in steps. A step is one batch: one token of every running stream and at most one slice of one
 * prompt. All calls of a step are made in one turn and all are awaited before the next step, so the streams always
 * share a batch, and between two steps nothing is computed: that is where slots are given away and aborts act.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #backend: Backend;
  readonly #generations = new Map<number, Generation>();
  readonly #occupants: (Choice | null)[];
  readonly #lastUsed: number[];
  /** Slots in which a call failed: what they hold is unknown. */
  readonly #spoilt = new Set<number>();
  #uses = 0;
  #slices = 0;
  #running = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#backend = options.backend;
    this.#occupants = new Array(options.backend.slots).fill(null);
    this.#lastUsed = new Array(options.backend.slots).fill(0);
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
    if (!this.#hasRoom()) {
      throw new EngineError("overloaded", "The model is busy and its queue is full.");
    }
    this.#generations.set(spec.id, generation);
    void this.#run();
  }

  /** The generation ends after the batch that is being computed. Unknown ids (it may just have ended) are ignored. */
  abort(id: number): void {
    const generation = this.#generations.get(id);
    if (generation !== undefined) generation.aborted = true;
  }

  abortAll(): void {
    for (const generation of this.#generations.values()) generation.aborted = true;
  }

  #hasRoom(): boolean {
    let waiting = 0;
    for (const g of this.#generations.values()) if (g.running.size === 0) waiting++;
    const free = this.#occupants.filter((o) => o === null).length;
    return waiting < free + this.#options.queueLimit;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#generations.size > 0) {
      // First of all: requests and aborts that arrived together are seen together.
      await this.#options.turn();
      await this.#sweep();
      await this.#admit();
      await this.#step();
    }
    this.#running = false;
  }

  /** Ends what was aborted. */
  async #sweep(): Promise<void> {
    for (const generation of [...this.#generations.values()]) {
      if (generation.aborted) await this.#end(generation, generation.endEvent());
    }
  }

  /** Gives free slots away, one by one to the generation that has fewest; of equals, the oldest. */
  async #admit(): Promise<void> {
    for (;;) {
      const free = this.#occupants.flatMap((occupant, slot) => (occupant === null ? [slot] : []));
      if (free.length === 0) return;
      let next: Generation | null = null;
      for (const g of this.#generations.values()) {
        if (g.waiting.length > 0 && (next === null || g.running.size < next.running.size)) next = g;
      }
      if (next === null) return;
      await this.#place(next.waiting.shift()!, free);
    }
  }

  async #place(choice: Choice, free: readonly number[]): Promise<void> {
    const { generation } = choice;
    const candidates = free.map((slot) => ({
      slot,
      held: this.#spoilt.has(slot) ? [] : this.#backend.held(slot),
      lastUsed: this.#lastUsed[slot]!,
    }));
    const chosen = chooseSlot(generation.spec.prompt, candidates)!;
    this.#occupants[chosen.slot] = choice;
    this.#lastUsed[chosen.slot] = ++this.#uses;
    choice.slot = { index: chosen.slot, decoder: null };
    generation.running.add(choice);
    try {
      choice.promptDone = await this.#backend.keep(chosen.slot, chosen.reuse);
      this.#spoilt.delete(chosen.slot);
      generation.started(choice.promptDone);
    } catch (error) {
      await this.#fail(generation, error);
    }
  }

  async #step(): Promise<void> {
    const choices = this.#occupants.filter((c) => c !== null);
    const streams = choices.filter((c) => c.slot!.decoder !== null);
    const filling = this.#pickPrompt(choices.filter((c) => c.slot!.decoder === null));
    if (filling === null) {
      await Promise.all(streams.map((c) => this.#decode(c)));
      return;
    }
    const sliceTokens = Math.min(filling.promptLeft, this.#options.slices.next(streams.length));
    const startMs = this.#options.clock.monotonicMs();
    await Promise.all([...streams.map((c) => this.#decode(c)), this.#fill(filling, sliceTokens)]);
    this.#options.slices.record(sliceTokens + streams.length, this.#options.clock.monotonicMs() - startMs);
  }

  /** The prompt with least left to compute goes first: nobody ends later, the short ones end sooner. */
  #pickPrompt(filling: readonly Choice[]): Choice | null {
    if (filling.length === 0) return null;
    this.#slices++;
    const age = (c: Choice) => this.#lastUsed[c.slot!.index]!;
    const oldestFirst = [...filling].sort((a, b) => age(a) - age(b));
    if (this.#slices % OLDEST_EVERY === 0) return oldestFirst[0]!;
    return oldestFirst.reduce((best, c) => (c.promptLeft < best.promptLeft ? c : best));
  }

  /** Computes a slice of the prompt; the one that completes it makes the first token too. */
  async #fill(choice: Choice, sliceTokens: number): Promise<void> {
    const { prompt } = choice.generation.spec;
    const slot = choice.slot!;
    const slice = prompt.slice(choice.promptDone, choice.promptDone + sliceTokens);
    choice.promptDone += slice.length;
    if (choice.promptLeft === 0) {
      slot.decoder = this.#backend.decode(slot.index, slice, choice.sampling, prompt);
      await this.#decode(choice);
      return;
    }
    try {
      await this.#backend.prefill(slot.index, slice);
    } catch (error) {
      await this.#fail(choice.generation, error);
    }
  }

  async #decode(choice: Choice): Promise<void> {
    const { generation } = choice;
    try {
      const token = await choice.slot!.decoder!.next();
      if (!this.#generations.has(generation.spec.id)) return;
      const { events, finish } = choice.take(token);
      for (const event of events) this.#options.emit({ id: generation.spec.id, event });
      if (finish === null) return;
      generation.finished();
      await this.#release(choice);
      if (generation.done) await this.#end(generation, generation.endEvent());
    } catch (error) {
      await this.#fail(generation, error);
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

  async #fail(generation: Generation, error: unknown): Promise<void> {
    const detail = error instanceof Error ? error.message : String(error);
    for (const choice of generation.running) this.#spoilt.add(choice.slot!.index);
    await this.#end(generation, { type: "error", code: "internal", message: "The model failed.", detail });
  }

  async #end(generation: Generation, event: GenerationEvent["event"]): Promise<void> {
    const { id } = generation.spec;
    if (!this.#generations.delete(id)) return;
    this.#options.emit({ id, event });
    for (const choice of [...generation.running]) await this.#release(choice);
  }

  async #release(choice: Choice): Promise<void> {
    const slot = choice.slot;
    if (slot === null || !choice.generation.running.delete(choice)) return;
    this.#lastUsed[slot.index] = ++this.#uses;
    this.#occupants[slot.index] = null;
    await slot.decoder?.end();
  }
}

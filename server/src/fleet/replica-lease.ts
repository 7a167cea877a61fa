import {
  type Engine,
  type EngineCapabilities,
  EngineError,
  type EngineEvent,
  type EngineModelInfo,
  type GenerateRequest,
} from "../engine/port.ts";
import type { Replica } from "./replica.ts";
import type { RoutingHints } from "./routing/router.ts";

/** Where another replica comes from when the first is gone. */
export interface ReplicaSource {
  /** One that can take the request now, else null. */
  pick(hints: RoutingHints): Replica | null;
  /** Waits for one. @throws AppError UNAVAILABLE; the signal's reason. */
  reroute(hints: RoutingHints, signal: AbortSignal): Promise<ReplicaLease>;
}

/**
 * The replica that one request was given. A request whose replica ends before the request has reached it goes to
 * another one. One that has reached an engine is never sent again: what killed this engine may have
 * been the request itself, and clients repeat a 503 by themselves.
 */
export class ReplicaLease implements Omit<Engine, "close" | "loadLora" | "unloadLora"> {
  readonly capabilities: EngineCapabilities;
  readonly model: EngineModelInfo;
  readonly #source: ReplicaSource;
  readonly #hints: RoutingHints;
  #replica: Replica;
  readonly #release: () => void;

  /** @param replica is ready. @param release gives up what was reserved for the request; called once it has begun. */
  constructor(source: ReplicaSource, hints: RoutingHints, replica: Replica, release: () => void) {
    const { capabilities, model } = replica.engine!;
    this.capabilities = capabilities;
    this.model = model;
    this.#source = source;
    this.#hints = hints;
    this.#replica = replica;
    this.#release = release;
  }

  /** Read it when the request has ended: it names the replica that did the work. */
  get replicaId(): string {
    return this.#replica.id;
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const { lora: adapter } = this.#hints;
    const own = adapter === undefined ? request : { ...request, lora: adapter };
    return {
      [Symbol.asyncIterator]: () =>
        this.#hasEngine() ? this.#begin(own, signal) : this.#generateAfterReroute(own, signal),
    };
  }

  /**
   * Runs work of any modality on the replica, counted there to its end, however it ends.
   * @param cost How much of the replica's capacity the work takes; a generation of one choice costs 1.
   * @throws EngineError `unavailable` when no replica of the same revision is ready.
   */
  async run<T>(cost: number, work: (engine: Engine) => Promise<T>): Promise<T> {
    this.#requireEngine();
    const result = this.#replica.run(cost, work);
    this.#release();
    return result;
  }

  async tokenize(text: string): Promise<number[]> {
    return this.#requireEngine().tokenize(text);
  }

  async health(): Promise<void> {
    await this.#requireEngine().health();
  }

  #begin(request: GenerateRequest, signal: AbortSignal): AsyncIterator<EngineEvent> {
    const events = this.#replica.begin(request, signal);
    this.#release();
    return events;
  }

  async *#generateAfterReroute(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    this.#release();
    const other = await this.#source.reroute(this.#hints, signal);
    if (other.#replica.revision !== this.#replica.revision) {
      // The request was prepared for the other one: its prompt may be rendered by another template.
      throw new EngineError("unavailable", "The model was replaced; send the request again.");
    }
    this.#replica = other.#replica;
    yield* other.generate(request, signal);
  }

  #requireEngine(): Engine {
    if (!this.#hasEngine()) throw new EngineError("unavailable", "The model is restarting.");
    return this.#replica.engine!;
  }

  /** Moves to another replica that is alike when this one is gone. */
  #hasEngine(): boolean {
    if (this.#replica.engine !== null) return true;
    const other = this.#source.pick(this.#hints);
    if (other === null || other.revision !== this.#replica.revision) return false;
    this.#replica = other;
    return true;
  }
}

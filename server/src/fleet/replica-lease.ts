import { type Engine, type EngineModelInfo, requireGeneration } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type {
  EngineCapabilities,
  EngineEvent,
  GenerateRequest,
  GenerationEngine,
} from "../engine/generation.ts";
import type { Replica } from "./replica.ts";
import type { RoutingHints } from "./routing/router.ts";

/** Finds another replica when the engine of the first has ended. */
export interface ReplicaSource {
  /** A replica that can take the request now; null: none. */
  pick(hints: RoutingHints): Replica | null;
  /** Waits for a replica. @throws AppError UNAVAILABLE; the signal's reason. */
  reroute(hints: RoutingHints, signal: AbortSignal): Promise<ReplicaLease>;
}

/**
 * The replica that one request was given. When its engine ends before the request has reached it, the request goes to
 * another replica. A request that has reached an engine is never sent again: it may be what killed the engine, and
 * clients repeat a 503 by themselves.
 */
export class ReplicaLease implements GenerationEngine {
  readonly capabilities: EngineCapabilities;
  readonly model: EngineModelInfo;
  readonly #source: ReplicaSource;
  readonly #hints: RoutingHints;
  #replica: Replica;
  readonly #release: () => void;

  /**
   * @param replica a ready one.
   * @param release ends the reservation; called when the request begins.
   * @throws EngineError `unsupported` when the replica's engine does not generate text.
   */
  constructor(source: ReplicaSource, hints: RoutingHints, replica: Replica, release: () => void) {
    const engine = replica.engine!;
    this.capabilities = requireGeneration(engine).capabilities;
    this.model = engine.model;
    this.#source = source;
    this.#hints = hints;
    this.#replica = replica;
    this.#release = release;
  }

  /** The replica that does the work. It may change until the request has begun. */
  get replicaId(): string {
    return this.#replica.id;
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const { lora } = this.#hints;
    const routed = lora === undefined ? request : { ...request, lora };
    return {
      [Symbol.asyncIterator]: () =>
        this.#hasEngine() ? this.#begin(routed, signal) : this.#generateAfterReroute(routed, signal),
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
    return requireGeneration(this.#requireEngine()).tokenize(text);
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
      // The prompt was rendered with the chat template of the old revision.
      throw new EngineError("unavailable", "The model was replaced; send the request again.");
    }
    this.#replica = other.#replica;
    yield* other.generate(request, signal);
  }

  #requireEngine(): Engine {
    if (!this.#hasEngine()) throw new EngineError("unavailable", "The model is restarting.");
    return this.#replica.engine!;
  }

  /** Whether the replica has an engine; moves to another replica of the same revision when it has none. */
  #hasEngine(): boolean {
    if (this.#replica.engine !== null) return true;
    const other = this.#source.pick(this.#hints);
    if (other === null || other.revision !== this.#replica.revision) return false;
    this.#replica = other;
    return true;
  }
}

import {
  type Engine,
  type EngineCapabilities,
  EngineError,
  type EngineEvent,
  type EngineModelInfo,
  type GenerateRequest,
} from "../engine/port.ts";
import type { ReplicaPool } from "./pool.ts";
import type { Replica } from "./replica.ts";

/**
 * The replica that one request was given. A request whose replica ends before the request has reached it goes to
 * another one that is ready. One that has reached an engine is never sent again: what killed this engine may have
 * been the request itself, and clients repeat a 503 by themselves.
 */
export class RoutedEngine implements Omit<Engine, "close"> {
  readonly capabilities: EngineCapabilities;
  readonly model: EngineModelInfo;
  readonly #pool: ReplicaPool;
  #replica: Replica;

  /** @param replica is ready. */
  constructor(pool: ReplicaPool, replica: Replica) {
    const { capabilities, model } = replica.engine!;
    this.capabilities = capabilities;
    this.model = model;
    this.#pool = pool;
    this.#replica = replica;
  }

  /** Read it when the request has ended: it names the replica that did the work. */
  get replicaId(): string {
    return this.#replica.id;
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    return {
      [Symbol.asyncIterator]: () => {
        this.#present();
        return this.#replica.begin(request, signal);
      },
    };
  }

  async tokenize(text: string): Promise<number[]> {
    return this.#present().tokenize(text);
  }

  async health(): Promise<void> {
    await this.#present().health();
  }

  #present(): Engine {
    if (this.#replica.engine === null) this.#replica = this.#pool.pick() ?? this.#replica;
    if (this.#replica.engine === null) throw new EngineError("unavailable", "The model is restarting.");
    return this.#replica.engine;
  }
}

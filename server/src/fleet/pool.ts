import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { Changes } from "./changes.ts";
import type { Replica, ReplicaStatus } from "./replica.ts";
import { RoutedEngine } from "./routed-engine.ts";

export interface PoolOptions {
  clock: Clock;
  /** Longest time a request waits for a replica that is starting. */
  coldStartMs: number;
}

/** Requests of one model that may wait for a start at the same time. */
const MAX_WAITING = 1000;
const STARTING_RETRY_S = 5;

/** The replicas of one model. */
export class ReplicaPool {
  readonly #model: string;
  readonly #options: PoolOptions;
  readonly #changes: Changes;
  readonly #replicas: readonly Replica[];
  #turn = 0;
  #isClosing = false;

  /** @param create makes the replicas, at least one; each calls `onChange` at every change of its state. */
  constructor(model: string, options: PoolOptions, create: (onChange: () => void) => readonly Replica[]) {
    this.#model = model;
    this.#options = options;
    this.#changes = new Changes(options.clock);
    this.#replicas = create(() => this.#changes.notify());
  }

  start(): void {
    for (const replica of this.#replicas) replica.start();
  }

  status(): ReplicaStatus[] {
    return this.#replicas.map((replica) => replica.status());
  }

  /** The ready replica with the least outstanding work; those that are equal take turns. Null when none is ready. */
  pick(): Replica | null {
    let best: Replica | null = null;
    const count = this.#replicas.length;
    const first = this.#turn++ % count;
    for (let i = 0; i < count; i++) {
      const replica = this.#replicas[(first + i) % count]!;
      if (replica.engine !== null && (best === null || replica.outstanding < best.outstanding))
        best = replica;
    }
    return best;
  }

  /** @throws AppError UNAVAILABLE with `retryAfterS`; the signal's reason. */
  async route(signal: AbortSignal): Promise<RoutedEngine> {
    const { clock, coldStartMs } = this.#options;
    const deadlineMs = clock.monotonicMs() + coldStartMs;
    for (;;) {
      signal.throwIfAborted();
      if (this.#isClosing)
        throw new AppError("UNAVAILABLE", "The server is stopping.", { retryAfterS: STARTING_RETRY_S });
      const replica = this.pick();
      if (replica !== null) return new RoutedEngine(this, replica);
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0 || this.#changes.waiting >= MAX_WAITING || !this.#isStarting())
        throw this.#unavailable();
      await this.#changes.next(leftMs, signal);
    }
  }

  /** Idempotent. */
  async close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + graceMs;
    this.#isClosing = true;
    this.#changes.notify();
    while (this.#replicas.some((replica) => replica.outstanding > 0) && clock.monotonicMs() < deadlineMs) {
      await this.#changes.next(deadlineMs - clock.monotonicMs());
    }
    await Promise.all(this.#replicas.map((replica) => replica.stop()));
  }

  #isStarting(): boolean {
    return this.#replicas.some((replica) => replica.state === "starting");
  }

  /** Tells of the replica that will be tried first. */
  #unavailable(): AppError {
    if (this.#isStarting()) {
      const starting = this.#replicas.find((replica) => replica.state === "starting")!;
      const message = `${this.#model} is not ready yet. ${starting.status().message}`;
      return new AppError("UNAVAILABLE", message, { retryAfterS: STARTING_RETRY_S });
    }
    const errors = this.#replicas.map((replica) => replica.unavailable());
    return errors.reduce((soonest, error) => (error.retryAfterS! < soonest.retryAfterS! ? error : soonest));
  }
}

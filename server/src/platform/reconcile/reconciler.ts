import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Database } from "../db/database.ts";
import type { Log } from "../telemetry/log.ts";
import { type Claim, WORK_CHANNEL, type WorkStore, workStore } from "./store.ts";

export { addWork, type SqlExecutor } from "./store.ts";

export interface WorkItem {
  key: string;
  /** Consecutive failures before this step. */
  failures: number;
  /** Aborts when the lease is lost or the worker closes, because another worker may then take the item. */
  signal: AbortSignal;
}

export interface ReconcilerOptions {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: Log;
  /** Kind of work, 1–63 characters. */
  kind: string;
  /**
   * Moves the actual state one step towards the desired state. Must be idempotent: if the worker dies before it has
   * recorded the step, another worker repeats it. Errors are logged, and the step is retried with exponential back-off.
   * @returns milliseconds until the next step; null: no more work until it is requested again.
   */
  step(item: WorkItem): Promise<number | null>;
  /** Most steps at the same time. Default 4. */
  concurrency?: number;
  /** After this time without renewal, a worker counts as dead and others take its items. Default 10,000. */
  leaseMs?: number;
  /** Random numbers from 0 to 1, for the jitter of retries. Default `Math.random`. */
  random?: () => number;
}

const CONCURRENCY = 4;
const LEASE_MS = 10_000;
/** Exponential back-off for failed steps: the delay doubles with each failure, and a random 50–100 % of it is used. */
const RETRY = { baseMs: 1_000, capMs: 60_000 };
/** Longest time between two looks for work, because notifications may be lost. */
const POLL_MS = 30_000;

/**
 * A worker for one kind of work. Workers of several processes share the items; leases ensure that each item has one
 * worker at a time.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #store: WorkStore;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #claiming: Promise<void> | null = null;
  /** Work was requested since the last claim began. */
  #needsClaim = false;
  /** Steps begun so far. */
  #steps = 0;
  #cancelTimer = (): void => {};
  #unlisten = async (): Promise<void> => {};

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#store = workStore(options.database, options.kind);
  }

  /** Starts to work on due items, and keeps working until `close`. */
  async start(): Promise<void> {
    const { database, kind } = this.#options;
    this.#unlisten = await database.listen(WORK_CHANNEL, (payload) => {
      if (payload === kind || payload === "") void this.#fill();
    });
  }

  /** Runs every step that is due now or becomes due meanwhile. Never rejects. @returns the number of steps. */
  async tick(): Promise<number> {
    const before = this.#steps;
    await this.#fill();
    while (this.#running.size > 0) await Promise.race(this.#running);
    return this.#steps - before;
  }

  /** Claims nothing more, aborts the running steps and waits for them. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("The worker is closing."));
    this.#cancelTimer();
    await this.#unlisten();
    await this.#claiming;
    await Promise.all(this.#running);
  }

  /** Claims and starts as many due items as there is room for. A call during a claim makes it claim once more. */
  #fill(): Promise<void> {
    this.#needsClaim = true;
    this.#claiming ??= this.#claim().finally(() => {
      this.#claiming = null;
      // The call may have come after the last look.
      if (this.#needsClaim && this.#hasRoom()) return this.#fill();
    });
    return this.#claiming;
  }

  #hasRoom(): boolean {
    return this.#running.size < (this.#options.concurrency ?? CONCURRENCY) && !this.#closing.signal.aborted;
  }

  async #claim(): Promise<void> {
    const { clock, log, kind, concurrency = CONCURRENCY, leaseMs = LEASE_MS } = this.#options;
    try {
      while (this.#needsClaim && this.#hasRoom()) {
        this.#needsClaim = false;
        const nowMs = clock.now();
        const room = concurrency - this.#running.size;
        const claims = await this.#store.claim(room, nowMs, nowMs + leaseMs, uuidv7Hex(nowMs));
        for (const claim of claims) this.#begin(claim);
      }
      const nextMs = this.#running.size < concurrency ? await this.#store.nextDueMs() : null;
      this.#fillAfter(nextMs === null ? POLL_MS : Math.max(0, nextMs - clock.now()));
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn({ kind, err: error }, "Due work can't be claimed");
      this.#fillAfter(RETRY.baseMs);
    }
  }

  #fillAfter(waitMs: number): void {
    this.#cancelTimer();
    if (this.#closing.signal.aborted) return;
    this.#cancelTimer = this.#options.clock.after(Math.min(waitMs, POLL_MS), () => void this.#fill());
  }

  #begin(claim: Claim): void {
    this.#steps++;
    const work = this.#runClaim(claim).then(() => {
      this.#running.delete(work);
      return this.#fill();
    });
    this.#running.add(work);
  }

  /**
   * Runs the step of a claimed item. Never rejects: an item that can't be released is due again when its lease expires.
   */
  async #runClaim(claim: Claim): Promise<void> {
    const { log, kind } = this.#options;
    const lease = this.#keepLease(claim);
    const [dueAtMs, failures] = await this.#step(claim, lease.signal);
    lease.stop();
    try {
      await this.#store.release(claim, dueAtMs, failures);
    } catch (error) {
      log.warn({ kind, key: claim.key, err: error }, "An item of work can't be released");
    }
  }

  /** @returns when the item is due again, and its consecutive failures. */
  async #step({ key, failures }: Claim, signal: AbortSignal): Promise<[number | null, number]> {
    const { clock, log, kind, step, random = Math.random } = this.#options;
    try {
      const waitMs = await step({ key, failures, signal });
      return [waitMs === null ? null : clock.now() + waitMs, 0];
    } catch (error) {
      if (signal.aborted) return [clock.now(), failures];
      log.warn({ kind, key, failures, err: error }, "A step failed");
      const waitMs = Math.min(RETRY.capMs, RETRY.baseMs * 2 ** Math.min(failures, 30));
      return [clock.now() + waitMs * (0.5 + random() / 2), failures + 1];
    }
  }

  /**
   * Renews the lease every third of its time, until `stop`. The signal aborts when the lease is lost or the worker
   * closes.
   */
  #keepLease(claim: Claim): { signal: AbortSignal; stop(): void } {
    const { clock, leaseMs = LEASE_MS } = this.#options;
    const lost = new AbortController();
    let cancel = (): void => {};
    const renewLater = (): void => {
      cancel = clock.after(leaseMs / 3, () => {
        renewLater();
        this.#store.renew(claim, clock.now() + leaseMs).then(
          (isHeld) => {
            if (!isHeld) lost.abort(new Error("The lease was lost."));
          },
          // Ignore a failure: the next renewal may succeed before the lease expires.
          () => {},
        );
      });
    };
    renewLater();
    return { signal: AbortSignal.any([lost.signal, this.#closing.signal]), stop: () => cancel() };
  }
}

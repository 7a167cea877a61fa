import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Database } from "../db/database.ts";
import type { Log } from "../telemetry/log.ts";
import { type Claim, WORK_CHANNEL, type WorkStore, workStore } from "./store.ts";

export { addWork, type SqlExecutor } from "./store.ts";

export interface WorkItem {
  key: string;
  /** Failures in a row before this step. */
  failures: number;
  /** Fires when the lease is lost or the worker closes: somebody else may be at it from now on. */
  signal: AbortSignal;
}

export interface ReconcilerOptions {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: Log;
  /** Which work, 1–63 characters. */
  kind: string;
  /**
   * Takes one step from what is towards what is wanted, and gives the milliseconds until the next look, or null when
   * there is nothing left to do until somebody asks again. Has to be idempotent: a worker that dies between the step and
   * the note that it was taken leaves it to be taken again. What it throws is logged, and the step taken again later.
   */
  step(item: WorkItem): Promise<number | null>;
  /** Steps at the same time. Default 4. */
  concurrency?: number;
  /** How long a dead worker's work lies before another takes it. Default 10,000. */
  leaseMs?: number;
  /** 0–1, for the jitter of retries. Default `Math.random`. */
  random?: () => number;
}

const CONCURRENCY = 4;
/** How long a dead worker's work lies. */
const LEASE_MS = 10_000;
/** Wait before a failed step is taken again: doubling, of that 50–100 % by chance. */
const RETRY = { baseMs: 1_000, capMs: 60_000 };
/** Looks for work that often even without word of any: notifications may be lost. */
const POLL_MS = 30_000;

/** Several workers, also of several processes, share one kind of work: each item is with one of them at a time. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #store: WorkStore;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #claiming: Promise<void> | null = null;
  #askedAgain = false;
  #steps = 0;
  #cancelTimer = (): void => {};
  #unlisten = async (): Promise<void> => {};

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#store = workStore(options.database, options.kind);
  }

  /** Works off what is due, now and from now on. */
  async start(): Promise<void> {
    const { database, kind } = this.#options;
    this.#unlisten = await database.listen(WORK_CHANNEL, (payload) => {
      if (payload === kind || payload === "") void this.#fill();
    });
  }

  /** Takes every step that is due now or becomes due meanwhile; resolves with their number. Never rejects. */
  async tick(): Promise<number> {
    const before = this.#steps;
    await this.#fill();
    while (this.#running.size > 0) await Promise.race(this.#running);
    return this.#steps - before;
  }

  /** Takes nothing new, tells running steps to end and waits for them. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("The worker is closing."));
    this.#cancelTimer();
    await this.#unlisten();
    await this.#claiming;
    await Promise.all(this.#running);
  }

  /** Begins as many due steps as there are free places. Never two claims at once: a call meanwhile makes it look again. */
  #fill(): Promise<void> {
    this.#askedAgain = true;
    this.#claiming ??= this.#claim().finally(() => {
      this.#claiming = null;
      // It may have been asked when it had looked already.
      if (this.#askedAgain && this.#hasRoom()) return this.#fill();
    });
    return this.#claiming;
  }

  #hasRoom(): boolean {
    return this.#running.size < (this.#options.concurrency ?? CONCURRENCY) && !this.#closing.signal.aborted;
  }

  async #claim(): Promise<void> {
    const { clock, log, kind, concurrency = CONCURRENCY, leaseMs = LEASE_MS } = this.#options;
    try {
      while (this.#askedAgain && this.#hasRoom()) {
        this.#askedAgain = false;
        const nowMs = clock.now();
        const free = concurrency - this.#running.size;
        const claims = await this.#store.claim(free, nowMs, nowMs + leaseMs, uuidv7Hex(nowMs));
        for (const claim of claims) this.#begin(claim);
      }
      const nextMs = this.#running.size < concurrency ? await this.#store.nextDueMs() : null;
      this.#fillAfter(nextMs === null ? POLL_MS : Math.max(0, nextMs - clock.now()));
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn({ kind, err: error }, "can't look for work");
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
    const work = this.#take(claim).then(() => {
      this.#running.delete(work);
      return this.#fill();
    });
    this.#running.add(work);
  }

  /** Never rejects: an item that can't be given back is due again once its lease is over. */
  async #take(claim: Claim): Promise<void> {
    const { log, kind } = this.#options;
    const lease = this.#keepLease(claim);
    const [dueAtMs, failures] = await this.#step(claim, lease.signal);
    lease.stop();
    try {
      await this.#store.release(claim, dueAtMs, failures);
    } catch (error) {
      log.warn({ kind, key: claim.key, err: error }, "work can't be given back");
    }
  }

  /** When to look at the item again, and its failures in a row. */
  async #step({ key, failures }: Claim, signal: AbortSignal): Promise<[number | null, number]> {
    const { clock, log, kind, step, random = Math.random } = this.#options;
    try {
      const waitMs = await step({ key, failures, signal });
      return [waitMs === null ? null : clock.now() + waitMs, 0];
    } catch (error) {
      if (signal.aborted) return [clock.now(), failures];
      log.warn({ kind, key, failures, err: error }, "a step failed");
      const waitMs = Math.min(RETRY.capMs, RETRY.baseMs * 2 ** Math.min(failures, 30));
      return [clock.now() + waitMs * (0.5 + random() / 2), failures + 1];
    }
  }

  /** Renews the lease three times as often as needed. */
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
          // The next one may get through.
          () => {},
        );
      });
    };
    renewLater();
    return { signal: AbortSignal.any([lost.signal, this.#closing.signal]), stop: () => cancel() };
  }
}

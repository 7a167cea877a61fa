import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { UsageKind } from "../money/service.ts";
import type { UsageSource } from "./record.ts";
import type { UsageLedger } from "./types.ts";

/** A replica of an account's deployment that serves requests. */
export interface ServingReplica {
  id: string;
  accountId: string;
  /** Full names. */
  deployment: string;
  model: string;
  /** Null: the replica runs on CPUs only. */
  accelerators: { type: string; count: number } | null;
}

export interface ReplicaMeterOptions {
  ledger: Pick<UsageLedger, "open" | "close">;
  clock: Clock;
  log: BasicLog;
  /** The replicas that serve now. */
  serving(): readonly ServingReplica[];
}

export interface ReplicaMeter {
  /** Reads `serving` at once; call it when replicas start or end. */
  sample(): void;
  /** Records the time so far; the last rows are in the ledger's spool when it returns. Idempotent. */
  stop(): void;
}

/** Most time of a replica that a crash can lose, besides the ledger's own checkpoint interval. */
const SAMPLE_INTERVAL_MS = 1_000;
const MINUTE_MS = 60_000;

/**
 * Records how long replicas serve, in milliseconds times accelerators. Each replica has one row a minute. The row is an
 * open request of the ledger and grows while the minute lasts, so that a crash loses little. Durations come from the
 * monotonic clock: setting the wall clock starts a new row but changes nobody's bill.
 */
export function meterReplicas(options: ReplicaMeterOptions): ReplicaMeter {
  const { clock, log } = options;
  /** By the replica's id. */
  const intervals = new Map<string, ServingInterval>();
  let stopped = false;
  let cancelTimer = (): void => {};

  function sample(): void {
    if (stopped) return;
    const serving = options.serving();
    const ids = new Set(serving.map(({ id }) => id));
    for (const [id, interval] of intervals) {
      if (ids.has(id)) continue;
      intervals.delete(id);
      interval.end();
    }
    for (const replica of serving) {
      const interval = intervals.get(replica.id) ?? new ServingInterval(replica, options);
      intervals.set(replica.id, interval);
      try {
        interval.extend();
      } catch (error) {
        log.warn({ err: error, replica: replica.id }, "A replica's time can't be recorded yet");
      }
    }
  }

  function schedule(): void {
    cancelTimer = clock.after(SAMPLE_INTERVAL_MS, () => {
      schedule();
      sample();
    });
  }
  schedule();
  sample();
  return {
    sample,
    stop() {
      if (stopped) return;
      sample();
      stopped = true;
      cancelTimer();
      for (const interval of intervals.values()) interval.end();
    },
  };
}

/** A span of time in which one replica serves without interruption. */
class ServingInterval {
  readonly #replica: ServingReplica;
  readonly #options: ReplicaMeterOptions;
  #row: ReplicaUsageRow | null = null;
  /** Time up to which the interval is recorded in rows. */
  #recordedMs: number;

  constructor(replica: ServingReplica, options: ReplicaMeterOptions) {
    this.#replica = replica;
    this.#options = options;
    this.#recordedMs = options.clock.monotonicMs();
  }

  /** @throws AppError when the ledger accepts no row; a later call records the time. */
  extend(): void {
    const { clock, ledger } = this.#options;
    const minute = Math.floor(clock.now() / MINUTE_MS);
    if (this.#row !== null && this.#row.minute !== minute) this.end();
    if (this.#row === null) {
      const row = new ReplicaUsageRow(this.#replica, clock.now(), minute);
      ledger.open(row);
      this.#row = row;
    }
    this.#grow(this.#row);
  }

  end(): void {
    if (this.#row === null) return;
    this.#grow(this.#row);
    const durationMs = this.#row.servedMs;
    this.#options.ledger.close(this.#row, { outcome: "ok", status: 200, durationMs }, () => {});
    this.#row = null;
  }

  /** Adds whole milliseconds to the row; the remaining fraction counts in the next call. */
  #grow(row: ReplicaUsageRow): void {
    const elapsedMs = Math.floor(this.#options.clock.monotonicMs() - this.#recordedMs);
    this.#recordedMs += elapsedMs;
    row.servedMs += elapsedMs;
  }
}

class ReplicaUsageRow implements UsageSource {
  readonly id: string;
  readonly accountId: string;
  readonly keyId = "";
  readonly userId = "";
  readonly endpoint: string;
  readonly model: string;
  readonly deployment: string;
  readonly kind: UsageKind;
  readonly pricedAs: string;
  readonly replica: string;
  readonly promptTokens = 0;
  readonly cachedTokens = 0;
  readonly completionTokens = 0;
  readonly timeToFirstTokenMs = null;
  readonly startedAtMs: number;
  readonly minute: number;
  readonly #accelerators: number;
  servedMs = 0;

  constructor(
    { id, accountId, deployment, model, accelerators }: ServingReplica,
    nowMs: number,
    minute: number,
  ) {
    this.id = uuidv7Hex(nowMs);
    this.accountId = accountId;
    this.endpoint = accelerators?.type ?? "CPU";
    this.pricedAs = this.endpoint;
    this.kind = accelerators === null ? "cpu_seconds" : "gpu_seconds";
    this.model = model;
    this.deployment = deployment;
    this.replica = id;
    this.startedAtMs = nowMs;
    this.minute = minute;
    this.#accelerators = accelerators?.count ?? 1;
  }

  get quantity(): number {
    return this.servedMs * this.#accelerators;
  }
}

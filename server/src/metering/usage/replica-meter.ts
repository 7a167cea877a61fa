import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { UsageKind } from "../money/service.ts";
import type { UsageSource } from "./record.ts";
import type { UsageLedger } from "./service.ts";

/** A replica of an account's deployment that takes requests. */
export interface ServingReplica {
  id: string;
  accountId: string;
  /** Full names. */
  deployment: string;
  model: string;
  /** Null: it runs on processors alone. */
  accelerators: { type: string; count: number } | null;
}

export interface ReplicaMeterOptions {
  ledger: Pick<UsageLedger, "open" | "close">;
  clock: Clock;
  log: BasicLog;
  /** Those that serve right now. */
  serving(): readonly ServingReplica[];
}

export interface ReplicaMeter {
  /** Looks at once, as something has changed. */
  sample(): void;
  /** Records what has run up; the last rows are in the ledger's spool when it returns. Idempotent. */
  stop(): void;
}

/** What a crash may cost of a replica's time, besides the ledger's own interval. */
const SAMPLE_INTERVAL_MS = 1_000;
const MINUTE_MS = 60_000;

/**
 * Records how long replicas serve: a row a minute for each, of milliseconds times accelerators, that grows in the ledger's
 * spool while the minute runs, so that a crash loses little. Durations come from the monotonic clock; a clock that is
 * set begins a new row and makes nobody pay more or less.
 */
export function meterReplicas(options: ReplicaMeterOptions): ReplicaMeter {
  const { clock, log } = options;
  const running = new Map<string, ServingInterval>();
  let stopped = false;
  let cancelTimer = (): void => {};

  function look(): void {
    if (stopped) return;
    const now = options.serving();
    const ids = new Set(now.map(({ id }) => id));
    for (const [id, stretch] of running) {
      if (ids.has(id)) continue;
      running.delete(id);
      stretch.end();
    }
    for (const replica of now) {
      const stretch = running.get(replica.id) ?? new ServingInterval(replica, options);
      running.set(replica.id, stretch);
      try {
        stretch.extend();
      } catch (error) {
        log.warn({ err: error, replica: replica.id }, "a replica's time can't be recorded yet");
      }
    }
  }

  function schedule(): void {
    cancelTimer = clock.after(SAMPLE_INTERVAL_MS, () => {
      schedule();
      look();
    });
  }
  schedule();
  look();
  return {
    sample: look,
    stop() {
      if (stopped) return;
      look();
      stopped = true;
      cancelTimer();
      for (const stretch of running.values()) stretch.end();
    },
  };
}

/** Time of one replica without a gap. */
class ServingInterval {
  readonly #replica: ServingReplica;
  readonly #options: ReplicaMeterOptions;
  #row: ReplicaUsageRow | null = null;
  /** Up to where it is in rows. */
  #recordedMs: number;

  constructor(replica: ServingReplica, options: ReplicaMeterOptions) {
    this.#replica = replica;
    this.#options = options;
    this.#recordedMs = options.clock.monotonicMs();
  }

  /** @throws AppError when the ledger takes nothing; the time is recorded by a later call. */
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

  /** Whole milliseconds; what is left of one counts with the next. */
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

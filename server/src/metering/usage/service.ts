import { randomBytes } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import type { Database } from "../../platform/db/database.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { ownIdentity, type ProcessIdentity } from "../../platform/process/identity.ts";
import type { Prices } from "../money/service.ts";
import { Flusher } from "./flusher.ts";
import { costOfUsage, encodeUsage, type UsageEnd, type UsageRow, type UsageSource } from "./record.ts";
import { SEGMENT_LIMIT_BYTES, Spool } from "./spool.ts";
import { type UsageFilter, type UsageSummary, usageStore } from "./store.ts";

export { acceleratorTime } from "./accelerator-store.ts";
export type { Outcome, UsageEnd, UsageRow, UsageSource } from "./record.ts";
export { meterReplicas, type ReplicaMeter, type ServingReplica } from "./replica-meter.ts";
export {
  GROUPINGS,
  type Grouping,
  type HourlyCost,
  REPORT_FIELDS,
  type ReportQuery,
  type ReportRow,
  type UsageReports,
  type UsageSums,
  usageReports,
} from "./report-store.ts";
export type { UsageSummary } from "./store.ts";

export interface UsageLedgerOptions {
  database: Pick<Database, "sql" | "db">;
  clock: Clock;
  log: BasicLog;
  /** What usage costs; absent: nothing does. */
  prices?: Prices;
  /** Holds the spools of all processes on this data folder; made when absent. */
  folder: string;
  /** Most bytes that may wait for the database before new requests are refused. Default 256 MiB. */
  maxSpoolBytes?: number;
  /** Who the spool belongs to. For tests of what is left by the dead. */
  identity?: ProcessIdentity;
}

export interface UsageStats {
  inFlight: number;
  /** Closed rows on their way to the database. */
  pendingRows: number;
  spoolSizeBytes: number;
  /** False while requests are refused: the spool is full, or the disk doesn't take writes. */
  accepting: boolean;
}

/** @param startedAtMs decides which month it is charged to. */
export type ClosedListener = (accountId: string, costMicros: bigint, startedAtMs: number) => void;

/**
 * One row for every request, whatever happens. A request's row is in the spool before anyone hears that the request
 * is done, so a `kill -9` loses none; a row's identifier is the table's primary key, so none is there twice. A power
 * cut may cost the last 100 ms.
 */
export interface UsageLedger {
  /**
   * The request is in flight from now on. What is still open at the next checkpoint, within 100 ms, goes to the spool,
   * and with each checkpoint after that its tokens so far.
   * @throws AppError UNAVAILABLE when usage can't be recorded: serving on would lose it.
   */
  open(request: UsageSource): void;
  /** `done` runs once the request would leave a row even after a `kill -9`. For streams, before their first byte. */
  ensureOpened(request: UsageSource, done: () => void): void;
  /**
   * The request is over: reads its fields for the last time. `spooled` runs at the end of this turn of the event loop,
   * once the row can't be lost any more; the reply's last bytes belong there. Closing twice is harmless.
   */
  close(request: UsageSource, end: UsageEnd, spooled: () => void): void;
  /** Calls `listener` with the cost of everything that is closed from now on. It must be quick and not throw. */
  onClosed(listener: ClosedListener): void;
  /** Settles when every row closed before the call is in the database. Rejects when the database doesn't take them. */
  flush(): Promise<void>;
  list(filter: UsageFilter, limit?: number): Promise<UsageRow[]>;
  /** Of the requests begun since then whose replica's id begins with `replicaPrefix`; the last moments may be missing. */
  summarize(replicaPrefix: string, sinceMs: number): Promise<UsageSummary>;
  stats(): UsageStats;
  /** Flushes for at most five seconds; what remains is taken up by the next start. Call it when no request is left. */
  shutDown(): Promise<void>;
}

const CHECKPOINT_MS = 100;
const TOUCH_MS = 5_000;
const SCAN_MS = 30_000;
const SHUT_DOWN_LIMIT_MS = 5_000;
const MAX_SPOOL_BYTES = 256 * 1024 * 1024;
const MAX_LIST_ROWS = 1_000_000;

/** A request that was still open when its process died. */
const INTERRUPTED_STATUS = 500;

interface InFlight {
  /** What the spool holds of it; empty: nothing yet. */
  spooledCompletionTokens: number;
  spooledQuantity: number;
  spooled: boolean;
}

/** Opens the spool and begins to take over what dead processes left. */
export function createUsageLedger(options: UsageLedgerOptions): UsageLedger {
  return new Ledger(options);
}

class Ledger implements UsageLedger {
  readonly #clock: Clock;
  readonly #log: BasicLog;
  readonly #maxSpoolBytes: number;
  readonly #inFlight = new Map<UsageSource, InFlight>();
  readonly #spool: Spool;
  readonly #flusher: Flusher;
  readonly #store: ReturnType<typeof usageStore>;
  readonly #prices: Prices | null;
  readonly #closedListeners: ClosedListener[] = [];
  #cancelTimer = (): void => {};
  #nextTouchMs = 0;
  #nextScanMs = 0;
  #wasAccepting = true;
  #syncing = false;
  #down = false;

  constructor(options: UsageLedgerOptions) {
    const { clock, log, database } = options;
    this.#clock = clock;
    this.#log = log;
    this.#prices = options.prices ?? null;
    this.#maxSpoolBytes = options.maxSpoolBytes ?? MAX_SPOOL_BYTES;
    const identity = options.identity ?? ownIdentity();
    const name = `${identity.pid}-${randomBytes(6).toString("hex")}`;
    this.#spool = new Spool({ root: options.folder, name, identity, log, snapshot: () => this.#snapshot() });
    this.#store = usageStore(database);
    this.#flusher = new Flusher({
      spool: this.#spool,
      store: this.#store,
      clock,
      log,
      root: options.folder,
      name,
      identity,
    });
    this.#schedule();
  }

  open(request: UsageSource): void {
    if (!this.#accepting()) {
      throw new AppError("UNAVAILABLE", "The server can't record usage at the moment.", {
        retryAfterS: 5,
        cause: this.#spool.failure ?? new Error("the usage spool is full"),
      });
    }
    this.#inFlight.set(request, { spooled: false, spooledCompletionTokens: 0, spooledQuantity: 0 });
  }

  ensureOpened(request: UsageSource, done: () => void): void {
    const state = this.#inFlight.get(request);
    if (state === undefined) done();
    else this.#spool.open(this.#interrupted(request, state), done);
  }

  close(request: UsageSource, end: UsageEnd, spooled: () => void): void {
    if (!this.#inFlight.delete(request)) {
      spooled();
      return;
    }
    const costMicros = costOfUsage(this.#prices, request);
    this.#spool.close(encodeUsage(request, end.outcome, end.status, end.durationMs, costMicros), spooled);
    for (const listener of this.#closedListeners)
      listener(request.accountId, costMicros, request.startedAtMs);
  }

  onClosed(listener: ClosedListener): void {
    this.#closedListeners.push(listener);
  }

  /** The row it becomes should we die now. */
  #interrupted(request: UsageSource, state: InFlight): string {
    state.spooled = true;
    state.spooledCompletionTokens = request.completionTokens;
    state.spooledQuantity = request.quantity;
    const durationMs = this.#clock.now() - request.startedAtMs;
    const costMicros = costOfUsage(this.#prices, request);
    return encodeUsage(request, "interrupted", INTERRUPTED_STATUS, durationMs, costMicros);
  }

  #snapshot(): string {
    let lines = "";
    for (const [request, state] of this.#inFlight) lines += `o${this.#interrupted(request, state)}\n`;
    return lines;
  }

  #accepting(): boolean {
    return (
      this.#spool.failure === null &&
      this.#spool.sizeBytes + this.#flusher.orphanedBytes <= this.#maxSpoolBytes
    );
  }

  #schedule(): void {
    this.#cancelTimer = this.#clock.after(CHECKPOINT_MS, () => {
      this.#schedule();
      this.#checkpoint();
    });
  }

  /** Once in 100 ms: what changed goes to the spool, the spool to the disk, closed rows to the database. */
  #checkpoint(): void {
    for (const [request, state] of this.#inFlight) {
      const isKnown =
        state.spooledCompletionTokens === request.completionTokens &&
        state.spooledQuantity === request.quantity;
      if (state.spooled && isKnown) continue;
      this.#spool.open(this.#interrupted(request, state), null);
    }
    this.#spool.commit();
    this.#reportHealth();
    this.#rotateWhenDue();
    this.#syncInBackground();
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#nextTouchMs) {
      this.#nextTouchMs = nowMs + TOUCH_MS;
      this.#background(this.#spool.touch(this.#clock.now()));
    }
    if (nowMs >= this.#nextScanMs) {
      this.#nextScanMs = nowMs + SCAN_MS;
      this.#flusher.scan();
    }
    this.#flusher.kick();
  }

  #rotateWhenDue(): void {
    const { active, sealed } = this.#spool;
    const full = active.sizeBytes >= SEGMENT_LIMIT_BYTES;
    if (full || (active.rowCount > 0 && sealed.length === 0)) this.#spool.rotate();
  }

  /** A slow disk gets one sync at a time. */
  #syncInBackground(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    const done = this.#spool.sync().finally(() => {
      this.#syncing = false;
    });
    this.#background(done);
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#down) this.#log.error({ err: error }, "The usage spool can't be written to the disk");
    });
  }

  #reportHealth(): void {
    const accepting = this.#accepting();
    if (accepting === this.#wasAccepting) return;
    this.#wasAccepting = accepting;
    const sizes = { spoolSizeBytes: this.stats().spoolSizeBytes, limitBytes: this.#maxSpoolBytes };
    if (accepting) this.#log.warn(sizes, "Usage is recorded again");
    else
      this.#log.error(
        { ...sizes, err: this.#spool.failure },
        "Usage can't be recorded: requests are refused",
      );
  }

  async flush(): Promise<void> {
    this.#spool.rotate();
    if (this.#spool.failure !== null)
      throw new Error("The usage spool can't be written.", { cause: this.#spool.failure });
    await this.#flusher.drain();
  }

  list(filter: UsageFilter, limit = MAX_LIST_ROWS): Promise<UsageRow[]> {
    return this.#store.list(filter, limit);
  }

  summarize(replicaPrefix: string, sinceMs: number): Promise<UsageSummary> {
    return this.#store.summarize(replicaPrefix, sinceMs);
  }

  stats(): UsageStats {
    return {
      inFlight: this.#inFlight.size,
      pendingRows: this.#spool.pendingRows,
      spoolSizeBytes: this.#spool.sizeBytes + this.#flusher.orphanedBytes,
      accepting: this.#accepting(),
    };
  }

  async shutDown(): Promise<void> {
    if (this.#down) return;
    this.#down = true;
    this.#cancelTimer();
    let cancelLimit = (): void => {};
    const limit = new Promise<void>((_, reject) => {
      cancelLimit = this.#clock.after(SHUT_DOWN_LIMIT_MS, () => reject(new Error("out of time")));
    });
    try {
      await Promise.race([this.flush(), limit]);
    } catch (error) {
      this.#log.warn({ err: error }, "Some usage stays in the spool; the next start takes it up");
    }
    cancelLimit();
    this.#flusher.stop();
    const nothingLeft =
      this.#inFlight.size === 0 && this.#spool.pendingRows === 0 && this.#spool.failure === null;
    await this.#spool.end(nothingLeft);
  }
}

import { randomBytes } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { ownIdentity } from "../../platform/process/identity.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { Prices } from "../money/service.ts";
import { Flusher } from "./flusher.ts";
import { costOfUsage, encodeUsage, type UsageEnd, type UsageRow, type UsageSource } from "./record.ts";
import { SEGMENT_LIMIT_BYTES, Spool } from "./spool.ts";
import { type UsageFilter, type UsageSummary, usageStore } from "./store.ts";
import type { ClosedListener, UsageLedger, UsageLedgerOptions, UsageStats } from "./types.ts";

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
export type { ClosedListener, UsageLedger, UsageLedgerOptions, UsageStats } from "./types.ts";

const CHECKPOINT_MS = 100;
const TOUCH_MS = 5_000;
const SCAN_MS = 30_000;
const SHUT_DOWN_LIMIT_MS = 5_000;
const MAX_SPOOL_BYTES = 256 * 1024 * 1024;
const MAX_LIST_ROWS = 1_000_000;

/** Status of a request that was still open when its process died. */
const INTERRUPTED_STATUS = 500;

/** The state of a request in flight that the spool holds. */
interface SpooledState {
  isSpooled: boolean;
  completionTokens: number;
  quantity: number;
}

/** Opens the spool and begins to adopt the spools of dead processes. */
export function createUsageLedger(options: UsageLedgerOptions): UsageLedger {
  return new Ledger(options);
}

class Ledger implements UsageLedger {
  readonly #clock: Clock;
  readonly #log: BasicLog;
  readonly #maxSpoolBytes: number;
  readonly #inFlight = new Map<UsageSource, SpooledState>();
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
        cause: this.#spool.failure ?? new Error("The usage spool is full."),
      });
    }
    this.#inFlight.set(request, { isSpooled: false, completionTokens: 0, quantity: 0 });
  }

  ensureOpened(request: UsageSource, done: () => void): void {
    const state = this.#inFlight.get(request);
    if (state === undefined) done();
    else this.#spool.open(this.#encodeInterrupted(request, state), done);
  }

  close(request: UsageSource, end: UsageEnd, spooled: () => void): void {
    if (!this.#inFlight.delete(request)) {
      spooled();
      return;
    }
    const costMicros = costOfUsage(this.#prices, request);
    this.#spool.close(encodeUsage(request, end, costMicros), spooled);
    for (const listener of this.#closedListeners)
      listener(request.accountId, costMicros, request.startedAtMs);
  }

  onClosed(listener: ClosedListener): void {
    this.#closedListeners.push(listener);
  }

  /** The row that the request leaves if the process dies now. */
  #encodeInterrupted(request: UsageSource, state: SpooledState): string {
    state.isSpooled = true;
    state.completionTokens = request.completionTokens;
    state.quantity = request.quantity;
    const end: UsageEnd = {
      outcome: "interrupted",
      status: INTERRUPTED_STATUS,
      durationMs: this.#clock.now() - request.startedAtMs,
    };
    return encodeUsage(request, end, costOfUsage(this.#prices, request));
  }

  #snapshot(): string {
    let lines = "";
    for (const [request, state] of this.#inFlight) lines += `o${this.#encodeInterrupted(request, state)}\n`;
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

  /** Every 100 ms: writes changed requests to the spool, the spool to the disk and closed rows to the database. */
  #checkpoint(): void {
    for (const [request, state] of this.#inFlight) {
      const isUnchanged =
        state.isSpooled &&
        state.completionTokens === request.completionTokens &&
        state.quantity === request.quantity;
      if (isUnchanged) continue;
      this.#spool.open(this.#encodeInterrupted(request, state), null);
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
    const isFull = active.sizeBytes >= SEGMENT_LIMIT_BYTES;
    if (isFull || (active.rowCount > 0 && sealed.length === 0)) this.#spool.rotate();
  }

  /** Runs one sync at a time, so that they don't pile up on a slow disk. */
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
      if (!this.#down) this.#log.error({ err: error }, "The usage spool can't be synced to the disk");
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
      cancelLimit = this.#clock.after(SHUT_DOWN_LIMIT_MS, () =>
        reject(new Error("The flush took too long.")),
      );
    });
    try {
      await Promise.race([this.flush(), limit]);
    } catch (error) {
      this.#log.warn(
        { err: error },
        "Some usage stays in the spool; the next start writes it to the database",
      );
    }
    cancelLimit();
    this.#flusher.stop();
    const isComplete =
      this.#inFlight.size === 0 && this.#spool.pendingRows === 0 && this.#spool.failure === null;
    await this.#spool.end(isComplete);
  }
}

import type { Clock } from "../../lib/clock.ts";
import type { ProcessIdentity } from "../../platform/process/identity.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import {
  adoptOrphanedSpools,
  type OrphanedSpool,
  readClosedRows,
  replayOrphanedSpool,
} from "./orphaned-spools.ts";
import { closedRows, type Segment } from "./segment.ts";
import type { Spool } from "./spool.ts";
import { isRowFault, type UsageStore } from "./store.ts";

const BATCH_ROWS = 1_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

export interface FlusherOptions {
  spool: Spool;
  store: UsageStore;
  clock: Clock;
  log: BasicLog;
  root: string;
  name: string;
  identity: ProcessIdentity;
}

/** Moves rows from this process's spool and those of dead processes to the database; one run at a time. */
export class Flusher {
  readonly #options: FlusherOptions;
  /** Adopted and not completely replayed yet. */
  #orphanedSpools: OrphanedSpool[] = [];
  #scanDue = true;
  #running: Promise<void> | null = null;
  #retryMs = FIRST_RETRY_MS;
  #notBeforeMs = 0;
  #stopped = false;

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  get orphanedBytes(): number {
    return this.#orphanedSpools.reduce((sum, spool) => sum + spool.sizeBytes, 0);
  }

  /** Makes the next run look for spools of dead processes. */
  scan(): void {
    this.#scanDue = true;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Starts a run in the background, unless one is running or the delay after a failure is not over. */
  kick(): void {
    const { clock, log } = this.#options;
    if (this.#stopped || this.#running !== null || clock.monotonicMs() < this.#notBeforeMs) return;
    this.drain().catch((error: unknown) => {
      if (this.#stopped) return;
      this.#notBeforeMs = clock.monotonicMs() + this.#retryMs;
      log.warn(
        { err: error, retryMs: this.#retryMs },
        "Usage can't be moved to the database; it stays in the spool",
      );
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    });
  }

  /** Settles when all segments that were sealed before the call are in the database. */
  async drain(): Promise<void> {
    await this.#running?.catch(() => {});
    this.#running ??= this.#work().finally(() => {
      this.#running = null;
    });
    await this.#running;
  }

  async #work(): Promise<void> {
    const { spool } = this.#options;
    for (const segment of [...spool.sealed]) {
      await this.#insert(await rowsOf(segment));
      // The next segment repeats the requests that are still open. It has to be on the disk before this one is deleted.
      await spool.sync();
      await spool.drop(segment);
    }
    await this.#replayOrphanedSpools();
    this.#retryMs = FIRST_RETRY_MS;
  }

  async #replayOrphanedSpools(): Promise<void> {
    const { root, name, identity, clock, log } = this.#options;
    if (this.#scanDue) {
      const adopted = await adoptOrphanedSpools({ root, ownName: name, identity, nowMs: clock.now() });
      this.#orphanedSpools.push(...adopted);
      this.#scanDue = false;
    }
    for (const orphan of [...this.#orphanedSpools]) {
      const result = await replayOrphanedSpool(orphan.folder, (rows) => this.#insert(rows));
      this.#orphanedSpools = this.#orphanedSpools.filter((other) => other !== orphan);
      if (result !== null) log.info({ ...result }, "Recovered the usage of a process that died");
    }
  }

  async #insert(rows: readonly string[]): Promise<void> {
    for (let at = 0; at < rows.length; at += BATCH_ROWS)
      await this.#insertBatch(rows.slice(at, at + BATCH_ROWS));
  }

  /** Inserts a batch. If a row is at fault, finds it by bisection and logs it, so that it does not block the others. */
  async #insertBatch(rows: readonly string[]): Promise<void> {
    try {
      await this.#options.store.insert(rows);
    } catch (error) {
      if (!isRowFault(error)) throw error;
      if (rows.length === 1) {
        this.#options.log.error(
          { err: error, row: rows[0] },
          "The database refuses a usage row; the row is recorded only in this log entry",
        );
        return;
      }
      const half = rows.length >> 1;
      await this.#insertBatch(rows.slice(0, half));
      await this.#insertBatch(rows.slice(half));
    }
  }
}

async function rowsOf(segment: Segment): Promise<string[]> {
  if (segment.rowCount === 0) return [];
  return segment.payloads === null ? readClosedRows(segment.path) : closedRows(segment.payloads);
}

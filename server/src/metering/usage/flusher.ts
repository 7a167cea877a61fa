import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { ProcessIdentity } from "../../platform/process/identity.ts";
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

/** Takes rows from spools, ours and those of the dead, to the database. One piece of work at a time. */
export class Flusher {
  readonly #options: FlusherOptions;
  /** Taken over and not finished yet. */
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
    return this.#orphanedSpools.reduce((sum, leftover) => sum + leftover.sizeBytes, 0);
  }

  /** Looks for spools of processes that died since. */
  scan(): void {
    this.#scanDue = true;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Works in the background unless it does already or waits after a failure. */
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

  /** Settles when all that was sealed before the call is in the database. */
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
      // What makes the segment superfluous has to be on the disk before it goes.
      await spool.sync();
      await spool.drop(segment);
    }
    await this.#replayOrphanedSpools();
    this.#retryMs = FIRST_RETRY_MS;
  }

  async #replayOrphanedSpools(): Promise<void> {
    const { root, name, identity, clock, log } = this.#options;
    if (this.#scanDue) {
      this.#orphanedSpools.push(...(await adoptOrphanedSpools(root, name, identity, clock.now())));
      this.#scanDue = false;
    }
    for (const leftover of [...this.#orphanedSpools]) {
      const found = await replayOrphanedSpool(leftover.folder, (rows) => this.#insert(rows));
      this.#orphanedSpools = this.#orphanedSpools.filter((other) => other !== leftover);
      if (found !== null) log.info({ ...found }, "Recovered the usage of a process that died");
    }
  }

  async #insert(rows: readonly string[]): Promise<void> {
    for (let at = 0; at < rows.length; at += BATCH_ROWS)
      await this.#insertBatch(rows.slice(at, at + BATCH_ROWS));
  }

  /** A row that the database refuses must not hold up the others: it is searched for by halves and put in the log. */
  async #insertBatch(rows: readonly string[]): Promise<void> {
    try {
      await this.#options.store.insert(rows);
    } catch (error) {
      if (!isRowFault(error)) throw error;
      if (rows.length === 1) {
        this.#options.log.error(
          { err: error, row: rows[0] },
          "The database refuses a usage row; it is only here",
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

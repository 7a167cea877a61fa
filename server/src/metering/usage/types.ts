import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ProcessIdentity } from "../../platform/process/identity.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { Prices } from "../money/service.ts";
import type { UsageEnd, UsageRow, UsageSource } from "./record.ts";
import type { UsageFilter, UsageSummary } from "./store.ts";

export interface UsageLedgerOptions {
  database: Pick<Database, "sql" | "db">;
  clock: Clock;
  log: BasicLog;
  /** Prices of usage; absent: everything is free. */
  prices?: Prices;
  /** Folder for the spools of all processes that share a data folder; created when absent. */
  folder: string;
  /** Most bytes that may wait for the database before new requests are refused. Default 256 MiB. */
  maxSpoolBytes?: number;
  /** Owner of the spool. Tests set it to act as another process. Default: this process. */
  identity?: ProcessIdentity;
}

export interface UsageStats {
  inFlight: number;
  /** Rows of closed requests that may not be in the database yet. */
  pendingRows: number;
  spoolSizeBytes: number;
  /** False while requests are refused, because the spool is full or the disk refuses writes. */
  accepting: boolean;
}

/** @param startedAtMs decides which month the cost belongs to. */
export type ClosedListener = (accountId: string, costMicros: bigint, startedAtMs: number) => void;

/**
 * Records exactly one row for each request. The row is in the spool, a write-ahead log, before the request is
 * acknowledged, so a `kill -9` loses no acknowledged request. The row's identifier is the table's primary key, so a
 * replay of the spool duplicates none. A power cut may lose the last 100 ms.
 */
export interface UsageLedger {
  /**
   * Marks the request as in flight. Each checkpoint, every 100 ms, writes the usage so far of requests in flight to the
   * spool.
   * @throws AppError UNAVAILABLE when usage can't be recorded, because serving the request would lose its usage.
   */
  open(request: UsageSource): void;
  /**
   * Calls `done` once the request leaves a row even after a `kill -9`. Streams wait for this before they send their
   * first byte.
   */
  ensureOpened(request: UsageSource, done: () => void): void;
  /**
   * Ends the request and reads its fields for the last time. Calls `spooled` at the end of this turn of the event loop,
   * when the row is in the spool; send the response's last bytes from there. Idempotent.
   */
  close(request: UsageSource, end: UsageEnd, spooled: () => void): void;
  /** Calls `listener` with the cost of each request that is closed from now on. It must be quick and must not throw. */
  onClosed(listener: ClosedListener): void;
  /** Settles when every row closed before the call is in the database. Rejects when the database can't take them. */
  flush(): Promise<void>;
  list(filter: UsageFilter, limit?: number): Promise<UsageRow[]>;
  /**
   * Sums over the requests that began at or after `sinceMs` and whose replica's id begins with `replicaPrefix`. Rows
   * that are not flushed yet are missing.
   */
  summarize(replicaPrefix: string, sinceMs: number): Promise<UsageSummary>;
  stats(): UsageStats;
  /**
   * Flushes for at most five seconds; the next start takes over the rest. Call it when no request is in flight any
   * more.
   */
  shutDown(): Promise<void>;
}

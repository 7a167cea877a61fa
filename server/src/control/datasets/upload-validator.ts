import { AppError, type ErrorCode, toAppError } from "../../lib/errors.ts";
import type { Database } from "../../platform/db/database.ts";
import { Reconciler, type WorkItem } from "../../platform/reconcile/reconciler.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import type { Principal } from "../accounts/service.ts";
import { type DatasetsDeps, getAuthorizedDataset, requireSameDataset } from "./access.ts";
import { blobPrefix, newFileId } from "./files.ts";
import { MAX_RUNNING } from "./rows/row-check-pool.ts";
import type { ValidationReport } from "./rows/validator.ts";
import { CHECK_WORK, type DatasetRow } from "./store.ts";
import { checkFiles, moveUploads, planMoves, problemText, removeUnused } from "./upload-files.ts";
import { readyColumns } from "./view.ts";

/** How long a request waits for its check: clients and proxies give up before a large one is done. */
const WAIT_MS = 20_000;
/** How often it looks whether another process has ended the check. */
const POLL_MS = 1_000;
/** Failures of the platform's own after which a check is given up. */
const MAX_FAILURES = 5;
const CHECKING = "The rows are being checked.";

/**
 * Checks uploads, each dataset's once at a time. A check is a row of work: it goes on when nobody waits any more, and
 * begins anew where a process was lost over it.
 */
export class UploadValidator {
  readonly #deps: DatasetsDeps;
  readonly #worker: Reconciler;
  /** Called when a check of this process is over. */
  readonly #waiters = new Set<() => void>();
  #closed = false;

  constructor(context: DatasetsDeps, deps: { database: Pick<Database, "db" | "listen">; log: Log }) {
    this.#deps = context;
    this.#worker = new Reconciler({
      ...{ ...deps, clock: context.clock, kind: CHECK_WORK, concurrency: MAX_RUNNING },
      step: (item) => this.#step(item),
    });
  }

  start(): Promise<void> {
    return this.#worker.start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeWaiters();
    await this.#worker.close();
  }

  /**
   * Has all rows checked and the dataset made READY; nothing happens when it is. Returns when that is done, or after 20
   * seconds: asked again it waits on, and the dataset's status tells the result.
   * @throws AppError BAD_REQUEST with the faults by file and line; FAILED_PRECONDITION while files are missing; ABORTED
   * when files changed meanwhile.
   */
  async validate(principal: Principal, accountId: string, id: string): Promise<void> {
    const { store, blobs, clock } = this.#deps;
    const seen = await getAuthorizedDataset(this.#deps, principal, accountId, id, "write");
    if (seen.state === "READY") return;
    if (Object.keys(seen.files).length === 0) {
      const message = "No file was uploaded: use :upload or :getUploadEndpoint first.";
      throw new AppError("FAILED_PRECONDITION", message);
    }
    if (seen.checkId === null) await planMoves(blobs, seen);
    const checkId = newFileId();
    const begun = { checkId, statusCode: "OK", statusMessage: CHECKING, updateTime: new Date(clock.now()) };
    const row = await store.beginCheck(accountId, id, (current) => {
      requireSameDataset(seen, current);
      return current.checkId === null && current.state !== "READY" ? { ...current, ...begun } : null;
    });
    requireSameDataset(seen, row);
    if (row.checkId !== null) await this.#waitForResult(row, row.checkId);
  }

  /** Waits until the check is over, or long enough. */
  async #waitForResult(seen: DatasetRow, checkId: string): Promise<void> {
    const { store, clock } = this.#deps;
    for (const untilMs = clock.now() + WAIT_MS; clock.now() < untilMs; ) {
      // Before the look: or what happens in between would go unheard.
      const change = this.#nextChange();
      try {
        const row = await store.get(seen.accountId, seen.id);
        requireSameDataset(seen, row);
        if (row.checkId !== checkId) {
          if (row.statusCode === "OK") return;
          throw new AppError(errorCode(row.statusCode), row.statusMessage);
        }
        if (this.#closed) throw new AppError("UNAVAILABLE", "The server is shutting down.");
        await change.happened;
      } finally {
        change.forget();
      }
    }
  }

  #nextChange(): { happened: Promise<void>; forget(): void } {
    let forget = (): void => {};
    const happened = new Promise<void>((resolve) => {
      const cancel = this.#deps.clock.after(POLL_MS, resolve);
      forget = () => {
        cancel();
        this.#waiters.delete(resolve);
      };
      this.#waiters.add(resolve);
    });
    return { happened, forget };
  }

  #wakeWaiters(): void {
    for (const wake of this.#waiters) wake();
  }

  async #step({ key, failures, signal }: WorkItem): Promise<null> {
    const row = await this.#deps.store.getByUid(key);
    if (row === null || row.checkId === null) return null;
    try {
      await this.#check(row, signal);
    } catch (error) {
      signal.throwIfAborted();
      const refusal = toAppError(error);
      if (refusal.status >= 500 && failures < MAX_FAILURES) throw error;
      await this.#end(row, { statusCode: statusCode(refusal.code), statusMessage: refusal.message });
    }
    this.#wakeWaiters();
    return null;
  }

  async #check(seen: DatasetRow, signal: AbortSignal): Promise<void> {
    const { store, blobs, rowCheckPool: checks } = this.#deps;
    const files = await planMoves(blobs, seen);
    const row = await this.#change(seen, { files });
    await moveUploads(blobs, row);
    const report = await checks
      .run((check) => checkFiles(blobs, check, row, signal))
      .catch(async (error: unknown) => {
        // A file that was replaced meanwhile can't be read any more.
        requireUnchanged(row, await store.get(row.accountId, row.id));
        throw error;
      });
    const problem = problemText(report);
    if (problem !== null) throw new AppError("BAD_REQUEST", problem);
    const ready = await this.#change(row, {
      ...readyColumns(report),
      ...{ checkId: null, statusMessage: countNote(row, report) },
    });
    await removeUnused(blobs, ready, blobPrefix(ready));
  }

  async #change(seen: DatasetRow, columns: Partial<DatasetRow>): Promise<DatasetRow> {
    const { store, clock } = this.#deps;
    const changed = await store.change(seen.accountId, seen.id, (row) => {
      requireUnchanged(seen, row);
      return { ...row, ...columns, updateTime: new Date(clock.now()) };
    });
    requireSameDataset(seen, changed);
    return changed;
  }

  /** The check is over without making the dataset READY. */
  async #end(seen: DatasetRow, columns: Partial<DatasetRow>): Promise<void> {
    const { store, clock } = this.#deps;
    await store.change(seen.accountId, seen.id, (row) => {
      if (row.checkId !== seen.checkId) return row;
      return { ...row, ...columns, checkId: null, updateTime: new Date(clock.now()) };
    });
  }
}

/** gRPC's names are ours, but for one. */
function statusCode(code: ErrorCode): string {
  return code === "BAD_REQUEST" ? "INVALID_ARGUMENT" : code;
}

function errorCode(status: string): ErrorCode {
  return status === "INVALID_ARGUMENT" ? "BAD_REQUEST" : (status as ErrorCode);
}

/** @throws AppError ABORTED when somebody else changed the dataset since it was seen; NOT_FOUND when it is gone. */
function requireUnchanged(seen: DatasetRow, row: DatasetRow | null): void {
  requireSameDataset(seen, row);
  if (row.revision === seen.revision) return;
  throw new AppError("ABORTED", "The dataset was changed while it was being checked: check it again.");
}

/** A count that the client gave is corrected, but not in silence. */
function countNote(row: DatasetRow, { exampleCount }: ValidationReport): string {
  if (row.exampleCount === 0 || row.exampleCount === exampleCount) return "";
  return `exampleCount was given as ${row.exampleCount}; the files hold ${exampleCount} examples.`;
}

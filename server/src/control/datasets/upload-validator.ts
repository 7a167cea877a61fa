import { AppError, type ErrorCode, toAppError } from "../../lib/errors.ts";
import type { Database } from "../../platform/db/database.ts";
import { Reconciler, type WorkItem } from "../../platform/reconcile/reconciler.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { getWritableDataset, requireSameDataset } from "./access.ts";
import { checkingColumns, readyColumns } from "./fields.ts";
import { blobPrefix } from "./files.ts";
import { MAX_RUNNING } from "./rows/row-check-pool.ts";
import type { ValidationReport } from "./rows/validator.ts";
import { CHECK_WORK, type DatasetRow } from "./store.ts";
import type { DatasetOperationDeps, DatasetRequest } from "./types.ts";
import { checkFiles, moveUploads, planMoves, problemText, removeUnused } from "./upload-files.ts";

/** How long a request waits for its check. Clients and proxies would give up before a large check ends. */
const WAIT_MS = 20_000;
/** How often a waiting request reads the row, because another process may end the check. */
const POLL_MS = 1_000;
/** A check is retried until it has failed this many times through faults of the platform. */
const MAX_FAILURES = 5;

/**
 * Checks uploads, one check of a dataset at a time. A check is a row of background work: it goes on when no request
 * waits for it any more, and another process starts it again when the process that runs it dies.
 */
export class UploadValidator {
  readonly #deps: DatasetOperationDeps;
  readonly #worker: Reconciler;
  /** Wake the requests that wait. Called whenever a check of this process ends. */
  readonly #waiters = new Set<() => void>();
  #closed = false;

  constructor(deps: DatasetOperationDeps & { database: Pick<Database, "db" | "listen">; log: Log }) {
    this.#deps = deps;
    this.#worker = new Reconciler({
      database: deps.database,
      clock: deps.clock,
      log: deps.log,
      kind: CHECK_WORK,
      concurrency: MAX_RUNNING,
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

  /** As `Datasets.validateUpload`. */
  async validate(request: DatasetRequest): Promise<void> {
    const { store, blobs, clock } = this.#deps;
    const authorized = await getWritableDataset(this.#deps, request);
    if (authorized.state === "READY") return;
    if (Object.keys(authorized.files).length === 0) {
      const message = "No file was uploaded: use :upload or :getUploadEndpoint first.";
      throw new AppError("FAILED_PRECONDITION", message);
    }
    // Throws for missing files now: the check itself would report them only later.
    if (authorized.checkId === null) await planMoves(blobs, authorized);
    const row = await store.changeIf(request.dataset, (current) => {
      requireSameDataset(authorized, current);
      if (current.checkId !== null || current.state === "READY") return null;
      return { ...current, ...checkingColumns(), updateTime: new Date(clock.now()) };
    });
    requireSameDataset(authorized, row);
    if (row.checkId !== null) await this.#waitForResult(row);
  }

  /**
   * Returns when the check ends, or after `WAIT_MS`. Follows a check that a change begins anew.
   * @throws AppError with the error of the check.
   */
  async #waitForResult(before: DatasetRow): Promise<void> {
    const { store, clock } = this.#deps;
    for (const untilMs = clock.now() + WAIT_MS; clock.now() < untilMs; ) {
      // Registers before it reads the row: a check that ends in between would wake nobody.
      const change = this.#nextChange();
      try {
        const row = await store.get(before);
        requireSameDataset(before, row);
        if (row.checkId === null) {
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

  /** `happened` resolves when a check ends in this process, or after `POLL_MS`. `forget` must be called afterwards. */
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
      const failure = toAppError(error);
      if (failure.status >= 500 && failures < MAX_FAILURES) throw error;
      await this.#endCheck(row, { statusCode: statusCode(failure.code), statusMessage: failure.message });
    }
    this.#wakeWaiters();
    return null;
  }

  async #check(before: DatasetRow, signal: AbortSignal): Promise<void> {
    const { store, blobs, rowCheckPool } = this.#deps;
    const files = await planMoves(blobs, before);
    const row = await this.#change(before, { files });
    await moveUploads(blobs, row);
    const report = await rowCheckPool
      .run((check) => checkFiles({ blobs, check, row, signal }))
      .catch(async (error: unknown) => {
        // Replacing a file deletes it, which fails the check: ABORTED then tells the client more than the read error.
        requireUnchanged(row, await store.get(row));
        throw error;
      });
    const problem = problemText(report);
    if (problem !== null) throw new AppError("BAD_REQUEST", problem);
    const ready = await this.#change(row, {
      ...readyColumns(report),
      checkId: null,
      statusMessage: countNote(row, report),
    });
    await removeUnused(blobs, ready, blobPrefix(ready));
  }

  /** @throws AppError ABORTED when the dataset has changed since `before`; NOT_FOUND when it is gone. */
  async #change(before: DatasetRow, columns: Partial<DatasetRow>): Promise<DatasetRow> {
    const { store, clock } = this.#deps;
    const changed = await store.change(before, (row) => {
      requireUnchanged(before, row);
      return { ...row, ...columns, updateTime: new Date(clock.now()) };
    });
    requireSameDataset(before, changed);
    return changed;
  }

  /** Ends a failed check: the dataset stays UPLOADING. */
  async #endCheck(before: DatasetRow, columns: Partial<DatasetRow>): Promise<void> {
    const { store, clock } = this.#deps;
    await store.change(before, (row) => {
      if (row.checkId !== before.checkId) return row;
      return { ...row, ...columns, checkId: null, updateTime: new Date(clock.now()) };
    });
  }
}

/** gRPC's name of an error code: the same, except for BAD_REQUEST. */
function statusCode(code: ErrorCode): string {
  return code === "BAD_REQUEST" ? "INVALID_ARGUMENT" : code;
}

function errorCode(status: string): ErrorCode {
  return status === "INVALID_ARGUMENT" ? "BAD_REQUEST" : (status as ErrorCode);
}

/** @throws AppError ABORTED when the dataset has changed since `before`; NOT_FOUND when it is gone. */
function requireUnchanged(before: DatasetRow, row: DatasetRow | null): void {
  requireSameDataset(before, row);
  if (row.revision === before.revision) return;
  throw new AppError("ABORTED", "The dataset was changed while it was being checked: check it again.");
}

/** Status message that tells the client when its `exampleCount` was wrong and has been corrected. */
function countNote(row: DatasetRow, { exampleCount }: ValidationReport): string {
  if (row.exampleCount === 0 || row.exampleCount === exampleCount) return "";
  return `exampleCount was given as ${row.exampleCount}; the files hold ${exampleCount} examples.`;
}

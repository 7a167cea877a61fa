import { AppError, toAppError } from "../../../lib/errors.ts";
import type { Database } from "../../../platform/db/database.ts";
import { Reconciler, type WorkItem } from "../../../platform/reconcile/reconciler.ts";
import type { Log } from "../../../platform/telemetry/log.ts";
import type { ModelOperationDeps } from "../operation-deps.ts";
import { failureStatus, STATUS_OK } from "../status.ts";
import { FILE_WORK, type FileWork, type ModelRow } from "../store.ts";
import type { UploadValidator } from "./upload-validator.ts";

export interface FileWorkersDeps extends ModelOperationDeps {
  uploadValidator: UploadValidator;
  database: Pick<Database, "db" | "listen">;
  log: Log;
}

/** A conversion to another precision is retried until it has failed this many times. */
const MAX_FAILURES = 5;

/**
 * Background work on model files: conversions to other precisions, imports from S3, removal of deleted models' files.
 */
export class ModelFileWorkers {
  readonly #deps: FileWorkersDeps;
  readonly #workers: Reconciler[];

  constructor(deps: FileWorkersDeps) {
    this.#deps = deps;
    const { database, log } = deps;
    const worker = (work: FileWork, step: (item: WorkItem) => Promise<null>): Reconciler =>
      new Reconciler({
        database,
        clock: deps.clock,
        log,
        kind: FILE_WORK[work],
        concurrency: 2,
        step,
      });
    this.#workers = [
      worker("prepare", (item) => this.#prepare(item)),
      worker("import", (item) => this.#import(item)),
      worker("remove", (item) => this.#remove(item)),
    ];
  }

  async start(): Promise<void> {
    for (const worker of this.#workers) await worker.start();
  }

  /** Does the work that is due now. */
  async tick(): Promise<void> {
    for (const worker of this.#workers) await worker.tick();
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  async #prepare({ key, failures, signal }: WorkItem): Promise<null> {
    const { store, weights } = this.#deps;
    const row = await store.getByUid(key);
    if (row === null || row.preparing === null) return null;
    const precision = row.preparing;
    try {
      await weights.convert(row, precision, { signal, onPhase() {} });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError) && failures < MAX_FAILURES) throw error;
      await this.#change(row, { state: "READY", preparing: null, ...this.#failure(error) });
      return null;
    }
    const precisions = [...new Set([...row.precisions, precision])];
    await this.#change(row, { state: "READY", preparing: null, precisions, ...STATUS_OK });
    return null;
  }

  async #import({ key, signal }: WorkItem): Promise<null> {
    const { store, imports, uploadValidator } = this.#deps;
    const row = await store.getByUid(key);
    if (row === null || row.state !== "UPLOADING") return null;
    try {
      const files = await imports.run(row, signal);
      const imported = await this.#change(row, { files });
      if (imported !== null) await uploadValidator.check(imported);
    } catch (error) {
      signal.throwIfAborted();
      await this.#change(row, this.#failure(error));
    }
    return null;
  }

  async #remove({ key }: WorkItem): Promise<null> {
    const { blobs, weights } = this.#deps;
    await blobs.deletePrefix(`models/${key}/`);
    await weights.remove(key.slice(key.indexOf("/") + 1));
    return null;
  }

  #failure(error: unknown): ReturnType<typeof failureStatus> {
    const failure = toAppError(error);
    if (failure.status >= 500)
      this.#deps.log.warn({ err: failure.cause ?? failure }, "work on a model failed");
    return failureStatus(failure);
  }

  /** Null when the model is gone, also when its id belongs to a new model. */
  async #change(before: ModelRow, columns: Partial<ModelRow>): Promise<ModelRow | null> {
    const { store, clock } = this.#deps;
    const changed = await store.change(before, (row) =>
      row.uid === before.uid ? { ...row, ...columns, updateTime: new Date(clock.now()) } : row,
    );
    return changed?.uid === before.uid ? changed : null;
  }
}

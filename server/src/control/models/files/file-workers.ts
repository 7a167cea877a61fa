import { AppError, toAppError } from "../../../lib/errors.ts";
import type { Database } from "../../../platform/db/database.ts";
import { Reconciler, type WorkItem } from "../../../platform/reconcile/reconciler.ts";
import type { Log } from "../../../platform/telemetry/log.ts";
import { failureStatus, type ModelsDeps, STATUS_OK } from "../access.ts";
import { FILE_WORK, type FileWork, type ModelRow } from "../store.ts";
import type { S3Imports } from "./imports.ts";
import type { UploadValidator } from "./uploads.ts";

export interface FileWorkersDeps {
  modelsDeps: ModelsDeps;
  imports: S3Imports;
  uploadValidator: UploadValidator;
  database: Pick<Database, "db" | "listen">;
  log: Log;
}

/** Failures after which a preparation is given up. */
const MAX_FAILURES = 5;

/** Long work on models' files, which outlives the request that asks for it. */
export class ModelFileWorkers {
  readonly #deps: FileWorkersDeps;
  readonly #workers: Reconciler[];

  constructor(deps: FileWorkersDeps) {
    this.#deps = deps;
    const { database, log } = deps;
    const worker = (work: FileWork, step: (item: WorkItem) => Promise<null>): Reconciler =>
      new Reconciler({
        database,
        clock: deps.modelsDeps.clock,
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

  /** Works off what is due now. */
  async tick(): Promise<void> {
    for (const worker of this.#workers) await worker.tick();
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  async #prepare({ key, failures, signal }: WorkItem): Promise<null> {
    const { store, weights } = this.#deps.modelsDeps;
    const row = await store.getByUid(key);
    if (row === null || row.preparing === null) return null;
    const precision = row.preparing;
    try {
      await weights.convert(row, precision, signal, () => {});
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
    const { modelsDeps: context, imports, uploadValidator: checks } = this.#deps;
    const row = await context.store.getByUid(key);
    if (row === null || row.state !== "UPLOADING") return null;
    try {
      const files = await imports.run(row, signal);
      const imported = await this.#change(row, { files });
      if (imported !== null) await checks.check(imported);
    } catch (error) {
      signal.throwIfAborted();
      await this.#change(row, this.#failure(error));
    }
    return null;
  }

  async #remove({ key }: WorkItem): Promise<null> {
    const { blobs, weights } = this.#deps.modelsDeps;
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

  /** Null when the model is gone. */
  async #change(seen: ModelRow, change: Partial<ModelRow>): Promise<ModelRow | null> {
    const { store, clock } = this.#deps.modelsDeps;
    const next = await store.change(seen.accountId, seen.id, (row) =>
      row.uid === seen.uid ? { ...row, ...change, updateTime: new Date(clock.now()) } : row,
    );
    return next?.uid === seen.uid ? next : null;
  }
}

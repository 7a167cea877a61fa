import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../../lib/errors.ts";
import { fullModelName } from "../../../lib/resource-names.ts";
import { Singleflight } from "../../../lib/singleflight.ts";
import { convertLora, convertToGguf, ModelFileError } from "../../../model-files/service.ts";
import type { Blobs } from "../../../platform/blobs/blobs.ts";
import { requireDiskSpace, toDiskFullError } from "../../../platform/blobs/disk.ts";
import type { CatalogWeights } from "../catalog/schema.ts";
import { readModelName } from "../names.ts";
import type { Precision } from "../schema.ts";
import type { ModelRow } from "../store.ts";
import { filePrefix } from "./declared-files.ts";
import { type WeightType, weightType } from "./precisions.ts";
import { StagingDir } from "./staging-dir.ts";

const BYTES_PER_PARAMETER: Readonly<Record<WeightType, number>> = { F16: 2, Q8_0: 34 / 32 };

export type OnPhase = (message: string) => void;

export interface WeightsDeps {
  blobs: Blobs;
  /** Absolute. Weights in the engine's form, made from uploads; safe to delete. */
  folder: string;
  get(accountId: string, id: string): Promise<ModelRow | null>;
  /** By full name; null when the catalog has no weights for it. */
  catalogWeights(name: string): CatalogWeights | null;
  /** Brings catalog weights to this host. */
  fetchCatalog(weights: CatalogWeights, signal: AbortSignal, onPhase: OnPhase): Promise<string>;
}

/** Brings models' files to this host, in the form the engine runs. What is made is kept, and made once at a time. */
export class ModelWeights {
  readonly #deps: WeightsDeps;
  readonly #conversions = new Singleflight<void>();
  readonly #stagingDir: StagingDir;

  constructor(deps: WeightsDeps) {
    this.#deps = deps;
    this.#stagingDir = new StagingDir(join(deps.folder, "making"));
  }

  /** Removes what killed processes have left unfinished. */
  sweep(nowMs: number): Promise<void> {
    return this.#stagingDir.sweep(nowMs);
  }

  close(): Promise<void> {
    return this.#stagingDir.close();
  }

  /**
   * A base model's or an addon's GGUF file.
   * @param precision as prepared; null: the model's own.
   * @throws AppError FAILED_PRECONDITION when it can't be had.
   */
  async fetch(
    row: ModelRow,
    precision: Precision | null,
    signal: AbortSignal,
    onPhase: OnPhase,
  ): Promise<string> {
    if (precision !== null && !row.precisions.includes(precision)) {
      throw unusable(row, `is not prepared for the precision ${precision}.`);
    }
    if (row.importedFrom !== "") return this.#importedFile(row, signal, onPhase);
    switch (row.facts?.format) {
      case "catalog":
        return this.#catalogFile(row, signal, onPhase);
      case "gguf":
        return this.#uploadedGguf(row, signal, onPhase);
      case "huggingface":
        return this.convert(row, precision ?? "FP16", signal, onPhase);
      case "peft":
        return this.#convertLora(row, signal, onPhase);
      default:
        throw unusable(row, "has no weights here.");
    }
  }

  /** A model as it was uploaded: a folder in Hugging Face's form, or its GGUF file. @throws AppError as `fetch` does. */
  fetchUpload(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const isFolder = row.facts?.format === "huggingface" && row.importedFrom === "";
    return isFolder ? this.uploadedFolder(row, signal, onPhase) : this.fetch(row, null, signal, onPhase);
  }

  /** The weights of an upload in Hugging Face's form, stored for `precision`. */
  async convert(row: ModelRow, precision: Precision, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const type = weightType(precision);
    return this.#convertOnce(row, `${type}.gguf`, signal, onPhase, async (path, shared, report) => {
      const folder = await this.uploadedFolder(row, shared, report);
      await requireDiskSpace(
        this.#deps.folder,
        BYTES_PER_PARAMETER[type] * Number(row.spec.baseModelDetails?.parameterCount ?? 0),
      );
      const onProgress = percents((percent) => report(`Converting the weights to ${type}: ${percent} %`));
      await convertToGguf(folder, path, { type, signal: shared, onProgress });
    });
  }

  /** An upload's files, as a folder of this host. */
  uploadedFolder(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    onPhase("Fetching the uploaded files");
    return this.#deps.blobs.localFolder(filePrefix(row), this.#localFolder(row), signal);
  }

  /** What an addon of this base model is checked against: its folder or its GGUF file. */
  async baseFiles(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const isUpload = row.facts?.format === "huggingface" || row.facts?.format === "gguf";
    if (isUpload && row.importedFrom === "") return this.uploadedFolder(row, signal, onPhase);
    return this.fetch(row, null, signal, onPhase);
  }

  /** Whether there is anything to fetch. */
  has(row: ModelRow): boolean {
    if (row.importedFrom !== "") return this.#deps.catalogWeights(row.importedFrom) !== null;
    if (row.facts?.format === "catalog") return this.#deps.catalogWeights(nameOf(row)) !== null;
    return row.facts !== null && row.facts.format !== "attached";
  }

  /** The model of that name, whoever may see it. */
  findByName(name: string): Promise<ModelRow | null> {
    const { accountId, modelId } = readModelName(name);
    return this.#deps.get(accountId, modelId);
  }

  /** The base model of an addon. @throws AppError FAILED_PRECONDITION when it is gone or not ready. */
  async baseModelOf(row: ModelRow): Promise<ModelRow> {
    const name = row.spec.peftDetails?.baseModel ?? "";
    const base = await this.findByName(name);
    if (base !== null && base.state !== "UPLOADING") return base;
    throw unusable(
      row,
      `needs its base model ${name}, which is ${base === null ? "gone" : "not uploaded yet"}.`,
    );
  }

  /** Forgets what was made of the model's files. */
  async remove(uid: string): Promise<void> {
    await rm(this.#localFolder({ uid }), { recursive: true, force: true });
  }

  /** Everything of one model on this host. */
  #localFolder({ uid }: Pick<ModelRow, "uid">): string {
    return join(this.#deps.folder, uid);
  }

  async #catalogFile(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const weights = this.#deps.catalogWeights(nameOf(row));
    if (weights === null) throw unusable(row, "is in the library without weights: it can't be run here.");
    return this.#fetchFromCatalog(nameOf(row), weights, signal, onPhase);
  }

  async #importedFile(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const weights = this.#deps.catalogWeights(row.importedFrom);
    if (weights === null)
      throw unusable(row, `was imported from ${row.importedFrom}, which the library lacks now.`);
    return this.#fetchFromCatalog(row.importedFrom, weights, signal, onPhase);
  }

  async #fetchFromCatalog(
    name: string,
    weights: CatalogWeights,
    signal: AbortSignal,
    onPhase: OnPhase,
  ): Promise<string> {
    try {
      return await this.#deps.fetchCatalog(weights, signal, onPhase);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      const message = `The weights of ${name} are not on this host and can't be fetched at the moment.`;
      throw new AppError("UNAVAILABLE", message, { cause: error });
    }
  }

  async #uploadedGguf(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const name = Object.keys(row.files).find((file) => file.toLowerCase().endsWith(".gguf"));
    if (name === undefined) throw unusable(row, "has no GGUF file.");
    onPhase("Fetching the uploaded file");
    return this.#deps.blobs.localPath(filePrefix(row) + name, this.#localFolder(row), signal);
  }

  async #convertLora(row: ModelRow, signal: AbortSignal, onPhase: OnPhase): Promise<string> {
    const base = await this.baseModelOf(row);
    return this.#convertOnce(
      row,
      `adapter-${base.uid}.gguf`,
      signal,
      onPhase,
      async (path, shared, report) => {
        const files = await this.baseFiles(base, shared, report);
        const folder = await this.uploadedFolder(row, shared, report);
        report("Converting the adapter");
        await convertLora(folder, files, path, { signal: shared });
      },
    );
  }

  async #convertOnce(
    row: ModelRow,
    file: string,
    signal: AbortSignal,
    onPhase: OnPhase,
    make: (path: string, signal: AbortSignal, report: OnPhase) => Promise<void>,
  ): Promise<string> {
    const path = join(this.#localFolder(row), file);
    await this.#conversions.run(
      path,
      signal,
      async (shared, report) => {
        if (await exists(path)) return;
        try {
          await this.#stagingDir.write(path, (partial) => make(partial, shared, report));
        } catch (error) {
          if (error instanceof ModelFileError) throw unusable(row, `can't be run. ${error.message}`);
          throw toDiskFullError(error);
        }
      },
      onPhase,
    );
    return path;
  }
}

function nameOf({ accountId, id }: ModelRow): string {
  return fullModelName({ accountId, modelId: id });
}

function unusable(row: ModelRow, why: string): AppError {
  return new AppError("FAILED_PRECONDITION", `Model ${nameOf(row)} ${why}`);
}

/** Reports each whole percent once. */
function percents(report: (percent: number) => void): (doneBytes: number, totalBytes: number) => void {
  let last = -1;
  return (doneBytes, totalBytes) => {
    const percent = Math.floor((100 * doneBytes) / Math.max(1, totalBytes));
    if (percent === last) return;
    last = percent;
    report(percent);
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

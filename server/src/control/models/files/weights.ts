import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../../lib/errors.ts";
import { Singleflight } from "../../../lib/singleflight.ts";
import { convertLora, convertToGguf, ModelFileError } from "../../../model-files/service.ts";
import type { Blobs } from "../../../platform/blobs/blobs.ts";
import { requireDiskSpace, toDiskFullError } from "../../../platform/blobs/disk.ts";
import type { CatalogWeights } from "../catalog/schema.ts";
import { type ModelRef, modelName, modelTitle, parseModelRef } from "../names.ts";
import type { Precision } from "../schema.ts";
import type { ModelRow } from "../store.ts";
import { filePrefix } from "./declared-files.ts";
import { type WeightType, weightType } from "./precisions.ts";
import { StagingDir } from "./staging-dir.ts";

const BYTES_PER_PARAMETER: Readonly<Record<WeightType, number>> = { F16: 2, Q8_0: 34 / 32 };

/** Is raised when conversions write other files than before, so that files of before are not used. */
const CONVERSION = 2;

/** Called with a description of each step, worded for clients. */
export type OnPhase = (message: string) => void;

export interface FetchOptions {
  signal: AbortSignal;
  onPhase: OnPhase;
}

export interface WeightsDeps {
  blobs: Blobs;
  /** Absolute path of the folder for converted weights. It is a cache: deleting it is safe. */
  folder: string;
  get(ref: ModelRef): Promise<ModelRow | null>;
  /** @param name full name. @returns null when the catalog has no weights for the model. */
  catalogWeights(name: string): CatalogWeights | null;
  /** Downloads catalog weights to this host and returns the path. */
  fetchCatalog(weights: CatalogWeights, signal: AbortSignal, onPhase: OnPhase): Promise<string>;
}

/**
 * Brings models' weights to this host, in the format the engine runs. Converted files are kept. Singleflight:
 * concurrent calls for the same file share one conversion.
 */
export class ModelWeights {
  readonly #deps: WeightsDeps;
  readonly #conversions = new Singleflight<void>();
  readonly #stagingDir: StagingDir;

  constructor(deps: WeightsDeps) {
    this.#deps = deps;
    this.#stagingDir = new StagingDir(join(deps.folder, "making"));
  }

  /** Removes unfinished files of killed processes. */
  sweep(nowMs: number): Promise<void> {
    return this.#stagingDir.sweep(nowMs);
  }

  close(): Promise<void> {
    return this.#stagingDir.close();
  }

  /**
   * Path of the GGUF file of a base model or an addon.
   * @param precision one that the model is prepared for; null: the precision of the upload
   * @throws AppError FAILED_PRECONDITION when there are no usable weights; UNAVAILABLE when the catalog's can't be
   * fetched.
   */
  async fetch(row: ModelRow, precision: Precision | null, options: FetchOptions): Promise<string> {
    if (precision !== null && !row.precisions.includes(precision)) {
      throw unusable(row, `is not prepared for the precision ${precision}.`);
    }
    if (row.importedFrom !== "") {
      const weights = this.#deps.catalogWeights(row.importedFrom);
      if (weights === null) {
        throw unusable(row, `was imported from ${row.importedFrom}, which the library lacks now.`);
      }
      return this.#fetchFromCatalog(row.importedFrom, weights, options);
    }
    switch (row.facts?.format) {
      case "catalog": {
        const weights = this.#deps.catalogWeights(modelName(row));
        if (weights === null) throw unusable(row, "is in the library without weights: it can't be run here.");
        return this.#fetchFromCatalog(modelName(row), weights, options);
      }
      case "gguf":
        return this.#uploadedGguf(row, options);
      case "huggingface":
        return this.convert(row, precision ?? "FP16", options);
      case "peft":
        return this.#convertLora(row, options);
      default:
        throw unusable(row, "has no weights here.");
    }
  }

  /** The upload itself: a folder in the Hugging Face format, or a GGUF file. @throws AppError as `fetch` does. */
  fetchUpload(row: ModelRow, options: FetchOptions): Promise<string> {
    const isFolder = row.facts?.format === "huggingface" && row.importedFrom === "";
    return isFolder ? this.uploadedFolder(row, options) : this.fetch(row, null, options);
  }

  /** Converts an upload in the Hugging Face format to a GGUF file of the precision, and returns its path. */
  async convert(row: ModelRow, precision: Precision, options: FetchOptions): Promise<string> {
    const type = weightType(precision);
    return this.#convertOnce(
      { row, fileName: `${type}-${CONVERSION}.gguf` },
      options,
      async (path, { signal, onPhase }) => {
        const folder = await this.uploadedFolder(row, { signal, onPhase });
        await requireDiskSpace(
          this.#deps.folder,
          BYTES_PER_PARAMETER[type] * Number(row.spec.baseModelDetails?.parameterCount ?? 0),
        );
        const onProgress = percents((percent) =>
          onPhase(`The weights are being converted to ${type}: ${percent} % so far.`),
        );
        await convertToGguf(folder, path, { type, signal, onProgress });
      },
    );
  }

  /** Copies an upload's files into a folder of this host. */
  async uploadedFolder(row: ModelRow, { signal, onPhase }: FetchOptions): Promise<string> {
    onPhase("The uploaded files are being fetched.");
    await this.#assertStored(row);
    return this.#deps.blobs.localFolder(filePrefix(row), this.#localFolder(row), signal);
  }

  /** The files of a base model that its addons are checked against: a folder or a GGUF file. */
  async baseFiles(row: ModelRow, options: FetchOptions): Promise<string> {
    const isUpload = row.facts?.format === "huggingface" || row.facts?.format === "gguf";
    if (isUpload && row.importedFrom === "") return this.uploadedFolder(row, options);
    return this.fetch(row, null, options);
  }

  /** Whether the model has weights that `fetch` can bring to this host. */
  has(row: ModelRow): boolean {
    if (row.importedFrom !== "") return this.#deps.catalogWeights(row.importedFrom) !== null;
    if (row.facts?.format === "catalog") return this.#deps.catalogWeights(modelName(row)) !== null;
    return row.facts !== null && row.facts.format !== "attached";
  }

  /**
   * Finds a model without checking who may see it.
   * @param name full or short.
   * @throws AppError NOT_FOUND for other text.
   */
  findByName(name: string): Promise<ModelRow | null> {
    return this.#deps.get(parseModelRef(name));
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

  /** Deletes the model's converted files from this host. */
  async remove(uid: string): Promise<void> {
    await rm(this.#localFolder({ uid }), { recursive: true, force: true });
  }

  /** Holds all files of one model on this host. */
  #localFolder({ uid }: Pick<ModelRow, "uid">): string {
    return join(this.#deps.folder, uid);
  }

  async #fetchFromCatalog(
    name: string,
    weights: CatalogWeights,
    { signal, onPhase }: FetchOptions,
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

  async #uploadedGguf(row: ModelRow, { signal, onPhase }: FetchOptions): Promise<string> {
    const name = Object.keys(row.files).find((file) => file.toLowerCase().endsWith(".gguf"));
    if (name === undefined) throw unusable(row, "has no GGUF file.");
    onPhase("The uploaded file is being fetched.");
    await this.#assertStored(row);
    return this.#deps.blobs.localPath(filePrefix(row) + name, this.#localFolder(row), signal);
  }

  /** @throws AppError FAILED_PRECONDITION naming the model and a file that was uploaded and is lost. */
  async #assertStored(row: ModelRow): Promise<void> {
    const prefix = filePrefix(row);
    const stored = new Set((await this.#deps.blobs.list(prefix)).map(({ key }) => key));
    const lost = Object.keys(row.files).find((file) => !stored.has(prefix + file));
    if (lost === undefined) return;
    throw unusable(row, `can't be run: its uploaded file ${lost} is missing in the file store.`);
  }

  async #convertLora(row: ModelRow, options: FetchOptions): Promise<string> {
    const base = await this.baseModelOf(row);
    // The name holds the base model's uid: a new base model of the same name needs another conversion.
    return this.#convertOnce(
      { row, fileName: `adapter-${base.uid}.gguf` },
      options,
      async (path, { signal, onPhase }) => {
        const files = await this.baseFiles(base, { signal, onPhase });
        const folder = await this.uploadedFolder(row, { signal, onPhase });
        onPhase("The LoRA is being converted.");
        await convertLora({ folder, base: files, outFile: path }, { signal });
      },
    );
  }

  /** @param convert writes the file. Its signal aborts only when no caller waits any more. */
  async #convertOnce(
    { row, fileName }: { row: ModelRow; fileName: string },
    options: FetchOptions,
    convert: (path: string, options: FetchOptions) => Promise<void>,
  ): Promise<string> {
    const path = join(this.#localFolder(row), fileName);
    await this.#conversions.run(
      path,
      options.signal,
      async (signal, onPhase) => {
        if (await exists(path)) return;
        try {
          await this.#stagingDir.write(path, (partial) => convert(partial, { signal, onPhase }));
        } catch (error) {
          if (error instanceof ModelFileError) throw unusable(row, `can't be run. ${error.message}`);
          throw toDiskFullError(error);
        }
      },
      options.onPhase,
    );
    return path;
  }
}

function unusable(row: ModelRow, why: string): AppError {
  return new AppError("FAILED_PRECONDITION", `${modelTitle(row)} ${why}`);
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

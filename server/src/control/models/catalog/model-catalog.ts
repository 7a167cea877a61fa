import { AppError } from "../../../lib/errors.ts";
import { fullModelName, parseModelName, shortModelName } from "../../../lib/resource-names.ts";
import { loadCatalog } from "./load-catalog.ts";
import type { AttachedModel, CatalogModel, ModelEntry } from "./schema.ts";

export interface ModelCatalogOptions {
  catalogDir: string;
  /** Other names of models, exact and case-sensitive: `gpt-4o` → a full or short model name. An alias comes before a model of the same name. */
  aliases?: Readonly<Record<string, string>>;
  /** Answers for every catalog model that is not served here. Absent: none does. */
  fallbackModel?: string | undefined;
  /** Models of attached engines. One with the name of a catalog model takes its place. */
  attachedModels?: readonly AttachedModel[];
}

export interface ResolvedModel {
  /** The model that answers. */
  model: CatalogModel | AttachedModel;
  /** The name as the client wrote it. */
  requestedName: string;
  /** `model` stands in for a catalog model that is not served here. */
  fallbackUsed: boolean;
}

export interface ModelCatalog {
  /**
   * The model that answers a request for `name`: full or short model name or alias.
   * @throws AppError NOT_FOUND with param `model`.
   */
  resolve(name: string): ResolvedModel;
  /** The callable models, by name. */
  list(): ModelEntry[];
  /** One callable model; the fallback never answers here. @throws AppError NOT_FOUND with param `model`. */
  get(name: string): ModelEntry;
  /** The models of the catalog that the platform itself has to run. */
  serverless(): readonly CatalogModel[];
}

interface CatalogEntry {
  model: CatalogModel | AttachedModel;
  isServed: boolean;
}

/** @throws Error with one line that names the file or setting when the catalog, an alias or the fallback can't be used. */
export function createModelCatalog(options: ModelCatalogOptions): ModelCatalog {
  const catalog = loadCatalog(options.catalogDir);
  const attached = options.attachedModels ?? [];
  const entries = new Map<string, CatalogEntry>();
  for (const model of catalog) addModel(entries, { model, isServed: model.serverless });
  for (const model of attached) addModel(entries, { model, isServed: true });
  const served = [...new Set(entries.values())].filter((entry) => entry.isServed);
  const fallback = findFallback(entries, options.fallbackModel);
  addAliases(entries, options.aliases ?? {});

  return {
    resolve(name) {
      const entry = lookUp(entries, name);
      if (entry.isServed) return { model: entry.model, requestedName: name, fallbackUsed: false };
      if (fallback !== null) return { model: fallback, requestedName: name, fallbackUsed: true };
      throw notServed(entry.model.name);
    },
    list: () => served.map((entry) => toModelEntry(entry.model)).sort((a, b) => (a.id < b.id ? -1 : 1)),
    get(name) {
      const entry = lookUp(entries, name);
      if (!entry.isServed) throw notServed(entry.model.name);
      return toModelEntry(entry.model);
    },
    serverless: () =>
      catalog.filter((model) => model.serverless && !attached.some((other) => other.name === model.name)),
  };
}

function addModel(entries: Map<string, CatalogEntry>, entry: CatalogEntry): void {
  const name = parseModelName(entry.model.name);
  if (name === null || fullModelName(name) !== entry.model.name) {
    throw new Error(`${printable(entry.model.name)} is not named accounts/{account}/models/{model}.`);
  }
  entries.set(fullModelName(name), entry);
  entries.set(shortModelName(name), entry);
}

function findFallback(
  entries: Map<string, CatalogEntry>,
  name: string | undefined,
): CatalogEntry["model"] | null {
  if (name === undefined) return null;
  const entry = entries.get(name);
  if (entry?.isServed) return entry.model;
  const problem = entry === undefined ? "is not a model of the catalog" : "is not served here";
  throw new Error(`HEARTH_FALLBACK_MODEL: ${printable(name)} ${problem}.`);
}

/** An alias stands for a model, never for another alias. */
function addAliases(entries: Map<string, CatalogEntry>, aliases: Readonly<Record<string, string>>): void {
  const found = Object.entries(aliases).map(([alias, target]) => {
    const entry = entries.get(target);
    if (entry !== undefined) return [alias, entry] as const;
    throw new Error(
      `HEARTH_MODEL_ALIASES: ${printable(alias)} stands for ${printable(target)}, which is no known model.`,
    );
  });
  for (const [alias, entry] of found) entries.set(alias, entry);
}

function lookUp(entries: Map<string, CatalogEntry>, name: string): CatalogEntry {
  const entry = entries.get(name);
  if (entry !== undefined) return entry;
  throw new AppError("NOT_FOUND", `Model not found: ${printable(name)}`, { param: "model" });
}

function notServed(name: string): AppError {
  const message =
    `Model ${name} is in the library but not served here: ` +
    "set HEARTH_FALLBACK_MODEL to let another model answer for it, or attach an engine that serves it.";
  return new AppError("NOT_FOUND", message, { param: "model" });
}

const MAX_ECHO_LENGTH = 100;

/** A name as it may stand in a message: without control, format and unpaired characters, and never long. */
function printable(name: string): string {
  const clean = name
    .slice(0, MAX_ECHO_LENGTH)
    .toWellFormed()
    .replaceAll(/\p{C}|\p{Zl}|\p{Zp}/gu, "\ufffd");
  return name.length > MAX_ECHO_LENGTH ? `${clean}…` : clean;
}

function toModelEntry(model: CatalogModel | AttachedModel): ModelEntry {
  return {
    id: model.name,
    object: "model",
    created: model.createTime === undefined ? 0 : Date.parse(model.createTime) / 1000,
    owned_by: parseModelName(model.name)!.accountId,
    ...(model.kind === undefined ? {} : { kind: model.kind }),
    supports_chat: model.supportsChat,
    supports_image_input: model.supportsImageInput,
    supports_tools: model.supportsTools,
    context_length: model.contextLength ?? null,
  };
}

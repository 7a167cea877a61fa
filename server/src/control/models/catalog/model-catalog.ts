import { AppError } from "../../../lib/errors.ts";
import { fullModelName, parseModelName, shortModelName } from "../../../lib/resource-names.ts";
import { loadCatalog } from "./load-catalog.ts";
import type { AttachedModel, CatalogModel, ModelEntry } from "./schema.ts";

export interface ModelCatalogOptions {
  catalogDir: string;
  /**
   * Further names of models, matched exactly: `gpt-4o` → a full or short model name. An alias wins over a model of the
   * same name.
   */
  aliases?: Readonly<Record<string, string>>;
  /**
   * The model that answers requests for catalog models that are not served here: a served one, or one that a user has
   * deployed. Absent: such requests are refused.
   */
  fallbackModel?: string | undefined;
  /** Whether what the fallback doesn't support is dropped from requests and not refused. Default: true. */
  isFallbackLenient?: boolean;
  /** Models of attached engines. An attached model replaces a catalog model of the same name. */
  attachedModels?: readonly AttachedModel[];
}

export interface ResolvedModel {
  /** The model that answers. */
  model: Pick<CatalogModel, "name" | "parameterCount">;
  /** The name that the client sent. */
  requestedName: string;
  /** `model` is the fallback, because the requested catalog model is not served here. */
  fallbackUsed: boolean;
}

/**
 * Resolves the model name of an inference request, in memory: library, attached models, aliases, fallback. It does not
 * know the models that users created; `ModelsService` has those.
 */
export interface ModelCatalog {
  /** See `ModelCatalogOptions`. */
  readonly isFallbackLenient: boolean;
  /**
   * The model that answers a request for `name`, which is a full or short model name or an alias.
   * @throws AppError NOT_FOUND with param `model`.
   */
  resolve(name: string): ResolvedModel;
  /** The models that clients can call, sorted by name. */
  list(): ModelEntry[];
  /**
   * A model that clients can call. The fallback does not stand in for other models here.
   * @throws AppError NOT_FOUND with param `model`.
   */
  get(name: string): ModelEntry;
  /** The models of the catalog that the platform itself has to run. */
  serverless(): readonly CatalogModel[];
}

interface CatalogEntry {
  model: CatalogModel | AttachedModel;
  isServed: boolean;
}

/**
 * @throws Error when the catalog, an alias or the fallback is invalid; its message is one line that names the file or
 * setting.
 */
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
    isFallbackLenient: options.isFallbackLenient ?? true,
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

const LIBRARY_ACCOUNT = "fireworks";

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
): ResolvedModel["model"] | null {
  if (name === undefined) return null;
  const entry = entries.get(name);
  if (entry?.isServed) return entry.model;
  const parsed = parseModelName(name);
  // A model of a user's may be deployed at any time, and only orchestration knows it.
  if (entry === undefined && parsed !== null && parsed.accountId !== LIBRARY_ACCOUNT) {
    return { name: fullModelName(parsed) };
  }
  const problem = entry === undefined ? "is not a model of the catalog" : "is not served here";
  throw new Error(`HEARTH_FALLBACK_MODEL: ${printable(name)} ${problem}.`);
}

/** Looks up all targets before adding any alias, so that an alias can't refer to another alias. */
function addAliases(entries: Map<string, CatalogEntry>, aliases: Readonly<Record<string, string>>): void {
  const resolved = Object.entries(aliases).map(([alias, target]) => {
    const entry = entries.get(target);
    if (entry !== undefined) return [alias, entry] as const;
    throw new Error(
      `HEARTH_MODEL_ALIASES: ${printable(alias)} stands for ${printable(target)}, which is no known model.`,
    );
  });
  for (const [alias, entry] of resolved) entries.set(alias, entry);
}

function lookUp(entries: Map<string, CatalogEntry>, name: string): CatalogEntry {
  const entry = entries.get(name);
  if (entry !== undefined) return entry;
  throw modelNotFound(name);
}

/**
 * The error of a model that can't be called. Clients recognise it by the first words, so the name stands at the end.
 * @param reason what the caller may do about it
 */
export function modelNotFound(name: string, reason = ""): AppError {
  const message = `Model not found, inaccessible, and/or not deployed: ${printable(name)}`;
  return new AppError("NOT_FOUND", reason === "" ? message : `${message} ${reason}`, { param: "model" });
}

function notServed(name: string): AppError {
  return modelNotFound(
    name,
    "is in the library but not served here: " +
      "set HEARTH_FALLBACK_MODEL to let another model answer for it, or attach an engine that serves it.",
  );
}

const MAX_ECHO_LENGTH = 100;

/** Makes a name safe for a message: cut short, with control, format and unpaired surrogate characters replaced. */
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

import { AppError } from "../../lib/errors.ts";
import { fullModelName } from "../../lib/resource-names.ts";
import type { Principal } from "../accounts/service.ts";
import { getVisibleModelByName, type ModelsDeps } from "./access.ts";
import type { CatalogModel } from "./catalog/schema.ts";
import { modelTitle } from "./names.ts";
import { PRECISIONS, type Precision } from "./schema.ts";
import type { ModelRow } from "./store.ts";

/** What the rest of the platform wants to know of a model. */
export interface ModelInfo {
  /** Full name. */
  name: string;
  /** Another one means other files, even when the name is the same. */
  uid: string;
  kind: "base" | "addon" | "other";
  /** Full name of an addon's base model. */
  baseModel: string | null;
  displayName: string;
  isPublic: boolean;
  state: ModelRow["state"];
  /** Addons may be loaded on it. */
  supportsLora: boolean;
  /** Tokens of prompt and output together. */
  contextLength: number | null;
  /** The architecture's name; empty when unknown. */
  modelType: string;
  parameterCount: bigint | null;
  /** What it can be deployed in. */
  precisions: readonly Precision[];
  defaultDraftModel: string | null;
  defaultDraftTokenCount: number | null;
  supportsChat: boolean;
  supportsImageInput: boolean;
  supportsTools: boolean;
  /** Jinja; null: the one in the files, if any. */
  chatTemplate: string | null;
  /** RFC 3339. */
  createTime: string;
  /** The kind of engine that runs it. */
  engine: string;
}

export interface DeployableModel extends ModelInfo {
  kind: "base" | "addon";
  /**
   * Brings the model's file in the engine's form (GGUF; of addons the adapter's) to this host. It is made once and kept.
   * @param options.precision one of `precisions`; absent: the model's own.
   * @param options.asUploaded instead as it was uploaded: a folder in Hugging Face's form, or a GGUF file.
   * @param options.onPhase hears what is being done, in words for clients.
   * @throws AppError with a public message; the signal's reason.
   */
  fetch(options: {
    precision?: string;
    asUploaded?: boolean;
    signal: AbortSignal;
    onPhase(message: string): void;
  }): Promise<string>;
}

const DEFAULT_ENGINE = "llama-cpp";

export type FindCatalogModel = (name: string) => CatalogModel | undefined;

/** @throws AppError NOT_FOUND for what the principal may not see. */
export async function getModelInfo(
  context: ModelsDeps,
  catalogOf: FindCatalogModel,
  principal: Principal,
  name: string,
): Promise<ModelInfo> {
  return modelInfoOf(context, catalogOf, await getVisibleModelByName(context, principal, name));
}

/** @throws AppError NOT_FOUND; FAILED_PRECONDITION for what can't be run here or not yet. */
export async function getDeployableModel(
  context: ModelsDeps,
  catalogOf: FindCatalogModel,
  principal: Principal,
  name: string,
): Promise<DeployableModel> {
  const row = await getVisibleModelByName(context, principal, name);
  const description = await modelInfoOf(context, catalogOf, row);
  const { kind } = description;
  const fail = (why: string): AppError =>
    new AppError("FAILED_PRECONDITION", `${modelTitle(row.accountId, row.id)} ${why}`);
  if (kind === "other") throw fail(`is of the kind ${row.kind}, which can't be run here.`);
  if (row.state === "UPLOADING") throw fail("is not READY: upload its files and validate the upload.");
  if (row.facts?.format === "attached") throw fail("runs on a server of somebody else's.");
  if (!context.weights.has(row)) throw fail("is in the library without weights: it can't be run here.");
  return {
    ...description,
    kind,
    fetch: ({ precision, asUploaded = false, signal, onPhase }) =>
      asUploaded
        ? context.weights.fetchUpload(row, signal, onPhase)
        : context.weights.fetch(
            row,
            precision === undefined ? null : precisionOf(precision, fail),
            signal,
            onPhase,
          ),
  };
}

function precisionOf(text: string, fail: (why: string) => AppError): Precision {
  const precision = PRECISIONS.find((name) => name === text);
  if (precision === undefined) throw fail("does not have this precision.");
  return precision;
}

async function modelInfoOf(
  context: ModelsDeps,
  catalogOf: FindCatalogModel,
  row: ModelRow,
): Promise<ModelInfo> {
  const { spec } = row;
  const name = fullModelName({ accountId: row.accountId, modelId: row.id });
  const baseModel = spec.peftDetails?.baseModel || null;
  const details = spec.baseModelDetails ?? {};
  return {
    name,
    uid: row.uid,
    kind: kindOf(row),
    baseModel,
    displayName: row.displayName,
    isPublic: row.public,
    state: row.state,
    supportsLora: spec.supportsLora ?? false,
    contextLength: spec.contextLength || null,
    modelType: details.modelType || spec.peftDetails?.baseModelType || "",
    parameterCount: Number(details.parameterCount ?? 0) > 0 ? BigInt(details.parameterCount!) : null,
    precisions: row.precisions,
    defaultDraftModel: spec.defaultDraftModel || null,
    defaultDraftTokenCount: spec.defaultDraftTokenCount || null,
    // An addon without words of its own talks as its base model does.
    supportsChat: spec.conversationConfig !== undefined || (await baseSupportsChat(context, baseModel)),
    supportsImageInput: spec.supportsImageInput ?? false,
    supportsTools: spec.supportsTools ?? false,
    chatTemplate: spec.conversationConfig?.template || null,
    createTime: row.createTime.toISOString(),
    engine: catalogOf(row.importedFrom || name)?.engine ?? DEFAULT_ENGINE,
  };
}

function kindOf({ kind, facts }: ModelRow): ModelInfo["kind"] {
  if (kind === "HF_PEFT_ADDON") return "addon";
  return kind === "HF_BASE_MODEL" || facts?.format === "attached" ? "base" : "other";
}

async function baseSupportsChat({ weights }: ModelsDeps, baseModel: string | null): Promise<boolean> {
  if (baseModel === null) return false;
  const base = await weights.findByName(baseModel);
  return base?.spec.conversationConfig !== undefined;
}

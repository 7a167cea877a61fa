import { AppError } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";
import { getVisibleModelByName } from "./access.ts";
import type { ModelWeights } from "./files/weights.ts";
import { modelName, modelTitle } from "./names.ts";
import type { ModelOperationDeps } from "./operation-deps.ts";
import { PRECISIONS } from "./schema.ts";
import type { ModelRow } from "./store.ts";
import type { DeployableModel, ModelInfo } from "./types.ts";

const DEFAULT_ENGINE = "llama-cpp";

type Deps = Pick<ModelOperationDeps, "store" | "weights" | "catalog">;

/** @throws AppError NOT_FOUND for a model that the principal may not see. */
export async function getModelInfo(deps: Deps, principal: Principal, name: string): Promise<ModelInfo> {
  return modelInfoOf(deps, await getVisibleModelByName(deps, principal, name));
}

/** @throws AppError NOT_FOUND; FAILED_PRECONDITION for a model that can't run here, or can't yet. */
export async function getDeployableModel(
  deps: Deps,
  principal: Principal,
  name: string,
): Promise<DeployableModel> {
  const row = await getVisibleModelByName(deps, principal, name);
  const info = await modelInfoOf(deps, row);
  const { kind } = info;
  const fail = (why: string): AppError => new AppError("FAILED_PRECONDITION", `${modelTitle(row)} ${why}`);
  if (kind === "other") throw fail(`is of the kind ${row.kind}, which can't be run here.`);
  if (row.state === "UPLOADING") throw fail("is not READY: upload its files and validate the upload.");
  if (row.facts?.format === "attached") throw fail("runs on an attached server, not on this platform.");
  if (!deps.weights.has(row)) throw fail("is in the library without weights: it can't be run here.");
  return {
    ...info,
    kind,
    async fetch({ precision, asUploaded = false, signal, onPhase }) {
      if (asUploaded) return deps.weights.fetchUpload(row, { signal, onPhase });
      if (precision === undefined) return deps.weights.fetch(row, null, { signal, onPhase });
      const known = PRECISIONS.find((value) => value === precision);
      if (known === undefined) throw fail("does not have this precision.");
      return deps.weights.fetch(row, known, { signal, onPhase });
    },
  };
}

async function modelInfoOf({ catalog, weights }: Deps, row: ModelRow): Promise<ModelInfo> {
  const { spec } = row;
  const name = modelName(row);
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
    // An addon without a chat template uses its base model's.
    supportsChat: spec.conversationConfig !== undefined || (await supportsChat(weights, baseModel)),
    supportsImageInput: spec.supportsImageInput ?? false,
    supportsTools: spec.supportsTools ?? false,
    chatTemplate: spec.conversationConfig?.template || null,
    createTime: row.createTime.toISOString(),
    engine: catalog.get(row.importedFrom || name)?.engine ?? DEFAULT_ENGINE,
  };
}

function kindOf({ kind, facts }: ModelRow): ModelInfo["kind"] {
  if (kind === "HF_PEFT_ADDON") return "addon";
  return kind === "HF_BASE_MODEL" || facts?.format === "attached" ? "base" : "other";
}

async function supportsChat(weights: ModelWeights, baseModel: string | null): Promise<boolean> {
  if (baseModel === null) return false;
  const base = await weights.findByName(baseModel);
  return base?.spec.conversationConfig !== undefined;
}

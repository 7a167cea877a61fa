import type { WeightsFormat } from "../../engine/engine.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { fullModelName, parseModelName } from "../../lib/resource-names.ts";
import type { Principal } from "../accounts/service.ts";
import type { DeployableModel } from "../models/service.ts";
import type { DeploymentBody } from "./schema.ts";

export interface ModelSource {
  /** @throws AppError NOT_FOUND, also for models the principal may not see; FAILED_PRECONDITION for a model that is not ready. */
  deployable(principal: Principal, name: string): Promise<DeployableModel>;
}

export type SizeCheck = (size: {
  parameterCount: string;
  precision: string | undefined;
  acceleratorType: string | undefined;
  acceleratorCount: number | undefined;
}) => void;

/** @param acceleratorType null: the host's processors. */
export type WeightsFormatFor = (acceleratorType: string | null) => WeightsFormat;

/** The requested model, and the model whose weights are loaded: the addon's base model, else the same. */
export interface ChosenModel {
  model: DeployableModel;
  served: DeployableModel;
}

/** Reads a full or short model name, or the id of a model of the account. @throws AppError BAD_REQUEST naming `field`. */
export function modelNameOf(field: string, text: string | undefined, accountId: string): string {
  if (text === undefined || text === "") throw badRequest(field, `${field} is required.`);
  const name = parseModelName(text.includes("/") ? text : `${accountId}/${text}`);
  if (name !== null) return fullModelName(name);
  throw badRequest(field, `${field} must be a model name such as accounts/${accountId}/models/my-model.`);
}

/** @throws AppError as `ModelSource` does, naming `field`. */
export async function chooseModel(
  models: ModelSource,
  principal: Principal,
  field: string,
  name: string,
): Promise<ChosenModel> {
  const model = await find(models, principal, field, name);
  if (model.kind === "base") return { model, served: model };
  if (model.baseModel === null) {
    throw new AppError("FAILED_PRECONDITION", `${name} does not say which model it is an addon to.`, {
      param: field,
    });
  }
  return { model, served: await find(models, principal, field, model.baseModel) };
}

async function find(
  models: ModelSource,
  principal: Principal,
  field: string,
  name: string,
): Promise<DeployableModel> {
  try {
    return await models.deployable(principal, name);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, error.message, { param: field, cause: error.cause });
  }
}

/** Fireworks' documentation recommends 4. */
const DEFAULT_DRAFT_TOKENS = 4;

/** Adds the model's default draft model, unless the client sets its own or disables speculation. */
export function withModelDefaults(
  body: DeploymentBody,
  { served }: ChosenModel,
  disableSpeculation: boolean,
): DeploymentBody {
  const { draftModel, draftTokenCount, ngramSpeculationLength } = body;
  const isChosen = draftModel || ngramSpeculationLength || draftTokenCount !== undefined;
  if (disableSpeculation || isChosen || !served.defaultDraftModel) return body;
  const draftTokens = served.defaultDraftTokenCount ?? DEFAULT_DRAFT_TOKENS;
  return { ...body, draftModel: served.defaultDraftModel, draftTokenCount: draftTokens };
}

/** @throws AppError BAD_REQUEST or FAILED_PRECONDITION naming the field that the model does not support. */
export function checkAgainstModel(body: DeploymentBody, chosen: ChosenModel, checkSize: SizeCheck): void {
  const { model, served } = chosen;
  for (const field of ["enableAddons", "enableHotReloadLatestAddon"] as const) {
    if (!body[field]) continue;
    if (model.kind === "addon") {
      const way = "deploy its base model, then load it there";
      throw badRequest(field, `${field} does not go with the deployment of a LoRA addon: ${way}.`);
    }
    if (!served.supportsLora)
      throw badRequest(field, `${field}: ${served.name} does not support LoRA addons.`);
  }
  if (body.enableAddons && body.enableHotReloadLatestAddon) {
    throw badRequest(
      "enableHotReloadLatestAddon",
      "Set enableAddons or enableHotReloadLatestAddon, not both.",
    );
  }
  const { precision = "PRECISION_UNSPECIFIED", maxContextLength = 0 } = body;
  if (precision !== "PRECISION_UNSPECIFIED" && !served.precisions.includes(precision)) {
    const message = `${served.name} is not prepared for ${precision}; there is ${served.precisions.join(", ") || "none"}.`;
    throw new AppError("FAILED_PRECONDITION", message, { param: "precision" });
  }
  if (served.contextLength !== null && maxContextLength > served.contextLength) {
    const message = `maxContextLength must not be above the model's own ${served.contextLength}.`;
    throw badRequest("maxContextLength", message);
  }
  const { acceleratorType, acceleratorCount } = body;
  if (!body.disableDeploymentSizeValidation) {
    checkSize({
      parameterCount: String(served.parameterCount ?? 0),
      precision: body.precision,
      acceleratorType,
      acceleratorCount,
    });
  }
}

/** Fields that only the embedded engine supports. */
const EMBEDDED_ENGINE_FIELDS = [
  "enableAddons",
  "enableHotReloadLatestAddon",
  "draftModel",
  "ngramSpeculationLength",
  "draftTokenCount",
  "maxContextLength",
] as const;

/** @throws AppError BAD_REQUEST naming the field that the engine of the replicas does not support. */
export function checkAgainstWeightsFormat(
  body: DeploymentBody,
  { model }: ChosenModel,
  format: WeightsFormat,
): void {
  if (format === "embedded") return;
  const refuse = (field: string): never => {
    const why = "on these accelerators a program of the platform's settings runs the replicas, without it";
    throw badRequest(field, `${field} is not supported here: ${why}.`);
  };
  if (model.kind === "addon") refuse("baseModel");
  for (const field of EMBEDDED_ENGINE_FIELDS) if (body[field]) refuse(field);
  if (body.autoTune?.longPrompt) refuse("autoTune.longPrompt");
  const isPrecise = (body.precision ?? "PRECISION_UNSPECIFIED") !== "PRECISION_UNSPECIFIED";
  if (format === "upload" && isPrecise) refuse("precision");
}

import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { fullModelName, parseModelName } from "../../lib/resource-names.ts";
import type { Principal } from "../accounts/service.ts";
import type { ModelInfo } from "../models/service.ts";
import type { ShapeFields, ShapeSpec } from "./schema.ts";
import { checkDeploymentSize } from "./size-check.ts";

const MAX_DESCRIPTION_CHARS = 999;

/** The properties of a model that shapes are checked against. */
export type ShapeModel = Pick<
  ModelInfo,
  "kind" | "baseModel" | "supportsLora" | "contextLength" | "modelType" | "parameterCount"
>;

export interface ShapeModels {
  /** @throws AppError NOT_FOUND for a model that doesn't exist or that the principal may not see. */
  describe(principal: Principal, name: string): Promise<ShapeModel>;
}

/** @throws AppError NOT_FOUND; BAD_REQUEST naming the field when `name` is not a full model name. */
export async function findModel(
  models: ShapeModels,
  principal: Principal,
  field: string,
  name: string,
): Promise<ShapeModel> {
  const parsed = parseModelName(name);
  if (parsed === null || fullModelName(parsed) !== name) {
    throw badRequest(field, `${field} must be a model's name, accounts/{account}/models/{model}.`);
  }
  return models.describe(principal, name);
}

/**
 * Checks a shape against its model.
 * @returns the spec to store.
 * @throws AppError BAD_REQUEST naming the field, NOT_FOUND for a model that the principal may not see.
 */
export async function checkShape(
  models: ShapeModels,
  principal: Principal,
  fields: ShapeFields,
): Promise<ShapeSpec> {
  checkDisplayName("displayName", fields.displayName ?? "");
  checkText("description", fields.description ?? "", MAX_DESCRIPTION_CHARS);
  checkSpeculation(fields);
  if (!fields.baseModel) throw badRequest("baseModel", "baseModel is required.");
  const model = await findModel(models, principal, "baseModel", fields.baseModel);
  if (model.kind !== "base") throw badRequest("baseModel", "baseModel must be a base model.");
  if (fields.draftModel) await findModel(models, principal, "draftModel", fields.draftModel);
  if (fields.enableAddons && !model.supportsLora) {
    throw badRequest("enableAddons", "The base model takes no addons.");
  }
  const longest = model.contextLength ?? Number.POSITIVE_INFINITY;
  if ((fields.maxContextLength ?? 0) > longest) {
    throw badRequest("maxContextLength", `maxContextLength is above the model's ${longest} tokens.`);
  }
  const parameterCount = String(model.parameterCount ?? 0);
  if (!fields.disableDeploymentSizeValidation) checkDeploymentSize({ ...fields, parameterCount });
  return { ...fields, baseModel: fields.baseModel, modelType: model.modelType, parameterCount };
}

function checkSpeculation(fields: ShapeFields): void {
  const { draftModel, ngramSpeculationLength, draftTokenCount, disableSpeculativeDecoding } = fields;
  if (draftModel && ngramSpeculationLength) {
    throw badRequest("ngramSpeculationLength", "Set draftModel or ngramSpeculationLength, not both.");
  }
  const chosen = draftModel ? "draftModel" : ngramSpeculationLength ? "ngramSpeculationLength" : null;
  if (chosen !== null && disableSpeculativeDecoding) {
    throw badRequest("disableSpeculativeDecoding", `disableSpeculativeDecoding contradicts ${chosen}.`);
  }
  if (chosen !== null && draftTokenCount === undefined) {
    throw badRequest("draftTokenCount", `draftTokenCount is required with ${chosen}.`);
  }
  if (chosen === null && draftTokenCount) {
    throw badRequest("draftTokenCount", "draftTokenCount needs draftModel or ngramSpeculationLength.");
  }
}

/** The fields of a stored shape that clients have written. */
export function toShapeFields({ modelType, parameterCount, ...fields }: ShapeSpec): ShapeFields {
  return fields;
}

export function notValidated(what: string): AppError {
  return new AppError(
    "FAILED_PRECONDITION",
    `${what} is not validated; skipShapeValidation takes it anyway.`,
  );
}

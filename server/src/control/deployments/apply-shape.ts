import { badRequest } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";
import type { ShapePreset } from "../deployment-shapes/service.ts";
import type { DeploymentBody } from "./schema.ts";

/** The deployment field that each field of a shape sets. */
const FIELDS: Readonly<Record<string, keyof DeploymentBody>> = {
  acceleratorCount: "acceleratorCount",
  acceleratorType: "acceleratorType",
  precision: "precision",
  enableAddons: "enableAddons",
  draftTokenCount: "draftTokenCount",
  draftModel: "draftModel",
  ngramSpeculationLength: "ngramSpeculationLength",
  enableSessionAffinity: "enableSessionAffinity",
  numLoraDeviceCached: "numPeftDeviceCached",
  maxContextLength: "maxContextLength",
  disableDeploymentSizeValidation: "disableDeploymentSizeValidation",
};

export interface ShapeSource {
  /** The version that a name stands for, and the fields that it sets. @throws AppError BAD_REQUEST, NOT_FOUND, FAILED_PRECONDITION. */
  resolve(
    principal: Principal,
    name: string,
    skipValidation: boolean,
  ): Promise<{ version: string; preset: ShapePreset }>;
}

export interface ShapedDeployment {
  body: DeploymentBody;
  disableSpeculation: boolean;
}

/**
 * The deployment with the fields of its shape.
 * @param explicitFields fields that the client sets now; their values must not differ from the shape's.
 * @throws AppError BAD_REQUEST naming the field.
 */
export async function applyShape(
  shapes: ShapeSource,
  principal: Principal,
  body: DeploymentBody,
  explicitFields: ReadonlySet<string>,
  skipValidation: boolean,
): Promise<ShapedDeployment> {
  if (!body.deploymentShape) return { body, disableSpeculation: false };
  const { version, preset } = await shapes.resolve(principal, body.deploymentShape, skipValidation);
  const shaped: DeploymentBody = { ...body, deploymentShape: version };
  for (const [name, value] of Object.entries(preset)) {
    const field = FIELDS[name];
    if (field === undefined || value === undefined) continue;
    if (explicitFields.has(field) && body[field] !== value) {
      throw badRequest(field, `${field}: the deployment shape sets it to ${String(value)}.`);
    }
    Object.assign(shaped, { [field]: value });
  }
  if (preset.baseModel !== body.baseModel) {
    throw badRequest("deploymentShape", `The deployment shape is for ${preset.baseModel}.`);
  }
  return { body: shaped, disableSpeculation: preset.disableSpeculativeDecoding === true };
}

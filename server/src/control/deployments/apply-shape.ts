import { badRequest } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";
import type { ShapePreset } from "../deployment-shapes/service.ts";
import type { DeploymentBody } from "./schema.ts";

/** Fields a shape may set, as deployments call them. */
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
  /** The version a name stands for, and the fields it sets. @throws AppError BAD_REQUEST, NOT_FOUND, FAILED_PRECONDITION. */
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
 * The deployment with what its shape sets.
 * @param given fields the client sets now: these may not say something else than the shape.
 * @throws AppError BAD_REQUEST naming the field.
 */
export async function applyShape(
  shapes: ShapeSource,
  principal: Principal,
  body: DeploymentBody,
  given: ReadonlySet<string>,
  skipValidation: boolean,
): Promise<ShapedDeployment> {
  if (!body.deploymentShape) return { body, disableSpeculation: false };
  const { version, preset } = await shapes.resolve(principal, body.deploymentShape, skipValidation);
  const shaped: DeploymentBody = { ...body, deploymentShape: version };
  for (const [name, value] of Object.entries(preset)) {
    const field = FIELDS[name];
    if (field === undefined || value === undefined) continue;
    if (given.has(field) && body[field] !== value) {
      throw badRequest(field, `${field}: the deployment shape sets it to ${String(value)}.`);
    }
    Object.assign(shaped, { [field]: value });
  }
  if (preset.baseModel !== body.baseModel) {
    throw badRequest("deploymentShape", `The deployment shape is for ${preset.baseModel}.`);
  }
  return { body: shaped, disableSpeculation: preset.disableSpeculativeDecoding === true };
}

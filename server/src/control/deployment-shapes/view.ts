import { shapeName, versionName } from "./names.ts";
import type { Shape, ShapeSpec, ShapeVersion } from "./schema.ts";
import type { ShapeRow } from "./store.ts";
import type { VersionRow } from "./version-store.ts";

export function toShape(
  row: Pick<ShapeRow, "accountId" | "id" | "createTime" | "updateTime">,
  spec: ShapeSpec,
): Shape {
  return {
    name: shapeName(row.accountId, row.id),
    displayName: spec.displayName ?? "",
    description: spec.description ?? "",
    createTime: row.createTime.toISOString(),
    updateTime: row.updateTime.toISOString(),
    baseModel: spec.baseModel,
    modelType: spec.modelType,
    parameterCount: spec.parameterCount,
    acceleratorCount: spec.acceleratorCount ?? 0,
    acceleratorType: spec.acceleratorType ?? "ACCELERATOR_TYPE_UNSPECIFIED",
    precision: spec.precision ?? "PRECISION_UNSPECIFIED",
    disableDeploymentSizeValidation: spec.disableDeploymentSizeValidation ?? false,
    enableAddons: spec.enableAddons ?? false,
    draftTokenCount: spec.draftTokenCount ?? 0,
    draftModel: spec.draftModel ?? "",
    ngramSpeculationLength: spec.ngramSpeculationLength ?? 0,
    disableSpeculativeDecoding: spec.disableSpeculativeDecoding ?? false,
    enableSessionAffinity: spec.enableSessionAffinity ?? false,
    numLoraDeviceCached: spec.numLoraDeviceCached ?? 0,
    maxContextLength: spec.maxContextLength ?? 0,
    presetType: spec.presetType ?? "PRESET_TYPE_UNSPECIFIED",
  };
}

export function toVersion(row: VersionRow): ShapeVersion {
  const { accountId, shapeId: id, createTime } = row;
  return {
    name: versionName(accountId, id, row.version),
    createTime: createTime.toISOString(),
    snapshot: toShape({ accountId, id, createTime, updateTime: createTime }, row.spec),
    validated: row.validated,
    public: row.public,
    latestValidated: row.latestValidated,
  };
}

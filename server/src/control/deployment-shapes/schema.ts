import { type Static, Type } from "typebox";
import { ListQuerySchema } from "../../platform/db/listing.ts";
import { PRECISIONS } from "../models/service.ts";

const readOnly = { readOnly: true } as const;
const text = Type.Optional(Type.String());
const count = Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }));
const flag = Type.Optional(Type.Boolean());
const outputText = Type.Optional(Type.String(readOnly));

export const ACCELERATOR_TYPES = [
  "ACCELERATOR_TYPE_UNSPECIFIED",
  "NVIDIA_A100_80GB",
  "NVIDIA_H100_80GB",
  "AMD_MI300X_192GB",
  "NVIDIA_A10G_24GB",
  "NVIDIA_A100_40GB",
  "NVIDIA_L4_24GB",
  "NVIDIA_H200_141GB",
  "NVIDIA_B200_180GB",
  "AMD_MI325X_256GB",
  "AMD_MI350X_288GB",
  "NVIDIA_B300_288GB",
] as const;
export const PRESET_TYPES = [
  "PRESET_TYPE_UNSPECIFIED",
  "MINIMAL",
  "FAST",
  "THROUGHPUT",
  "FULL_PRECISION",
  "AGENTIC_CODING",
  "CHAT",
  "SUMMARIZATION",
] as const;

/** Fields that a deployment copies from its shape. */
const preset = {
  baseModel: text,
  acceleratorCount: Type.Optional(Type.Integer({ minimum: 0, maximum: 64 })),
  acceleratorType: Type.Optional(Type.Enum(ACCELERATOR_TYPES)),
  precision: Type.Optional(Type.Enum(PRECISIONS)),
  disableDeploymentSizeValidation: flag,
  enableAddons: flag,
  draftTokenCount: count,
  draftModel: text,
  ngramSpeculationLength: count,
  disableSpeculativeDecoding: flag,
  enableSessionAffinity: flag,
  numLoraDeviceCached: count,
  maxContextLength: count,
  presetType: Type.Optional(Type.Enum(PRESET_TYPES)),
};
const writable = { displayName: text, description: text, ...preset };

/** Fields that clients may write. */
export const ShapeFields = Type.Object(writable);
export type ShapeFields = Static<typeof ShapeFields>;

export const ShapeBody = Type.Object({
  ...writable,
  name: outputText,
  createTime: outputText,
  updateTime: outputText,
  modelType: outputText,
  parameterCount: outputText,
});
export type ShapeBody = Static<typeof ShapeBody>;

const Preset = Type.Object(preset);
/** The fields that the shape sets. */
export type ShapePreset = Omit<Static<typeof Preset>, "baseModel"> & { baseModel: string };
export const PRESET_FIELDS = Object.keys(preset) as (keyof ShapePreset)[];

/** The stored shape: the written fields, and properties of the model. */
export type ShapeSpec = ShapeFields & { baseModel: string; modelType: string; parameterCount: string };

export const VersionBody = Type.Object({
  name: outputText,
  createTime: outputText,
  snapshot: Type.Optional(Type.Object(ShapeBody.properties, readOnly)),
  validated: flag,
  public: flag,
  latestValidated: Type.Optional(Type.Boolean(readOnly)),
});
export type VersionBody = Static<typeof VersionBody>;

export const CreateShapeQuery = Type.Object({ deploymentShapeId: text });
export const GetShapeQuery = Type.Object({ skipShapeValidation: flag });
export const ListShapesQuery = Type.Object({ ...ListQuerySchema.properties, targetModel: text });
export type ListShapesQuery = Static<typeof ListShapesQuery>;
export const UpdateShapeQuery = Type.Object({ fromLatestValidated: flag, updateMask: text });
export type UpdateShapeQuery = Static<typeof UpdateShapeQuery>;
export const UpdateVersionQuery = Type.Object({ updateMask: text });

/** A shape as clients see it. */
export type Shape = Required<ShapeBody>;

export interface ShapeVersion {
  /** `accounts/{account}/deploymentShapes/{shape}/versions/{version}`. */
  name: string;
  createTime: string;
  snapshot: Shape;
  validated: boolean;
  public: boolean;
  latestValidated: boolean;
}

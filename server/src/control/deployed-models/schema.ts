import { type Static, Type } from "typebox";
import { ListQuerySchema } from "../../platform/db/listing.ts";

const readOnly = { readOnly: true } as const;
const text = Type.Optional(Type.String());
const flag = Type.Optional(Type.Boolean());
const outputText = Type.Optional(Type.String(readOnly));

export const STATES = ["UNDEPLOYING", "DEPLOYING", "DEPLOYED", "UPDATING"] as const;

export const DeployedModelBody = Type.Object({
  name: outputText,
  displayName: text,
  description: text,
  createTime: outputText,
  model: text,
  deployment: text,
  default: flag,
  state: outputText,
  serverless: flag,
  status: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() }, readOnly)),
  public: flag,
  updateTime: outputText,
  createdBy: outputText,
});
export type DeployedModelBody = Static<typeof DeployedModelBody>;

export const ListQuery = Type.Object({ ...ListQuerySchema.properties });
export type ListQuery = Static<typeof ListQuery>;
export const CreateQuery = Type.Object({ replaceMergedAddon: flag });
export type CreateQuery = Static<typeof CreateQuery>;
export const UpdateQuery = Type.Object({ updateMask: text });
export type UpdateQuery = Static<typeof UpdateQuery>;

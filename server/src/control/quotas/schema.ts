import { type Static, Type } from "typebox";

const readOnly = { readOnly: true } as const;
const int64 = { format: "int64", pattern: "^-?\\d{1,19}$" } as const;

export const QuotaBody = Type.Object({
  name: Type.Optional(Type.String(readOnly)),
  value: Type.Optional(Type.String(int64)),
  maxValue: Type.Optional(Type.String(int64)),
  usage: Type.Optional(Type.Number(readOnly)),
  updateTime: Type.Optional(Type.String(readOnly)),
});
export type QuotaBody = Static<typeof QuotaBody>;

export const UpdateQuotaQuery = Type.Object({
  allowMissing: Type.Optional(Type.Boolean()),
  updateMask: Type.Optional(Type.String()),
});
export type UpdateQuotaQuery = Static<typeof UpdateQuotaQuery>;

/** A quota in API responses. */
export interface Quota {
  /** `accounts/{account}/quotas/{quota}`. */
  name: string;
  /** The limit in force, at most `maxValue`; int64. */
  value: string;
  maxValue: string;
  /** Absent: usage of this quota is not measured. */
  usage?: number;
  updateTime: string;
}

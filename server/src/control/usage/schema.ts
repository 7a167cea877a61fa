import { type Static, Type } from "typebox";
import { GROUPINGS } from "../../metering/usage/service.ts";

const groupBy = Type.Array(Type.Enum([...GROUPINGS]), { maxItems: GROUPINGS.length });

const range = {
  /** A full hour, RFC 3339. Default: the beginning of this month, UTC. */
  startTime: Type.Optional(Type.String()),
  /** A full hour, RFC 3339; exclusive. Default: the end of this hour. */
  endTime: Type.Optional(Type.String()),
  groupBy: Type.Optional(groupBy),
  filter: Type.Optional(Type.String()),
  /** Report on all accounts instead of this one; for the operator only. */
  allAccounts: Type.Optional(Type.Boolean()),
};

export const ExportQuery = Type.Object(range);
export type ExportQuery = Static<typeof ExportQuery>;

export const UsageQuery = Type.Object({
  ...range,
  pageSize: Type.Optional(Type.Integer()),
  pageToken: Type.Optional(Type.String()),
});
export type UsageQuery = Static<typeof UsageQuery>;

/** Numbers are strings, so that clients don't round them. */
const figures = {
  requests: Type.String(),
  promptTokens: Type.String(),
  cachedPromptTokens: Type.String(),
  generatedTokens: Type.String(),
  audioSeconds: Type.String(),
  images: Type.String(),
  acceleratorSeconds: Type.String(),
  cpuSeconds: Type.String(),
  trainingTokens: Type.String(),
  /** US dollars. */
  cost: Type.String(),
};
export const UsageFigures = Type.Object(figures);
export type UsageFigures = Static<typeof UsageFigures>;

/** Figures of a group, with the values of its dimensions. */
export const Usage = Type.Object({
  ...Object.fromEntries(GROUPINGS.map((name) => [name, Type.Optional(Type.String())])),
  ...figures,
});
export type Usage = Static<typeof Usage>;

export interface UsagePage {
  usage: Usage[];
  /** Total over the whole range, not only this page. */
  total: UsageFigures;
  startTime: string;
  endTime: string;
  nextPageToken: string;
  /** Number of groups. */
  totalSize: number;
}

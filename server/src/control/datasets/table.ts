import {
  bigint,
  doublePrecision,
  index,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

export const DATASET_STATES = ["UPLOADING", "READY"] as const;
export const DATASET_FORMATS = ["FORMAT_UNSPECIFIED", "CHAT", "COMPLETION", "RL"] as const;

/** A file of a dataset. Where it lies follows from the identifiers, never from its name. */
export interface DatasetFile {
  sizeBytes: number;
  /** Where a signed URL takes it; null when it came otherwise. */
  uploadId: string | null;
  /** Where it lies out of reach of any URL; null until it is there. */
  blobId: string | null;
}

/** Where the rows come from: one field of the resource, by its wire name. */
export type DatasetOrigin =
  | { userUploaded: object }
  | { evalProtocol: object }
  | { evaluationResult: { evaluationJobId: string } }
  | {
      transformed: {
        sourceDatasetId: string;
        filter: string;
        originalFormat: (typeof DATASET_FORMATS)[number];
      };
    }
  | { splitted: { sourceDatasetId: string } };

export const datasets = pgTable(
  "datasets",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Never used again, unlike the id: the files lie under it. */
    uid: text().notNull().unique(),
    displayName: text("display_name").notNull(),
    state: text({ enum: DATASET_STATES }).notNull(),
    format: text({ enum: DATASET_FORMATS }).notNull(),
    exampleCount: bigint("example_count", { mode: "number" }).notNull(),
    estimatedTokenCount: bigint("estimated_token_count", { mode: "number" }).notNull(),
    averageTurnCount: doublePrecision("average_turn_count").notNull(),
    sourceJobName: text("source_job_name").notNull(),
    origin: jsonb().$type<DatasetOrigin>().notNull(),
    /** The dataset that this one was made of. */
    sourceUid: text("source_uid"),
    statusCode: text("status_code").notNull(),
    statusMessage: text("status_message").notNull(),
    files: jsonb().$type<Record<string, DatasetFile>>().notNull(),
    /** The check of its rows that waits or runs; null when none does. */
    checkId: text("check_id"),
    /** A user's id. */
    createdBy: text("created_by").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
    /** Counts the changes. */
    revision: bigint({ mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("datasets_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);

/** Files without a dataset: it was deleted, or is still being made. They go once nobody can write them any more. */
export const datasetRemains = pgTable(
  "dataset_remains",
  {
    uid: text().primaryKey(),
    accountId: text("account_id").notNull(),
    /** When the dataset was deleted, or begun. */
    since: timestamp({ withTimezone: true }).notNull(),
  },
  (t) => [index("dataset_remains_since_index").on(t.since)],
);

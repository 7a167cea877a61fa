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

/** A file of a dataset. Its key in the store is made of ids, never of its name. */
export interface DatasetFile {
  sizeBytes: number;
  /** Id of the upload by signed URL; null when the file came in another way. */
  uploadId: string | null;
  /** Id of the stored file, which no signed URL writes to; null until the upload has been moved there. */
  blobId: string | null;
}

/** How the rows came to be: one of the resource's origin fields. */
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
    /** Identifies the dataset's files. Unlike the id, it is never reused after the dataset is deleted. */
    uid: text().notNull().unique(),
    displayName: text("display_name").notNull(),
    state: text({ enum: DATASET_STATES }).notNull(),
    format: text({ enum: DATASET_FORMATS }).notNull(),
    exampleCount: bigint("example_count", { mode: "number" }).notNull(),
    estimatedTokenCount: bigint("estimated_token_count", { mode: "number" }).notNull(),
    averageTurnCount: doublePrecision("average_turn_count").notNull(),
    sourceJobName: text("source_job_name").notNull(),
    origin: jsonb().$type<DatasetOrigin>().notNull(),
    /** Uid of the dataset that this one was derived from; null for none. */
    sourceUid: text("source_uid"),
    statusCode: text("status_code").notNull(),
    statusMessage: text("status_message").notNull(),
    files: jsonb().$type<Record<string, DatasetFile>>().notNull(),
    /** Id of the check of the rows that waits or runs; null for none. */
    checkId: text("check_id"),
    /** Id of the user who created the dataset. */
    createdBy: text("created_by").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
    /** Grows by 1 with each change. */
    revision: bigint({ mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("datasets_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);

/**
 * Garbage: datasets whose files will be removed. They were deleted, or they are new and not inserted yet; an insert
 * removes them from here.
 */
export const datasetGarbage = pgTable(
  "dataset_remains",
  {
    uid: text().primaryKey(),
    accountId: text("account_id").notNull(),
    /** When the dataset was deleted, or when writing its files began. */
    since: timestamp({ withTimezone: true }).notNull(),
  },
  (t) => [index("dataset_remains_since_index").on(t.since)],
);

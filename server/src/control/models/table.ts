import { bigint, boolean, index, jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { Model, ModelSpec, Precision } from "./schema.ts";
import { MODEL_KINDS, MODEL_STATES } from "./schema.ts";

/** Facts from a model's files or from its catalog entry. Clients can't change them. */
export interface ModelFacts {
  /** The format of the upload. `catalog` and `attached` models have no uploaded files. */
  format: "huggingface" | "gguf" | "peft" | "catalog" | "attached";
  /** Longest context that the files allow, in tokens; null when they don't say. */
  contextLength: number | null;
  /** LoRA addons can be loaded on the model. */
  supportsLora: boolean;
  /** Fine-tuning can start from the files. */
  tunable: boolean;
  /** The platform itself runs a deployment of the model. */
  serverless: boolean;
}

export const models = pgTable(
  "models",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Identifies the model's files. Unlike the id, it is never reused after the model is deleted. */
    uid: text().notNull().unique(),
    displayName: text("display_name").notNull(),
    kind: text({ enum: MODEL_KINDS }).notNull(),
    state: text({ enum: MODEL_STATES }).notNull(),
    public: boolean().notNull(),
    /** Fields that the client set, and fields that were filled in from the files because the client left them open. */
    spec: jsonb().$type<ModelSpec>().notNull(),
    /** Null until the files have been checked. */
    facts: jsonb().$type<ModelFacts>(),
    /** Sizes of the declared files, in bytes, by file name. */
    files: jsonb().$type<Record<string, number>>().notNull(),
    precisions: jsonb().$type<Precision[]>().notNull(),
    /** The precision being prepared while the state is PREPARING. */
    preparing: text().$type<Precision>(),
    /** Full name of the library model whose weights the model runs with; empty when it has weights of its own. */
    importedFrom: text("imported_from").notNull(),
    statusCode: text("status_code").notNull(),
    statusMessage: text("status_message").notNull(),
    /** Digest of the entry in the catalog or the settings that the row copies; null for models that users created. */
    catalogDigest: text("catalog_digest"),
    /** Id of the user who created the model; empty for library models. */
    createdBy: text("created_by").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
    /** Grows by 1 with each change. */
    revision: bigint({ mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("models_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);

/** Snapshots of models. */
export const modelVersions = pgTable(
  "model_versions",
  {
    modelUid: text("model_uid")
      .notNull()
      .references(() => models.uid, { onDelete: "cascade", onUpdate: "cascade" }),
    id: text().notNull(),
    snapshot: jsonb().$type<Model>().notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.modelUid, t.id] })],
);

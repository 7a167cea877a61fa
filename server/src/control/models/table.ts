import { bigint, boolean, index, jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { Model, ModelSpec, Precision } from "./schema.ts";
import { MODEL_KINDS, MODEL_STATES } from "./schema.ts";

/** What was found out from a model's files, or is in the catalog. */
export interface ModelFacts {
  /** Whose files they are: `catalog` and `attached` models have none in the store. */
  format: "huggingface" | "gguf" | "peft" | "catalog" | "attached";
  /** Tokens that the files allow; null when they don't say. */
  contextLength: number | null;
  /** Addons can be converted for it. */
  supportsLora: boolean;
  /** Fine-tuning can be done. */
  tunable: boolean;
  /** The platform itself runs a deployment of it. */
  serverless: boolean;
}

export const models = pgTable(
  "models",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Never used again, unlike the id: files lie under it. */
    uid: text().notNull().unique(),
    displayName: text("display_name").notNull(),
    kind: text({ enum: MODEL_KINDS }).notNull(),
    state: text({ enum: MODEL_STATES }).notNull(),
    public: boolean().notNull(),
    /** What clients give, and what was filled in from the files where they gave nothing. */
    spec: jsonb().$type<ModelSpec>().notNull(),
    /** Null until the files were checked. */
    facts: jsonb().$type<ModelFacts>(),
    /** Declared files by name, with their sizes in bytes. */
    files: jsonb().$type<Record<string, number>>().notNull(),
    precisions: jsonb().$type<Precision[]>().notNull(),
    /** The precision being prepared while the state is PREPARING. */
    preparing: text().$type<Precision>(),
    /** Full name of the library model whose weights these are; empty when it has its own. */
    importedFrom: text("imported_from").notNull(),
    statusCode: text("status_code").notNull(),
    statusMessage: text("status_message").notNull(),
    /** Of the catalog's or the settings' entry that the row shows; null for everybody else's models. */
    catalogDigest: text("catalog_digest"),
    /** A user's id; empty for the library's. */
    createdBy: text("created_by").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
    /** Counts the changes. */
    revision: bigint({ mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("models_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);

/** How a model looked at a moment. */
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

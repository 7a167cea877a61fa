import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from "drizzle-orm/pg-core";

const time = (name: string) => timestamp(name, { withTimezone: true });

/** A model that requests may name, on the deployment that serves it: the deployment's base model or a LoRA addon. */
export const deployedModels = pgTable(
  "deployed_models",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Full name. */
    model: text().notNull(),
    /** Full name of the model whose weights are loaded: the addon's base model, else the same. */
    servedModel: text("served_model").notNull(),
    /** Full name; for a serverless model, that of the platform's deployment. */
    deployment: text().notNull(),
    serverless: boolean().notNull(),
    /** Whether it is a LoRA addon to the deployment's weights. */
    isAddon: boolean("is_addon").notNull(),
    /** Whether the addon applies to every request of the deployment, as if it were part of the model's weights. */
    isMerged: boolean("is_merged").notNull(),
    /** Whether it serves requests that name the model without a deployment. One for each account and model. */
    isDefault: boolean("is_default").notNull(),
    isPublic: boolean("is_public").notNull(),
    /** Whether the deployment is deleted and may still be undeleted. */
    isHidden: boolean("is_hidden").notNull(),
    state: text({ enum: ["UNDEPLOYING", "DEPLOYING", "DEPLOYED", "UPDATING"] }).notNull(),
    /** Empty while there is no problem. */
    statusCode: text("status_code").notNull(),
    statusMessage: text("status_message").notNull(),
    displayName: text("display_name").notNull(),
    description: text().notNull(),
    createdBy: text("created_by").notNull(),
    createTime: time("create_time").notNull(),
    updateTime: time("update_time").notNull(),
    /** Last request, or creation; at most a minute late. */
    lastUsedTime: time("last_used_time").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("deployed_models_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
    index("deployed_models_model_index").on(t.model),
    uniqueIndex("deployed_models_deployment_index").on(t.deployment, t.model, t.accountId),
    uniqueIndex("deployed_models_default_index").on(t.accountId, t.model).where(sql`${t.isDefault}`),
    check(
      "deployed_models_state_check",
      sql`${t.state} in ('UNDEPLOYING', 'DEPLOYING', 'DEPLOYED', 'UPDATING')`,
    ),
  ],
);

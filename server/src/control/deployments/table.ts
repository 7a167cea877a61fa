import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import type { DirectRouteKey, ObservedStatus, StoredSpec } from "./schema.ts";

const time = (name: string) => timestamp(name, { withTimezone: true });

export const deployments = pgTable(
  "deployments",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    state: text({ enum: ["CREATING", "READY", "UPDATING", "FAILED", "DELETING", "DELETED"] }).notNull(),
    /** The problem of the deployment; empty while there is none. */
    statusCode: text("status_code").notNull(),
    statusMessage: text("status_message").notNull(),
    /** Full name of the requested model; the addon's when a LoRA addon is deployed by itself. */
    baseModel: text("base_model").notNull(),
    /** Full name of the model whose weights the replicas load: the addon's base model, else the same. */
    servedModel: text("served_model").notNull(),
    createdBy: text("created_by").notNull(),
    createTime: time("create_time").notNull(),
    updateTime: time("update_time").notNull(),
    deleteTime: time("delete_time"),
    /** When the row is deleted for good. In the past during a hard deletion. */
    purgeTime: time("purge_time"),
    /** Last request, or creation; at most a minute late. */
    lastUsedTime: time("last_used_time").notNull(),
    /** The number that `:scale` has set; null: the autoscaler decides. */
    fixedReplicas: integer("fixed_replicas"),
    /** The fields that clients have set. */
    spec: jsonb().$type<StoredSpec>().notNull(),
    directRouteKeys: jsonb("direct_route_keys").$type<DirectRouteKey[]>().notNull(),
    /** The deployment's state in the fleet, as the reconciler observed it last. */
    observed: jsonb().$type<ObservedStatus>().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("deployments_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
    index("deployments_base_model_index").on(t.baseModel),
    index("deployments_served_model_index").on(t.servedModel),
    index("deployments_draft_model_index")
      .on(sql`(${t.spec}->>'draftModel')`)
      .where(sql`${t.spec} ? 'draftModel'`),
    check(
      "deployments_state_check",
      sql`${t.state} in ('CREATING', 'READY', 'UPDATING', 'FAILED', 'DELETING', 'DELETED')`,
    ),
  ],
);

/** The timeline of a deployment, oldest first by `seq`; deleted with the deployment. */
export const deploymentEvents = pgTable(
  "deployment_events",
  {
    accountId: text("account_id").notNull(),
    deploymentId: text("deployment_id").notNull(),
    seq: bigint({ mode: "number" }).notNull().generatedAlwaysAsIdentity(),
    time: time("time").notNull(),
    type: text().notNull(),
    message: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.deploymentId, t.seq] })],
);

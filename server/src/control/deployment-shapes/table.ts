import { sql } from "drizzle-orm";
import {
  boolean,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import type { ShapeSpec } from "./schema.ts";

export const deploymentShapes = pgTable(
  "deployment_shapes",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Number of the newest version. */
    version: integer().notNull(),
    /** The spec of the newest version. */
    spec: jsonb().$type<ShapeSpec>().notNull(),
    /** The spec that other accounts see: that of the newest validated and public version; null: none. */
    publicSpec: jsonb("public_spec").$type<ShapeSpec>(),
    /** A user's id; empty for shapes of the catalog. */
    createdBy: text("created_by").notNull(),
    /** SHA-256 of the catalog entry that the shape follows; null: the shape follows none. */
    catalogDigest: text("catalog_digest"),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("deployment_shapes_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);

/** Versions of shapes; every change of a shape adds one. */
export const deploymentShapeVersions = pgTable(
  "deployment_shape_versions",
  {
    accountId: text("account_id").notNull(),
    shapeId: text("shape_id").notNull(),
    /** From 1. */
    version: integer().notNull(),
    /** The version's number as the last segment of its name. */
    id: text().notNull().generatedAlwaysAs(sql`"version"::text`),
    spec: jsonb().$type<ShapeSpec>().notNull(),
    validated: boolean().notNull(),
    public: boolean().notNull(),
    /** Whether it is the newest validated version of the shape. */
    latestValidated: boolean("latest_validated").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.shapeId, t.version] }),
    foreignKey({
      name: "deployment_shape_versions_shape_fk",
      columns: [t.accountId, t.shapeId],
      foreignColumns: [deploymentShapes.accountId, deploymentShapes.id],
    }).onDelete("cascade"),
  ],
);

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
    /** The number of the newest version. */
    version: integer().notNull(),
    /** The newest version's. */
    spec: jsonb().$type<ShapeSpec>().notNull(),
    /** What other accounts see: the newest version's that is validated and public; null: nothing. */
    publicSpec: jsonb("public_spec").$type<ShapeSpec>(),
    /** A user's id; empty for the library's. */
    createdBy: text("created_by").notNull(),
    /** Of the catalog's entry that the shape follows; null for everybody else's. */
    catalogDigest: text("catalog_digest"),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("deployment_shapes_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);

/** Every change of a shape makes one. */
export const deploymentShapeVersions = pgTable(
  "deployment_shape_versions",
  {
    accountId: text("account_id").notNull(),
    shapeId: text("shape_id").notNull(),
    /** From 1 on. */
    version: integer().notNull(),
    /** The version's number as the last segment of its name. */
    id: text().notNull().generatedAlwaysAs(sql`"version"::text`),
    spec: jsonb().$type<ShapeSpec>().notNull(),
    validated: boolean().notNull(),
    public: boolean().notNull(),
    /** The newest of the shape's validated ones. */
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

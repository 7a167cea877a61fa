import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type List, type ListField } from "../../platform/db/listing.ts";
import { PRECISIONS } from "../models/service.ts";
import { ACCELERATOR_TYPES, PRESET_TYPES } from "./schema.ts";
import { deploymentShapes as shapes, deploymentShapeVersions as versions } from "./table.ts";

/** List fields of a shape in the column `spec`; an absent field has its default. */
function specFields(spec: PgColumn, prefix = ""): Record<string, ListField> {
  const text = (name: string, otherwise = ""): SQL =>
    sql`coalesce(${spec}->>${sql.raw(`'${name}'`)}, ${otherwise})`;
  const int = (name: string): SQL => sql`coalesce((${spec}->>${sql.raw(`'${name}'`)})::bigint, 0)`;
  const flag = (name: string): SQL => sql`coalesce((${spec}->>${sql.raw(`'${name}'`)})::boolean, false)`;
  const fields: Record<string, ListField> = {};
  for (const name of ["displayName", "description", "baseModel", "modelType", "draftModel"]) {
    fields[prefix + name] = { sql: text(name), type: "string" };
  }
  for (const name of [
    "acceleratorCount",
    "draftTokenCount",
    "ngramSpeculationLength",
    "numLoraDeviceCached",
  ]) {
    fields[prefix + name] = { sql: int(name), type: "int" };
  }
  for (const name of ["maxContextLength", "parameterCount"])
    fields[prefix + name] = { sql: int(name), type: "int" };
  for (const name of [
    "disableDeploymentSizeValidation",
    "enableAddons",
    "disableSpeculativeDecoding",
    "enableSessionAffinity",
  ]) {
    fields[prefix + name] = { sql: flag(name), type: "boolean" };
  }
  const enums = { acceleratorType: ACCELERATOR_TYPES, precision: PRECISIONS, presetType: PRESET_TYPES };
  for (const [name, values] of Object.entries(enums)) {
    fields[prefix + name] = { sql: text(name, values[0]), type: "enum", values };
  }
  return fields;
}

/** @param spec the column that clients see. */
export function shapeListing(
  db: Database["db"],
  tokenSecret: Buffer,
  spec: PgColumn,
): List<typeof shapes.$inferSelect> {
  return createListing({
    db,
    table: shapes,
    fields: {
      ...specFields(spec),
      name: {
        sql: sql`('accounts/' || ${shapes.accountId} || '/deploymentShapes/' || ${shapes.id})`,
        type: "string",
        orderBy: shapes.id,
      },
      createTime: { sql: sql`${shapes.createTime}`, type: "timestamp", orderBy: shapes.createTime },
      updateTime: { sql: sql`${shapes.updateTime}`, type: "timestamp" },
    },
    defaultOrder: "createTime desc",
    key: shapes.id,
    tokenSecret,
  });
}

export function versionListing(db: Database["db"], tokenSecret: Buffer): List<typeof versions.$inferSelect> {
  return createListing({
    db,
    table: versions,
    fields: {
      ...specFields(versions.spec, "snapshot."),
      name: {
        sql: sql`('accounts/' || ${versions.accountId} || '/deploymentShapes/' || ${versions.shapeId} || '/versions/' || ${versions.version})`,
        type: "string",
      },
      createTime: { sql: sql`${versions.createTime}`, type: "timestamp", orderBy: versions.createTime },
      validated: { sql: sql`${versions.validated}`, type: "boolean" },
      public: { sql: sql`${versions.public}`, type: "boolean" },
      latestValidated: { sql: sql`${versions.latestValidated}`, type: "boolean" },
    },
    defaultOrder: "createTime desc",
    key: versions.id,
    tokenSecret,
  });
}

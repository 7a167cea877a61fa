import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { LIBRARY_ACCOUNT, PLATFORM } from "../accounts/service.ts";
import { checkShape, type ShapeModels } from "./fields.ts";
import { ShapeFields, type ShapeSpec } from "./schema.ts";
import type { ShapeStore } from "./store.ts";

const CatalogShape = Type.Object(
  { id: Type.String(), ...ShapeFields.properties },
  { additionalProperties: false },
);
const CatalogShapesFile = Type.Object({ shapes: Type.Array(CatalogShape) }, { additionalProperties: false });

interface CatalogImportDeps {
  store: ShapeStore;
  models: ShapeModels;
  clock: Clock;
  log: BasicLog;
}

/** See `DeploymentShapes.importCatalog`. */
export async function importCatalogShapes(folder: string, deps: CatalogImportDeps): Promise<void> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  for (const file of files.sort()) {
    for (const { id, ...fields } of readShapes(folder, file)) await importShape(id, fields, deps);
  }
}

function readShapes(folder: string, file: string): readonly (ShapeFields & { id: string })[] {
  const content: unknown = JSON.parse(readFileSync(join(folder, file), "utf8"));
  if (Value.Check(CatalogShapesFile, content)) return content.shapes;
  const [defect] = Value.Errors(CatalogShapesFile, content);
  throw new Error(`catalog/shapes/${file}: ${defect?.instancePath} ${defect?.message}`);
}

async function importShape(id: string, fields: ShapeFields, deps: CatalogImportDeps): Promise<void> {
  const { store, models, clock, log } = deps;
  let spec: ShapeSpec;
  try {
    checkNewId("id", id);
    spec = await checkShape(models, PLATFORM, fields);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // A model on an attached engine may not support what the shape asks for.
    log.info(
      { shape: id, reason: error.message },
      "catalog shape skipped: its model does not support it here",
    );
    return;
  }
  const catalogDigest = createHash("sha256").update(JSON.stringify(spec)).digest("hex");
  const now = new Date(clock.now());
  const row = {
    accountId: LIBRARY_ACCOUNT,
    id,
    spec,
    createdBy: "",
    catalogDigest,
    createTime: now,
    updateTime: now,
  };
  if (await store.insertIfAbsent(row, true)) return;
  const known = await store.get(LIBRARY_ACCOUNT, id);
  // A shape that the operator created or changed no longer follows the catalog.
  if (known === null || known.catalogDigest === null || known.catalogDigest === catalogDigest) return;
  // When another process adds the version first, it is the same version.
  await store.addVersion(known, { spec, isPublic: true, catalogDigest, now });
}

import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../platform/db/database.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { Accounts } from "../accounts/service.ts";
import { importCatalogShapes } from "./catalog-import.ts";
import type { ShapeModels } from "./fields.ts";
import { resolveShape } from "./resolve-shape.ts";
import { shapeOperations } from "./shape-operations.ts";
import { shapeStore } from "./store.ts";
import type { DeploymentShapes } from "./types.ts";
import { versionOperations } from "./version-operations.ts";

export type { ShapeModel, ShapeModels } from "./fields.ts";
export { ACCELERATOR_TYPES, type ShapePreset } from "./schema.ts";
export { checkDeploymentSize } from "./size-check.ts";
export type { DeploymentShapes } from "./types.ts";

export function createDeploymentShapes(deps: {
  database: Pick<Database, "db">;
  accounts: Pick<Accounts, "exists">;
  models: ShapeModels;
  clock: Clock;
  log: BasicLog;
  tokenSecret: Buffer;
}): DeploymentShapes {
  const store = shapeStore(deps.database, deps.tokenSecret);
  return {
    ...shapeOperations({ ...deps, store }),
    ...versionOperations({ ...deps, store }),
    resolve: (principal, name, skipValidation = false) =>
      resolveShape(store, principal, name, skipValidation),
    importCatalog: (folder) => importCatalogShapes(folder, { ...deps, store }),
  };
}

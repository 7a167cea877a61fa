import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../platform/db/database.ts";
import type { DatabaseLog } from "../../platform/db/embedded-postgres.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { Accounts, Principal } from "../accounts/service.ts";
import { importCatalogShapes } from "./catalog-import.ts";
import type { ShapeModels } from "./fields.ts";
import { resolveShape } from "./resolve-shape.ts";
import type {
  ListShapesQuery,
  Shape,
  ShapeBody,
  ShapePreset,
  ShapeVersion,
  UpdateShapeQuery,
  VersionBody,
} from "./schema.ts";
import { shapeOperations } from "./shape-operations.ts";
import { shapeStore } from "./store.ts";
import { versionOperations } from "./version-operations.ts";

export type { ShapeModel, ShapeModels } from "./fields.ts";
export { ACCELERATOR_TYPES, type ShapePreset } from "./schema.ts";
export { checkDeploymentSize } from "./size-check.ts";

export interface DeploymentShapes {
  /** With a first version. @throws AppError BAD_REQUEST, NOT_FOUND (its models), ALREADY_EXISTS. */
  create(principal: Principal, accountId: string, id: string | undefined, body: ShapeBody): Promise<Shape>;
  /** @throws AppError FAILED_PRECONDITION when the newest version is not validated, unless that is skipped. */
  get(principal: Principal, accountId: string, id: string, skipValidation: boolean): Promise<Shape>;
  list(
    principal: Principal,
    accountId: string,
    query: ListShapesQuery,
  ): Promise<{ deploymentShapes: Shape[]; nextPageToken: string; totalSize: number }>;
  /** Makes a new version. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    body: ShapeBody,
    query: UpdateShapeQuery,
  ): Promise<Shape>;
  /** With all its versions; deployments keep what they took over. */
  delete(principal: Principal, accountId: string, id: string): Promise<void>;
  getVersion(principal: Principal, accountId: string, id: string, version: string): Promise<ShapeVersion>;
  listVersions(
    principal: Principal,
    accountId: string,
    id: string,
    query: ListQuery,
  ): Promise<{ deploymentShapeVersions: ShapeVersion[]; nextPageToken: string; totalSize: number }>;
  /** Publishes a version or takes it back, calls it validated (which is checked again) or no longer so. */
  updateVersion(
    principal: Principal,
    accountId: string,
    id: string,
    version: string,
    body: VersionBody,
    updateMask: string | undefined,
  ): Promise<ShapeVersion>;
  /**
   * What a deployment takes over from the shape or version that it names; a shape stands for its newest validated
   * version.
   * @throws AppError BAD_REQUEST naming deploymentShape, NOT_FOUND, FAILED_PRECONDITION for what is not validated.
   */
  resolve(
    principal: Principal,
    name: string,
    skipValidation?: boolean,
  ): Promise<{ version: string; preset: ShapePreset }>;
  /**
   * Brings the library's public shapes up to what the files of the folder say; needs the library's models. Safe in
   * several processes at once. Shapes that the operator made or changed stay as they are.
   * @throws Error with one line that names the file and the defect.
   */
  importCatalog(folder: string): Promise<void>;
}

export function createDeploymentShapes(deps: {
  database: Pick<Database, "db">;
  accounts: Pick<Accounts, "exists">;
  models: ShapeModels;
  clock: Clock;
  log: DatabaseLog;
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

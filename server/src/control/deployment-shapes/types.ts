import type { ListQuery } from "../../platform/db/listing.ts";
import type { Principal } from "../accounts/service.ts";
import type {
  ListShapesQuery,
  Shape,
  ShapeBody,
  ShapePreset,
  ShapeVersion,
  UpdateShapeQuery,
  VersionBody,
} from "./schema.ts";

export interface DeploymentShapes {
  /** Creates a shape and its first version. @throws AppError BAD_REQUEST, NOT_FOUND (its models), ALREADY_EXISTS. */
  create(principal: Principal, accountId: string, id: string | undefined, body: ShapeBody): Promise<Shape>;
  /** @throws AppError FAILED_PRECONDITION when the newest version is not validated, unless that is skipped. */
  get(principal: Principal, accountId: string, id: string, skipValidation: boolean): Promise<Shape>;
  list(
    principal: Principal,
    accountId: string,
    query: ListShapesQuery,
  ): Promise<{ deploymentShapes: Shape[]; nextPageToken: string; totalSize: number }>;
  /** Adds a version. @throws AppError as `create`; ABORTED when others keep changing the shape. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    body: ShapeBody,
    query: UpdateShapeQuery,
  ): Promise<Shape>;
  /** Deletes the shape and its versions; deployments keep the fields that they copied. */
  delete(principal: Principal, accountId: string, id: string): Promise<void>;
  getVersion(principal: Principal, accountId: string, id: string, version: string): Promise<ShapeVersion>;
  /** `-` as an id lists the versions of all accounts, or of all shapes, that the principal may see. */
  listVersions(
    principal: Principal,
    accountId: string,
    id: string,
    query: ListQuery,
  ): Promise<{ deploymentShapeVersions: ShapeVersion[]; nextPageToken: string; totalSize: number }>;
  /** Sets `public` and `validated` of a version. A version that becomes validated is checked again. */
  updateVersion(
    principal: Principal,
    accountId: string,
    id: string,
    version: string,
    body: VersionBody,
    updateMask: string | undefined,
  ): Promise<ShapeVersion>;
  /**
   * The fields that a deployment copies from the shape or version that it names. A shape stands for its newest validated
   * version.
   * @throws AppError BAD_REQUEST naming deploymentShape, NOT_FOUND, FAILED_PRECONDITION for a version that is not validated.
   */
  resolve(
    principal: Principal,
    name: string,
    skipValidation?: boolean,
  ): Promise<{ version: string; preset: ShapePreset }>;
  /**
   * Creates or updates the library's public shapes from the files of the folder; the library's models must exist. Safe in
   * several processes at once. Shapes that the operator created or changed stay as they are.
   * @throws Error with one line that names the file and the defect.
   */
  importCatalog(folder: string): Promise<void>;
}

/**
 * Versions of a model: snapshots of the resource. All versions run alike, because a model's files don't change once the
 * model is READY.
 */
import { AppError } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import { notFound } from "../accounts/service.ts";
import { getVisibleModel, getWritableModel } from "./access.ts";
import { modelName, modelTitle } from "./names.ts";
import type { ModelOperationDeps } from "./operation-deps.ts";
import type { DeployVersionRequest, ModelVersion, Operation } from "./schema.ts";
import type { ModelRequest } from "./types.ts";

const MAX_VERSIONS = 1_000;

/** @throws AppError BAD_REQUEST; ALREADY_EXISTS; FAILED_PRECONDITION while UPLOADING or with 1,000 versions. */
export async function createVersion(
  deps: ModelOperationDeps,
  request: ModelRequest & { versionId: string | undefined },
): Promise<ModelVersion> {
  const { principal, model, versionId: id = randomId() } = request;
  checkNewId("versionId", id);
  const row = await getWritableModel(deps, request);
  const fail = (why: string): AppError => new AppError("FAILED_PRECONDITION", `${modelTitle(model)} ${why}`);
  if (row.state === "UPLOADING") throw fail("is UPLOADING: only a READY model has versions.");
  if ((await deps.store.countVersions(row.uid)) >= MAX_VERSIONS) throw fail(`has ${MAX_VERSIONS} versions.`);
  const snapshot = { ...(await deps.views.view(principal, row)), deployedModelRefs: [] };
  const createTime = new Date(deps.clock.now());
  if (!(await deps.store.insertVersion({ modelUid: row.uid, id, snapshot, createTime }))) {
    throw new AppError("ALREADY_EXISTS", `Version ${id} already exists.`, { param: "versionId" });
  }
  return { name: `${snapshot.name}/versions/${id}`, createTime: createTime.toISOString(), snapshot };
}

export async function countVersions(deps: ModelOperationDeps, request: ModelRequest): Promise<number> {
  return deps.store.countVersions((await getVisibleModel(deps, request)).uid);
}

/**
 * Succeeds when the model is deployed there, because the deployment then runs what the version describes.
 * @throws AppError FAILED_PRECONDITION otherwise.
 */
export async function deployVersion(
  deps: ModelOperationDeps,
  request: ModelRequest & { versionId: string; body: DeployVersionRequest },
): Promise<Operation> {
  const { principal, model, versionId } = request;
  const { deployment, rolloutStrategy } = request.body;
  const row = await getWritableModel(deps, request);
  const name = modelName(model);
  if (!(await deps.store.hasVersion(row.uid, versionId))) {
    throw notFound(`Version ${name}/versions/${sanitizeForMessage(versionId)}`);
  }
  const { deployedModelRefs } = await deps.views.view(principal, row);
  if (!deployedModelRefs.some((ref) => ref.deployment === deployment)) {
    const why = `is not deployed on ${sanitizeForMessage(deployment)}: create a deployment of it.`;
    throw new AppError("FAILED_PRECONDITION", `Model ${name} ${why}`, { param: "deployment" });
  }
  return {
    name: `${name}/operations/deploy-${versionId}`,
    metadata: { model: name, deployment, rolloutStrategy },
    done: true,
    response: {},
  };
}

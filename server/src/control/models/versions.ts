import { AppError } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import { fullModelName } from "../../lib/resource-names.ts";
import { notFound, type Principal } from "../accounts/service.ts";
import { getVisibleModel, getWritableModel, type ModelsDeps } from "./access.ts";
import type { ModelCrud } from "./crud.ts";
import { modelTitle } from "./names.ts";
import type { DeployVersionRequest, ModelVersion, Operation } from "./schema.ts";

const MAX_VERSIONS = 1_000;

/**
 * Versions of a model: how the resource looked at a moment. A model's files don't change once it is READY, so all
 * versions run alike.
 */
export class ModelVersions {
  readonly #deps: ModelsDeps;
  readonly #crud: ModelCrud;

  constructor(context: ModelsDeps, resource: ModelCrud) {
    this.#deps = context;
    this.#crud = resource;
  }

  /** @throws AppError BAD_REQUEST, ALREADY_EXISTS, FAILED_PRECONDITION unless READY or with 1,000 versions. */
  async create(
    principal: Principal,
    accountId: string,
    modelId: string,
    id = randomId(),
  ): Promise<ModelVersion> {
    checkNewId("versionId", id);
    const row = await getWritableModel(this.#deps, principal, accountId, modelId);
    const fail = (why: string): AppError =>
      new AppError("FAILED_PRECONDITION", `${modelTitle(accountId, modelId)} ${why}`);
    if (row.state === "UPLOADING") throw fail("is UPLOADING: only a READY model has versions.");
    if ((await this.count(principal, accountId, modelId)) >= MAX_VERSIONS)
      throw fail(`has ${MAX_VERSIONS} versions.`);
    const snapshot = { ...(await this.#crud.view(principal, row)), deployedModelRefs: [] };
    const createTime = new Date(this.#deps.clock.now());
    if (!(await this.#deps.store.insertVersion({ modelUid: row.uid, id, snapshot, createTime }))) {
      throw new AppError("ALREADY_EXISTS", `Version ${id} already exists.`, { param: "versionId" });
    }
    return { name: `${snapshot.name}/versions/${id}`, createTime: createTime.toISOString(), snapshot };
  }

  async count(principal: Principal, accountId: string, modelId: string): Promise<number> {
    return this.#deps.store.countVersions(
      (await getVisibleModel(this.#deps, principal, accountId, modelId)).uid,
    );
  }

  /** @throws AppError FAILED_PRECONDITION unless the model is deployed there, and so runs as the version does. */
  async deploy(
    principal: Principal,
    accountId: string,
    modelId: string,
    id: string,
    { deployment, rolloutStrategy }: DeployVersionRequest,
  ): Promise<Operation> {
    const row = await getWritableModel(this.#deps, principal, accountId, modelId);
    const name = fullModelName({ accountId, modelId });
    if (!(await this.#deps.store.hasVersion(row.uid, id)))
      throw notFound(`Version ${name}/versions/${sanitizeForMessage(id)}`);
    const { deployedModelRefs } = await this.#crud.view(principal, row);
    if (!deployedModelRefs.some((ref) => ref.deployment === deployment)) {
      const why = `is not deployed on ${sanitizeForMessage(deployment)}: create a deployment of it.`;
      throw new AppError("FAILED_PRECONDITION", `Model ${name} ${why}`, { param: "deployment" });
    }
    return {
      name: `${name}/operations/deploy-${id}`,
      metadata: { model: name, deployment, rolloutStrategy },
      done: true,
      response: {},
    };
  }
}

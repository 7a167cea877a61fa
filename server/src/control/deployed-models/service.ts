import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { parseModelName } from "../../lib/resource-names.ts";
import type { Database } from "../../platform/db/database.ts";
import {
  authorize,
  canSee,
  LIBRARY_ACCOUNT,
  notFound,
  type Principal,
  visibility,
} from "../accounts/service.ts";
import { type Deployments, type ModelSource, modelNameOf } from "../deployments/service.ts";
import { type CreateDeployedModelDeps, checkDisplayTexts, createDeployedModel } from "./create.ts";
import { type CreateQuery, DeployedModelBody, type ListQuery } from "./schema.ts";
import type { ServerlessDeployments } from "./serverless.ts";
import {
  type DeployedModelChange,
  type DeployedModelRow,
  type DeployedModelStore,
  deployedModelStore,
} from "./store.ts";
import {
  type DeployedModelRef,
  deployedModelName,
  deployedModelRef,
  deployedModelView,
  type StatusView,
} from "./view.ts";

export { deployedModelHooks } from "./deployment-hooks-store.ts";
export { fleetIdOf, isNewer, stepDeployedModel } from "./lifecycle.ts";
export { nameServerlessDeployments, type ServerlessDeployments } from "./serverless.ts";
export { DEPLOYED_MODEL_WORK, type DeployedModelRow, type DeployedModelStore } from "./store.ts";
export { type DeployedModelRef, deployedModelName } from "./view.ts";

/**
 * All methods but `list` throw NOT_FOUND for a deployed model that doesn't exist or is another account's. Methods that write
 * throw FORBIDDEN by role.
 */
export interface DeployedModels {
  /** @throws AppError see createDeployedModel. */
  create(
    principal: Principal,
    accountId: string,
    query: CreateQuery,
    body: DeployedModelBody,
  ): Promise<object>;
  get(principal: Principal, accountId: string, id: string): Promise<object>;
  /** Lists the public ones of another account. */
  list(principal: Principal, accountId: string, query: ListQuery): Promise<object>;
  /** @throws AppError BAD_REQUEST for an immutable field; FAILED_PRECONDITION for a default that would have no successor. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    updateMask: string | undefined,
    body: DeployedModelBody,
  ): Promise<object>;
  /** Unloads it after its running requests. @throws AppError FAILED_PRECONDITION for the default while there are others. */
  delete(principal: Principal, accountId: string, id: string): Promise<void>;
  /** The deployed models of a model that the principal may see. */
  refs(principal: Principal, model: string): Promise<DeployedModelRef[]>;
  /** Why the model can't be deleted, in a public sentence; null when it can. */
  inUse(model: string): Promise<string | null>;
  /** Makes the serverless models exactly these, as deployed models of the library's account. */
  syncServerless(models: readonly string[]): Promise<void>;
  /** Calls `listener` after every change made here, before the change's promise settles. */
  onChange(listener: (accountId: string) => Promise<void>): void;
  store: DeployedModelStore;
}

export interface DeployedModelsDeps {
  database: Pick<Database, "db">;
  clock: Clock;
  tokenSecret: Buffer;
  users: { emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> };
  models: ModelSource;
  deployments: Pick<Deployments, "find" | "inUse" | "problemOf">;
  serverless: ServerlessDeployments;
  /** LoRA addons that an account may load. Default 100. */
  addonsPerAccount?: (accountId: string) => number;
}

export function createDeployedModels(deps: DeployedModelsDeps): DeployedModels {
  const { clock, deployments, serverless } = deps;
  const store = deployedModelStore(deps.database, deps.tokenSecret);
  const listeners: ((accountId: string) => Promise<void>)[] = [];
  const context: CreateDeployedModelDeps = { ...deps, store, nowMs: () => clock.now() };

  async function changed(accountId: string): Promise<void> {
    for (const listener of listeners) await listener(accountId);
  }

  const answer = (principal: Principal, accountId: string, rows: readonly DeployedModelRow[]) =>
    viewsFor(deps, principal, accountId, rows);

  async function find(principal: Principal, accountId: string, id: string): Promise<DeployedModelRow> {
    const row = await store.get(accountId, id);
    if (row === null || row.isHidden || !canSee(principal, accountId, row.isPublic)) {
      throw notFound(titleOf(accountId, id));
    }
    return row;
  }

  /** Changes a row that the principal may write. */
  async function change(
    principal: Principal,
    found: DeployedModelRow,
    apply: DeployedModelChange,
  ): Promise<DeployedModelRow> {
    const { accountId, id, createdBy } = found;
    authorize(principal, accountId, "write", titleOf(accountId, id), createdBy);
    if (accountId === LIBRARY_ACCOUNT && found.serverless && !found.isAddon) {
      throw new AppError("FAILED_PRECONDITION", "The platform's settings say what is serverless.");
    }
    const row = await store.change(accountId, id, new Date(clock.now()), apply);
    if (row === null) throw notFound(titleOf(accountId, id));
    await changed(accountId);
    return row;
  }

  return {
    async create(principal, accountId, query, body) {
      const made = await createDeployedModel(context, principal, accountId, query, body);
      await changed(accountId);
      return (await answer(principal, accountId, [await find(principal, accountId, made.id)]))[0] as object;
    },
    get: async (principal, accountId, id) =>
      (await answer(principal, accountId, [await find(principal, accountId, id)]))[0] as object,
    async list(principal, accountId, query) {
      const page = await store.list(query, accountId, visibility(principal, accountId) === "public");
      const { nextPageToken, totalSize } = page;
      return { deployedModels: await answer(principal, accountId, page.rows), nextPageToken, totalSize };
    },
    async update(principal, accountId, id, updateMask, body) {
      const found = await find(principal, accountId, id);
      const paths = updatePaths(updateMask, body, DeployedModelBody);
      const row = await change(principal, found, (before, others) => {
        if (before.state === "UNDEPLOYING") throw notFound(titleOf(accountId, id));
        const next = applyPatch(before, mergePatch(toBody(before), body, paths));
        if (before.isDefault && !next.isDefault) throw defaultRequired(before, others);
        return { ...next, updateTime: new Date(clock.now()) };
      });
      return (await answer(principal, accountId, [row]))[0] as object;
    },
    async delete(principal, accountId, id) {
      await change(principal, await find(principal, accountId, id), (row, others) => {
        if (row.isDefault && others > 0) throw defaultRequired(row, others);
        return { ...row, state: "UNDEPLOYING", isDefault: false, updateTime: new Date(clock.now()) };
      });
    },
    refs: (principal, model) => refsOf(store, principal, model),
    inUse: (model) => whyInUse(store, deployments, model),
    syncServerless(names) {
      const rows = names.map((model) =>
        serverlessRow(model, serverless.nameOf(model) ?? "", new Date(clock.now())),
      );
      return store.syncServerless(LIBRARY_ACCOUNT, rows);
    },
    onChange(listener) {
      listeners.push(listener);
    },
    store,
  };
}

/**
 * The views of the rows. A row that waits for its deployment shows the problem of the deployment. Other accounts don't see
 * who created a public one, nor what its host lacks.
 */
async function viewsFor(
  { users, deployments }: Pick<DeployedModelsDeps, "users" | "deployments">,
  principal: Principal,
  accountId: string,
  rows: readonly DeployedModelRow[],
): Promise<object[]> {
  const seesAll = visibility(principal, accountId) === "all";
  const emails = await users.emailsOf(accountId, seesAll ? rows.map(({ createdBy }) => createdBy) : []);
  const waiting = seesAll ? rows.filter(isWaitingForDeployment) : [];
  const problems = new Map<string, StatusView>();
  for (const name of new Set(waiting.map(({ deployment }) => deployment))) {
    const problem = await deployments.problemOf(name);
    if (problem !== null) problems.set(name, problem);
  }
  return rows.map((row) => {
    const problem = isWaitingForDeployment(row) ? problems.get(row.deployment) : undefined;
    return deployedModelView(row, emails.get(row.createdBy) ?? "", problem);
  });
}

function isWaitingForDeployment({ state, serverless, statusCode }: DeployedModelRow): boolean {
  return state === "DEPLOYING" && !serverless && statusCode === "";
}

async function refsOf(
  store: DeployedModelStore,
  principal: Principal,
  model: string,
): Promise<DeployedModelRef[]> {
  const rows = await store.ofModel(model);
  return rows.filter((row) => canSee(principal, row.accountId, row.isPublic)).map(deployedModelRef);
}

async function whyInUse(
  store: DeployedModelStore,
  deployments: Pick<Deployments, "inUse">,
  model: string,
): Promise<string | null> {
  const [row] = await store.ofModel(model);
  if (row === undefined)
    return (await deployments.inUse(model)) ? `${model} is needed by a deployment.` : null;
  // The owner of a public model must not learn which other accounts deploy it.
  const isOwn = row.accountId === parseModelName(model)?.accountId;
  return `${model} is deployed${isOwn ? `: ${deployedModelName(row)} on ${row.deployment}` : ""}.`;
}

function titleOf(accountId: string, id: string): string {
  return `Deployed model ${deployedModelName({ accountId, id })}`;
}

function toBody(row: DeployedModelRow): DeployedModelBody {
  const { displayName, description, model, deployment, serverless, isDefault, isPublic } = row;
  return { displayName, description, model, deployment, serverless, default: isDefault, public: isPublic };
}

/** @throws AppError BAD_REQUEST for another model or deployment. */
function applyPatch(row: DeployedModelRow, body: DeployedModelBody): DeployedModelRow {
  checkDisplayTexts(body);
  if (modelNameOf("model", body.model, row.accountId) !== row.model) throw immutable("model");
  if (body.deployment !== row.deployment && !(row.serverless && !body.deployment))
    throw immutable("deployment");
  if ((body.serverless ?? false) !== row.serverless) throw immutable("serverless");
  return {
    ...row,
    displayName: body.displayName ?? "",
    description: body.description ?? "",
    isDefault: body.default ?? false,
    isPublic: body.public ?? false,
  };
}

function immutable(field: string): AppError {
  return badRequest(field, `${field} can't be changed; load the model anew instead.`);
}

/** Refuses a change that would leave a deployed model without a default. */
function defaultRequired({ model }: DeployedModelRow, others: number): AppError {
  const way =
    others > 0
      ? "make another one the default, or delete the others first"
      : "it is the only one, and stays the default as long as it is there";
  return new AppError("FAILED_PRECONDITION", `It is the default of ${model}: ${way}.`);
}

function serverlessRow(model: string, deployment: string, now: Date): DeployedModelRow {
  const id = deployment.slice(deployment.lastIndexOf("/") + 1);
  return {
    accountId: LIBRARY_ACCOUNT,
    id,
    model,
    servedModel: model,
    deployment,
    serverless: true,
    isAddon: false,
    isMerged: false,
    isDefault: true,
    isPublic: true,
    isHidden: false,
    state: "DEPLOYED",
    statusCode: "",
    statusMessage: "",
    displayName: "",
    description: "",
    createdBy: "",
    createTime: now,
    updateTime: now,
    lastUsedTime: now,
  };
}

import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { authorize, notFound, type Principal } from "../accounts/service.ts";
import {
  type DeploymentRow,
  type Deployments,
  deploymentName,
  type ModelSource,
  modelNameOf,
  parseDeploymentName,
} from "../deployments/service.ts";
import type { DeployableModel } from "../models/service.ts";
import { newDeployedModelId, tooManyAddons } from "./deployment-hooks-store.ts";
import type { CreateQuery, DeployedModelBody } from "./schema.ts";
import type { ServerlessDeployments } from "./serverless.ts";
import type { AddonLimits, DeployedModelRow, DeployedModelStore } from "./store.ts";

export interface CreateDeployedModelDeps {
  store: DeployedModelStore;
  models: ModelSource;
  deployments: Pick<Deployments, "find">;
  serverless: ServerlessDeployments;
  nowMs(): number;
  /** LoRA addons that an account may load. Default 100. */
  addonsPerAccount?: ((accountId: string) => number) | undefined;
}

const ADDONS_PER_ACCOUNT = 100;
const ADDONS_PER_DEPLOYMENT = 100;
const MAX_DESCRIPTION_CHARS = 999;

/** The deployment that a model is loaded onto, and how. */
type LoadTarget = Pick<
  DeployedModelRow,
  "deployment" | "servedModel" | "serverless" | "isAddon" | "isMerged"
>;

/**
 * Loads a model onto a deployment of the account, or a LoRA addon onto the serverless deployment of its base model.
 * @throws AppError BAD_REQUEST naming the field, NOT_FOUND, FAILED_PRECONDITION (also for what is loaded there already),
 * RATE_LIMIT_EXCEEDED at the limits.
 */
export async function createDeployedModel(
  context: CreateDeployedModelDeps,
  principal: Principal,
  accountId: string,
  query: CreateQuery,
  body: DeployedModelBody,
): Promise<DeployedModelRow> {
  authorize(principal, accountId, "write", `Account accounts/${accountId}`);
  checkDisplayTexts(body);
  const model = await context.models.deployable(principal, modelNameOf("model", body.model, accountId));
  const target = body.deployment
    ? await dedicatedTarget(context, principal, accountId, query, body, model)
    : serverlessTarget(context, query, body, model);
  const row = newRow(context, principal, accountId, body, model, target);
  const limits: AddonLimits = {
    addonsPerAccount: context.addonsPerAccount?.(accountId) ?? ADDONS_PER_ACCOUNT,
    addonsPerDeployment: ADDONS_PER_DEPLOYMENT,
  };
  switch (await context.store.insert(row, row.isAddon ? limits : null)) {
    case "done":
      return row;
    case "taken":
      // Clients take this code, and no other, for a load that has nothing left to do.
      throw new AppError("FAILED_PRECONDITION", `${row.model} is loaded on ${row.deployment} already.`, {
        param: "model",
      });
    case "account full":
      throw tooManyAddons(accountId, limits.addonsPerAccount);
    case "deployment full":
      throw new AppError(
        "RATE_LIMIT_EXCEEDED",
        `A deployment takes at most ${limits.addonsPerDeployment} LoRA addons.`,
      );
  }
}

/** @throws AppError BAD_REQUEST naming the field. */
export function checkDisplayTexts({ displayName = "", description = "" }: DeployedModelBody): void {
  checkDisplayName("displayName", displayName);
  checkText("description", description, MAX_DESCRIPTION_CHARS);
}

function serverlessTarget(
  { serverless }: CreateDeployedModelDeps,
  { replaceMergedAddon }: CreateQuery,
  body: DeployedModelBody,
  model: DeployableModel,
): LoadTarget {
  if (body.serverless === false) {
    throw badRequest("deployment", "deployment is required for a model that is not serverless.");
  }
  if (replaceMergedAddon) throw notHotReloading();
  if (model.kind !== "addon" || model.baseModel === null) {
    throw badRequest(
      "deployment",
      "deployment is required: only LoRA addons are loaded onto serverless deployments.",
    );
  }
  const deployment = serverless.nameOf(model.baseModel);
  if (deployment === null) {
    const message = `${model.baseModel} has no serverless deployment; deploy it and name the deployment.`;
    throw new AppError("FAILED_PRECONDITION", message, { param: "deployment" });
  }
  return { deployment, servedModel: model.baseModel, serverless: true, isAddon: true, isMerged: false };
}

async function dedicatedTarget(
  context: CreateDeployedModelDeps,
  principal: Principal,
  accountId: string,
  query: CreateQuery,
  body: DeployedModelBody,
  model: DeployableModel,
): Promise<LoadTarget> {
  if (model.baseModel !== null && body.deployment === context.serverless.nameOf(model.baseModel)) {
    return serverlessTarget(context, query, body, model);
  }
  if (body.serverless) throw badRequest("serverless", "Set serverless or deployment, not both.");
  const row = await findTargetDeployment(context, principal, accountId, body.deployment as string);
  if (row.state === "FAILED" || row.state === "DELETING" || row.state === "DELETED") {
    throw new AppError("FAILED_PRECONDITION", `${deploymentName(row)} is ${row.state}.`, {
      param: "deployment",
    });
  }
  const target = { deployment: deploymentName(row), servedModel: row.servedModel, serverless: false };
  if (model.kind === "base") {
    if (query.replaceMergedAddon) throw notHotReloading();
    if (model.name === row.baseModel) return { ...target, isAddon: false, isMerged: false };
    throw badRequest(
      "model",
      `The deployment serves ${row.baseModel} and takes only LoRA addons of that model.`,
    );
  }
  if (model.baseModel !== row.servedModel) {
    throw badRequest(
      "model",
      `${model.name} is an addon to ${model.baseModel}; the deployment serves ${row.servedModel}.`,
    );
  }
  return { ...target, isAddon: true, isMerged: await isMergedThere(context, query, row, model) };
}

/** Whether the addon is merged into the weights of the deployment. @throws AppError when the deployment takes no addons. */
async function isMergedThere(
  { store }: CreateDeployedModelDeps,
  { replaceMergedAddon = false }: CreateQuery,
  row: DeploymentRow,
  model: DeployableModel,
): Promise<boolean> {
  if (model.name === row.baseModel) return true;
  if (row.spec.enableHotReloadLatestAddon) {
    const loaded = await store.ofDeployment(deploymentName(row));
    const merged = loaded.find(({ isMerged, state }) => isMerged && state !== "UNDEPLOYING");
    if (merged === undefined || replaceMergedAddon) return true;
    const message = `${merged.model} is merged into the deployment; set replaceMergedAddon to put this one in its place.`;
    throw new AppError("FAILED_PRECONDITION", message, { param: "replaceMergedAddon" });
  }
  if (replaceMergedAddon) throw notHotReloading();
  if (row.spec.enableAddons) return false;
  const message =
    row.baseModel === row.servedModel
      ? "The deployment was made without enableAddons; update it first."
      : `The deployment is ${row.baseModel}'s own; deploy ${row.servedModel} with enableAddons for several addons.`;
  throw new AppError("FAILED_PRECONDITION", message, { param: "deployment" });
}

/** Finds a deployment by its full or short name, or by its id. @throws AppError NOT_FOUND, also for another account's deployment. */
async function findTargetDeployment(
  { deployments }: CreateDeployedModelDeps,
  principal: Principal,
  accountId: string,
  text: string,
): Promise<DeploymentRow> {
  const key = parseDeploymentName(text.includes("/") ? text : `${accountId}/${text}`);
  if (key === null) {
    const example = `accounts/${accountId}/deployments/my-deployment`;
    throw badRequest("deployment", `deployment must be a name such as ${example}.`);
  }
  if (key.accountId !== accountId) throw notFound(`Deployment ${deploymentName(key)}`);
  return deployments.find(principal, key.accountId, key.id);
}

function newRow(
  { nowMs }: CreateDeployedModelDeps,
  principal: Principal,
  accountId: string,
  body: DeployedModelBody,
  model: DeployableModel,
  target: LoadTarget,
): DeployedModelRow {
  const now = new Date(nowMs());
  return {
    accountId,
    id: newDeployedModelId(model.name),
    model: model.name,
    ...target,
    isDefault: body.default ?? false,
    isPublic: body.public ?? false,
    isHidden: false,
    state: target.isAddon ? "DEPLOYING" : "DEPLOYED",
    statusCode: "",
    statusMessage: "",
    displayName: body.displayName ?? "",
    description: body.description ?? "",
    createdBy: principal.userId,
    createTime: now,
    updateTime: now,
    lastUsedTime: now,
  };
}

function notHotReloading(): AppError {
  const message = "replaceMergedAddon goes with deployments that were made with enableHotReloadLatestAddon.";
  return badRequest("replaceMergedAddon", message);
}

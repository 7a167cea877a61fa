import { isDeepStrictEqual } from "node:util";
import { AppError, badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import { authorize, notFound, type Principal } from "../accounts/service.ts";
import { withinAcceleratorQuota } from "./accelerator-quota.ts";
import { applyShape } from "./apply-shape.ts";
import { checkFields } from "./fields.ts";
import { changeDeployment, findDeployment } from "./find-change.ts";
import { replicaAccelerators, revisionOf } from "./fleet-spec.ts";
import { stateEvent } from "./lifecycle.ts";
import {
  type ChosenModel,
  checkAgainstModel,
  checkAgainstWeightsFormat,
  chooseModel,
  modelNameOf,
  withModelDefaults,
} from "./model-compatibility.ts";
import { titleOf } from "./names.ts";
import { placementView, regionOf } from "./placement.ts";
import {
  type CreateQuery,
  DeploymentBody,
  EMPTY_STATUS,
  type StoredSpec,
  type UpdateQuery,
} from "./schema.ts";
import type { DeploymentChange, DeploymentRow } from "./store.ts";
import type { DeploymentOperationDeps } from "./types.ts";

/** @throws AppError BAD_REQUEST naming the field, NOT_FOUND (a model, say), FAILED_PRECONDITION, ALREADY_EXISTS. */
export async function createDeployment(
  context: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  query: CreateQuery,
  body: DeploymentBody,
): Promise<DeploymentRow> {
  authorize(principal, accountId, "write", `Account accounts/${accountId}`);
  if (!(await context.accounts.exists(accountId))) throw notFound(`Account accounts/${accountId}`);
  const id = query.deploymentId ?? randomId();
  if (query.deploymentId !== undefined) checkNewId("deploymentId", id);
  const named = { ...body, baseModel: modelNameOf("baseModel", body.baseModel, accountId) };
  const checked = await validateBody(context, principal, accountId, named, {
    explicitFields: new Set(Object.keys(body)),
    isNew: true,
    disableSpeculation: query.disableSpeculativeDecoding ?? false,
    allowUnvalidatedShape: query.skipShapeValidation ?? false,
  });
  const row = newRow(context, principal, accountId, id, checked);
  if (query.disableAutoDeploy) row.spec.disableAutoDeploy = true;
  if (query.validateOnly) {
    if ((await context.store.get(accountId, id)) !== null) throw alreadyExists(accountId, id);
    return row;
  }
  const event = { type: "CREATED", message: `Created by ${principal.userId}.` };
  const isNew = await withinAcceleratorQuota(context, null, row, () =>
    context.store.insert(row, [event, stateEvent(row)]),
  );
  if (!isNew) throw alreadyExists(accountId, id);
  await context.notifyChanged(accountId);
  return row;
}

/**
 * Changes the fields of the mask, or those of the body. What runs is replaced when it has to be, a replica at a time.
 * @throws AppError as createDeployment, and FAILED_PRECONDITION for a deployment that is deleted.
 */
export async function updateDeployment(
  context: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  id: string,
  query: UpdateQuery,
  body: DeploymentBody,
): Promise<DeploymentRow> {
  const paths = updatePaths(query.updateMask, body, DeploymentBody);
  const given = new Set(paths.map((path) => path.split(".")[0] as string));
  for (let attempt = 1; ; attempt++) {
    const found = await findDeployment(context, principal, accountId, id, "write");
    assertNotDeleted(found);
    const wanted = restoreImmutableFields(found, mergePatch(toBody(found), body, paths), context.hostRegion);
    const checked = await validateBody(context, principal, accountId, wanted, {
      explicitFields: given,
      isNew: false,
      disableSpeculation: true,
      allowUnvalidatedShape: query.skipShapeValidation ?? false,
    });
    let isOvertaken = false;
    const change = (current: DeploymentRow, now: Date): DeploymentChange | null => {
      // Models were looked up without a lock: what another writer has changed meanwhile is taken into account by starting over.
      isOvertaken = JSON.stringify(toBody(current)) !== JSON.stringify(toBody(found));
      if (isOvertaken) return null;
      assertNotDeleted(current);
      return applyUpdate(context, current, checked, given, now);
    };
    const next = applyUpdate(context, found, checked, given, found.updateTime).row;
    const row = await withinAcceleratorQuota(context, found, next, () =>
      changeDeployment(context, found, change),
    );
    if (!isOvertaken) return row;
    if (attempt === MAX_ATTEMPTS) throw new AppError("ABORTED", "Others change the deployment; try again.");
  }
}

/** Writers that keep overtaking each other are told at some point. */
const MAX_ATTEMPTS = 5;

interface ValidatedDeployment {
  spec: StoredSpec;
  keys: readonly string[];
  /** Null when nothing that depends on the model changes. */
  chosenModel: ChosenModel | null;
}

interface ValidationOptions {
  /** Fields the client sets now. */
  explicitFields: ReadonlySet<string>;
  isNew: boolean;
  /** The model's own draft settings are not taken over. */
  disableSpeculation: boolean;
  allowUnvalidatedShape: boolean;
}

async function validateBody(
  context: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  body: DeploymentBody,
  options: ValidationOptions,
): Promise<ValidatedDeployment> {
  const { shapes, hostRegion } = context;
  const { explicitFields: given, isNew, allowUnvalidatedShape } = options;
  const { draftModel } = body;
  const named = draftModel ? { ...body, draftModel: modelNameOf("draftModel", draftModel, accountId) } : body;
  const needsShape =
    isNew || given.has("deploymentShape") || [...given].some((field) => MODEL_DEPENDENT_FIELDS.has(field));
  const shaped = needsShape
    ? await applyShape(shapes, principal, named, given, allowUnvalidatedShape)
    : { body: named, disableSpeculation: true };
  const spec = checkFields(shaped.body, hostRegion);
  const keys = shaped.body.directRouteApiKeys ?? [];
  if (!needsShape) return { spec, keys, chosenModel: null };
  const disableSpeculation = options.disableSpeculation || shaped.disableSpeculation;
  const { whole, chosen } = await validateAgainstModel(context, principal, shaped.body, disableSpeculation);
  return { spec: checkFields(whole, hostRegion), keys, chosenModel: chosen };
}

/** Fields that have to go with the model. */
const MODEL_DEPENDENT_FIELDS = new Set([
  "deploymentShape",
  "acceleratorCount",
  "acceleratorType",
  "precision",
  "enableAddons",
  "draftTokenCount",
  "draftModel",
  "ngramSpeculationLength",
  "maxContextLength",
  "disableDeploymentSizeValidation",
  "enableHotReloadLatestAddon",
  "autoTune",
]);

async function validateAgainstModel(
  { models, checkSize, weightsFormatFor: runnerFor }: DeploymentOperationDeps,
  principal: Principal,
  body: DeploymentBody,
  disableSpeculation: boolean,
): Promise<{ whole: DeploymentBody; chosen: ChosenModel }> {
  const chosen = await chooseModel(models, principal, "baseModel", body.baseModel as string);
  const runner = runnerFor(replicaAccelerators(body)?.type ?? null);
  const whole = withModelDefaults(body, chosen, disableSpeculation || runner !== "embedded");
  if (whole.draftModel) {
    const draft = await chooseModel(models, principal, "draftModel", whole.draftModel);
    if (draft.model.kind !== "base") throw badRequest("draftModel", "draftModel must be a base model here.");
  }
  checkAgainstModel(whole, chosen, checkSize);
  checkAgainstWeightsFormat(whole, chosen, runner);
  return { whole, chosen };
}

function newRow(
  { clock, keys }: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  id: string,
  checked: ValidatedDeployment,
): DeploymentRow {
  const chosen = checked.chosenModel as ChosenModel;
  const now = new Date(clock.now());
  return {
    accountId,
    id,
    state: "CREATING",
    statusCode: "",
    statusMessage: "",
    baseModel: chosen.model.name,
    servedModel: chosen.served.name,
    createdBy: principal.userId,
    createTime: now,
    updateTime: now,
    deleteTime: null,
    purgeTime: null,
    lastUsedTime: now,
    fixedReplicas: null,
    spec: checked.spec,
    directRouteKeys: keys.hashKeys(checked.keys, []),
    observed: EMPTY_STATUS,
  };
}

function applyUpdate(
  { keys }: DeploymentOperationDeps,
  row: DeploymentRow,
  { spec, keys: given }: ValidatedDeployment,
  fields: ReadonlySet<string>,
  now: Date,
): DeploymentChange {
  const { disableAutoDeploy } = row.spec;
  const next: DeploymentRow = {
    ...row,
    spec: disableAutoDeploy ? { ...spec, disableAutoDeploy } : spec,
    directRouteKeys: keys.hashKeys(given, row.directRouteKeys),
    updateTime: now,
  };
  // New bounds take the place of a number of replicas that was set by hand.
  if (fields.has("minReplicaCount") || fields.has("maxReplicaCount")) next.fixedReplicas = null;
  const isRebuilt = revisionOf(next) !== revisionOf(row);
  if (row.state === "FAILED") Object.assign(next, { state: "CREATING", statusCode: "", statusMessage: "" });
  else if (row.state === "READY" && isRebuilt) next.state = "UPDATING";
  const event = { type: "UPDATED", message: `Changed: ${[...fields].sort().join(", ") || "nothing"}.` };
  return { row: next, events: next.state === row.state ? [event] : [event, stateEvent(next)] };
}

/** A row as the body that would make it. */
function toBody({ spec, baseModel, directRouteKeys }: DeploymentRow): DeploymentBody {
  const { disableAutoDeploy: _, ...fields } = spec;
  const shown = directRouteKeys.map((key) => key.shown);
  return { ...fields, baseModel, ...(shown.length > 0 ? { directRouteApiKeys: shown } : {}) };
}

/** Clients send what they read: a value that is the same changes nothing. */
function restoreImmutableFields(
  row: DeploymentRow,
  wanted: DeploymentBody,
  hostRegion: string | null,
): DeploymentBody {
  const { baseModel, placement, region, ...rest } = wanted;
  if (modelNameOf("baseModel", baseModel, row.accountId) !== row.baseModel) {
    throw badRequest("baseModel", "baseModel can't be changed; create another deployment.");
  }
  const isSamePlace = isDeepStrictEqual(placement ?? placementView(row), placementView(row));
  if (!isSamePlace) throw badRequest("placement", "placement can't be changed; create another deployment.");
  if (region !== undefined && region !== regionOf(row.spec, hostRegion)) {
    throw badRequest("region", "region can't be changed; create another deployment.");
  }
  const { placement: place, region: label } = row.spec;
  return {
    ...rest,
    baseModel: row.baseModel,
    ...(place === undefined ? {} : { placement: place }),
    ...(label === undefined ? {} : { region: label }),
  };
}

export function assertNotDeleted(row: DeploymentRow): void {
  if (row.state !== "DELETING" && row.state !== "DELETED") return;
  throw new AppError(
    "FAILED_PRECONDITION",
    `${titleOf(row.accountId, row.id)} is deleted; undelete it first.`,
  );
}

function alreadyExists(accountId: string, id: string): AppError {
  const message = `${titleOf(accountId, id)} already exists; a deleted one is kept for a while, unless it is deleted hard.`;
  return new AppError("ALREADY_EXISTS", message, { param: "deploymentId" });
}

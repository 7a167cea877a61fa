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
import { isPlaced, isSet, placementView, regionOf } from "./placement.ts";
import {
  type CreateQuery,
  DeploymentBody,
  EMPTY_STATUS,
  type StoredSpec,
  type UpdateQuery,
} from "./schema.ts";
import type { DeploymentChange, DeploymentRow } from "./store.ts";
import type { DeploymentOperationDeps } from "./types.ts";

/** @throws AppError BAD_REQUEST naming the field, NOT_FOUND (also for a model), FAILED_PRECONDITION, ALREADY_EXISTS. */
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
 * Changes the fields of the mask or, without a mask, of the body. Replicas that run something else are replaced one by one.
 * @throws AppError as createDeployment; FAILED_PRECONDITION for a deleted deployment; ABORTED when others keep changing it.
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
  const explicitFields = new Set(paths.map((path) => path.split(".")[0] as string));
  for (let attempt = 1; ; attempt++) {
    const found = await findDeployment(context, principal, accountId, id, "write");
    assertNotDeleted(found);
    const wanted = restoreImmutableFields(found, mergePatch(toBody(found), body, paths), context.hostRegion);
    const checked = await validateBody(context, principal, accountId, wanted, {
      explicitFields,
      isNew: false,
      disableSpeculation: true,
      allowUnvalidatedShape: query.skipShapeValidation ?? false,
    });
    let isOvertaken = false;
    const change = (current: DeploymentRow, now: Date): DeploymentChange | null => {
      // Optimistic concurrency: the body was validated without a lock, so a concurrent change makes the update start over.
      isOvertaken = JSON.stringify(toBody(current)) !== JSON.stringify(toBody(found));
      if (isOvertaken) return null;
      assertNotDeleted(current);
      return applyUpdate(context, current, checked, explicitFields, now);
    };
    const next = applyUpdate(context, found, checked, explicitFields, found.updateTime).row;
    const row = await withinAcceleratorQuota(context, found, next, () =>
      changeDeployment(context, found, change),
    );
    if (!isOvertaken) return row;
    if (attempt === MAX_ATTEMPTS)
      throw new AppError("ABORTED", "The deployment is being changed by others; try again.");
  }
}

/** Attempts after which a writer that others keep overtaking gets ABORTED. */
const MAX_ATTEMPTS = 5;

interface ValidatedDeployment {
  spec: StoredSpec;
  keys: readonly string[];
  /** Null when nothing that depends on the model changes. */
  chosenModel: ChosenModel | null;
}

interface ValidationOptions {
  /** Fields that the client sets in this request. */
  explicitFields: ReadonlySet<string>;
  isNew: boolean;
  /** Whether the model's default draft settings are ignored. */
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
  const { explicitFields, isNew, allowUnvalidatedShape } = options;
  const { draftModel } = body;
  const named = draftModel ? { ...body, draftModel: modelNameOf("draftModel", draftModel, accountId) } : body;
  const needsShape =
    isNew ||
    explicitFields.has("deploymentShape") ||
    [...explicitFields].some((field) => MODEL_DEPENDENT_FIELDS.has(field));
  const shaped = needsShape
    ? await applyShape(shapes, principal, named, explicitFields, allowUnvalidatedShape)
    : { body: named, disableSpeculation: true };
  const spec = checkFields(shaped.body, hostRegion);
  const keys = shaped.body.directRouteApiKeys ?? [];
  if (!needsShape) return { spec, keys, chosenModel: null };
  const disableSpeculation = options.disableSpeculation || shaped.disableSpeculation;
  const { whole, chosen } = await validateAgainstModel(context, principal, shaped.body, disableSpeculation);
  return { spec: checkFields(whole, hostRegion), keys, chosenModel: chosen };
}

/** Fields that are validated against the model. */
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
  { models, checkSize, weightsFormatFor }: DeploymentOperationDeps,
  principal: Principal,
  body: DeploymentBody,
  disableSpeculation: boolean,
): Promise<{ whole: DeploymentBody; chosen: ChosenModel }> {
  const chosen = await chooseModel(models, principal, "baseModel", body.baseModel as string);
  const format = weightsFormatFor(replicaAccelerators(body)?.type ?? null);
  const whole = withModelDefaults(body, chosen, disableSpeculation || format !== "embedded");
  if (whole.draftModel) {
    const draft = await chooseModel(models, principal, "draftModel", whole.draftModel);
    if (draft.model.kind !== "base") throw badRequest("draftModel", "draftModel must be a base model here.");
  }
  checkAgainstModel(whole, chosen, checkSize);
  checkAgainstWeightsFormat(whole, chosen, format);
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
  { spec, keys: newKeys }: ValidatedDeployment,
  fields: ReadonlySet<string>,
  now: Date,
): DeploymentChange {
  const { disableAutoDeploy } = row.spec;
  const next: DeploymentRow = {
    ...row,
    spec: disableAutoDeploy ? { ...spec, disableAutoDeploy } : spec,
    directRouteKeys: keys.hashKeys(newKeys, row.directRouteKeys),
    updateTime: now,
  };
  // New bounds replace a number of replicas that `:scale` has set.
  if (fields.has("minReplicaCount") || fields.has("maxReplicaCount")) next.fixedReplicas = null;
  const isRebuilt = revisionOf(next) !== revisionOf(row);
  if (row.state === "FAILED") Object.assign(next, { state: "CREATING", statusCode: "", statusMessage: "" });
  else if (row.state === "READY" && isRebuilt) next.state = "UPDATING";
  const event = { type: "UPDATED", message: `Changed: ${[...fields].sort().join(", ") || "nothing"}.` };
  return { row: next, events: next.state === row.state ? [event] : [event, stateEvent(next)] };
}

/** The body that a client would send to create the row. */
function toBody({ spec, baseModel, directRouteKeys }: DeploymentRow): DeploymentBody {
  const { disableAutoDeploy: _, ...fields } = spec;
  const shown = directRouteKeys.map((key) => key.shown);
  return { ...fields, baseModel, ...(shown.length > 0 ? { directRouteApiKeys: shown } : {}) };
}

/** Clients send back what they read, and so an immutable field may be sent with its present value. @throws AppError BAD_REQUEST. */
function restoreImmutableFields(
  row: DeploymentRow,
  wanted: DeploymentBody,
  hostRegion: string | null,
): DeploymentBody {
  const { baseModel, placement, region, ...rest } = wanted;
  if (modelNameOf("baseModel", baseModel, row.accountId) !== row.baseModel) {
    throw badRequest("baseModel", "baseModel can't be changed; create another deployment.");
  }
  const isSamePlace = !isPlaced(placement) || isDeepStrictEqual(placement, placementView(row));
  if (!isSamePlace) throw badRequest("placement", "placement can't be changed; create another deployment.");
  if (isSet(region) && region !== regionOf(row.spec, hostRegion)) {
    throw badRequest("region", "region can't be changed; create another deployment.");
  }
  const { placement: storedPlacement, region: storedRegion } = row.spec;
  return {
    ...rest,
    baseModel: row.baseModel,
    ...(storedPlacement === undefined ? {} : { placement: storedPlacement }),
    ...(storedRegion === undefined ? {} : { region: storedRegion }),
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

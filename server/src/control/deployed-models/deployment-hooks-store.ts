import { and, eq, not, type SQL, sql } from "drizzle-orm";
import { AppError } from "../../lib/errors.ts";
import { randomId } from "../../lib/resource-ids.ts";
import { parseModelName } from "../../lib/resource-names.ts";
import type { Transaction } from "../../platform/db/database.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import { type DeploymentHooks, type DeploymentRow, deploymentName } from "../deployments/service.ts";
import { DEPLOYED_MODEL_WORK, type DeployedModelRow, insertRow, lockAccount, passDefault } from "./store.ts";
import { deployedModels } from "./table.ts";

/** Keeps deployed models in step with their deployments. @param addonsPerAccount LoRA addons that an account may load. */
export function deployedModelHooks(addonsPerAccount: (accountId: string) => number): DeploymentHooks {
  return {
    async onCreated(tx, row) {
      if (row.spec.disableAutoDeploy === true) return;
      const baseModelRow = ownModel(row);
      const limits = { addonsPerAccount: addonsPerAccount(row.accountId), addonsPerDeployment: 1 };
      const inserted = await insertRow(tx, baseModelRow, baseModelRow.isAddon ? limits : null);
      if (inserted === "account full") throw tooManyAddons(row.accountId, limits.addonsPerAccount);
    },
    async onStateChanged(tx, row) {
      await lockAccount(tx, row.accountId);
      switch (row.state) {
        case "CREATING":
          await updateRows(tx, onDeployment(row), { isHidden: false, state: "DEPLOYING", ...OK_STATUS });
          await enqueueReconcile(tx, row);
          return passDefaults(tx, row);
        case "READY":
        case "UPDATING":
          // The reconciler of deployed models sets addons to DEPLOYED when a replica has loaded them.
          return updateRows(tx, and(isOwnModel(row), not(deployedModels.isAddon)), {
            state: "DEPLOYED",
            ...OK_STATUS,
          });
        case "FAILED": {
          const { statusCode, statusMessage } = row;
          return updateRows(tx, onDeployment(row), { state: "DEPLOYING", statusCode, statusMessage });
        }
        case "DELETING":
          await updateRows(tx, onDeployment(row), { state: "UNDEPLOYING", isDefault: false });
          return passDefaults(tx, row);
        case "DELETED":
          return updateRows(tx, onDeployment(row), { isHidden: true });
      }
    },
    async checkDeletable(tx, row) {
      await lockAccount(tx, row.accountId);
      const defaults = await tx
        .select({ model: deployedModels.model })
        .from(deployedModels)
        .where(and(onDeployment(row), deployedModels.isDefault, hasOthers()));
      const [first] = defaults;
      if (first === undefined) return;
      throw new AppError(
        "FAILED_PRECONDITION",
        `The deployment is the default one of ${first.model}, which others serve too. ` +
          "Delete those first, make another one the default, or pass ignoreChecks.",
      );
    },
    async onPurged(tx, row) {
      await tx.delete(deployedModels).where(onDeployment(row));
    },
  };
}

export function tooManyAddons(accountId: string, limit: number): AppError {
  const message = `accounts/${accountId}/quotas/loras is ${limit}: no more LoRA addons are loaded.`;
  return new AppError("RATE_LIMIT_EXCEEDED", message);
}

const OK_STATUS = { statusCode: "", statusMessage: "" };

/** The deployed model of the deployment's own base model. */
function ownModel(row: DeploymentRow): DeployedModelRow {
  return {
    accountId: row.accountId,
    id: newDeployedModelId(row.baseModel),
    model: row.baseModel,
    servedModel: row.servedModel,
    deployment: deploymentName(row),
    serverless: false,
    isAddon: row.baseModel !== row.servedModel,
    isMerged: row.baseModel !== row.servedModel,
    isDefault: false,
    isPublic: false,
    isHidden: false,
    state: "DEPLOYING",
    ...OK_STATUS,
    displayName: "",
    description: "",
    createdBy: row.createdBy,
    createTime: row.createTime,
    updateTime: row.createTime,
    lastUsedTime: row.createTime,
  };
}

/** A new id, `{model}-{suffix}`, of at most 63 characters. */
export function newDeployedModelId(model: string): string {
  const id =
    parseModelName(model)
      ?.modelId.toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, "-") ?? "model";
  return `${id.slice(0, 63 - 9)}-${randomId().slice(0, 8)}`;
}

function onDeployment(row: DeploymentRow): SQL | undefined {
  return eq(deployedModels.deployment, deploymentName(row));
}

function isOwnModel(row: DeploymentRow): SQL | undefined {
  return and(onDeployment(row), eq(deployedModels.model, row.baseModel));
}

/** Whether another deployed model of the account could serve the same model. */
function hasOthers(): SQL {
  return sql`exists (
    select 1 from deployed_models other
    where other.account_id = ${deployedModels.accountId} and other.model = ${deployedModels.model}
      and other.id <> ${deployedModels.id} and not other.is_hidden and other.state <> 'UNDEPLOYING')`;
}

async function updateRows(
  tx: Transaction,
  where: SQL | undefined,
  values: Partial<DeployedModelRow>,
): Promise<void> {
  await tx.update(deployedModels).set(values).where(where);
}

/** Wakes the reconciler for the deployed models of an undeleted deployment. */
async function enqueueReconcile(tx: Transaction, row: DeploymentRow): Promise<void> {
  const rows = await tx.select({ id: deployedModels.id }).from(deployedModels).where(onDeployment(row));
  const keys = rows.map(({ id }) => `${row.accountId}/${id}`);
  await addWork(tx, DEPLOYED_MODEL_WORK, keys, row.updateTime.getTime());
}

async function passDefaults(tx: Transaction, row: DeploymentRow): Promise<void> {
  const models = await tx
    .select({ accountId: deployedModels.accountId, model: deployedModels.model })
    .from(deployedModels)
    .where(and(onDeployment(row), not(deployedModels.isHidden)));
  for (const model of models) await passDefault(tx, model);
}

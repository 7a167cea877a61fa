import type { DeploymentStatus as FleetDeploymentStatus } from "../../fleet/service.ts";
import type { Clock } from "../../lib/clock.ts";
import type { DeployedModelRow, DeployedModelStore } from "./store.ts";
import { deployedModelName } from "./view.ts";

export interface DeployedModelLifecycleDeps {
  store: DeployedModelStore;
  clock: Clock;
  /** Applies the deployments of the database to the fleet of this process. */
  syncFleet(): Promise<void>;
  /** The deployment's state in the fleet of this process; null: the fleet does not run it. @param id in the fleet. */
  observe(id: string): FleetDeploymentStatus | null;
  /** Stores when deployed models were used last, as far as this process knows. */
  flushLastUsed(): Promise<void>;
  /** Whether the deployment exists and is neither DELETING nor DELETED. */
  isLive(deployment: string): Promise<boolean>;
  /** Adds an event to the deployment's timeline. */
  addDeploymentEvent(deployment: string, message: string): Promise<void>;
}

/** Addons without a request for a week are unloaded, to make room for others. */
const UNUSED_MS = 7 * 86_400_000;
/** The fleet's change events wake the reconciler; this interval only makes up for lost events. */
const WAIT_MS = 5_000;
const RECHECK_MS = 5 * 60_000;

/**
 * Takes one step from a deployed model's actual state to its desired one. Idempotent.
 * @returns milliseconds to the next step; null when nothing is left to do.
 */
export async function stepDeployedModel(
  deps: DeployedModelLifecycleDeps,
  accountId: string,
  id: string,
): Promise<number | null> {
  const row = await deps.store.get(accountId, id);
  if (row === null || row.isHidden) return null;
  if (row.state === "UNDEPLOYING") return finishUnloading(deps, row);
  // The hooks of the deployment set the state of its own base model.
  if (!row.isAddon) return null;
  if (!row.serverless && !(await deps.isLive(row.deployment))) {
    await deps.store.remove(accountId, id);
    return null;
  }
  if (isUnused(row, deps.clock.now())) {
    await deps.flushLastUsed();
    if (await unloadUnused(deps, row)) return 0;
  }
  const status = await loraStatusOf(deps, row);
  if (status === null || status.state === "loading") return WAIT_MS;
  await recordLoraStatus(deps, row, status);
  if (status.state === "failed") return WAIT_MS;
  if (row.isMerged) await retirePredecessors(deps, row);
  return RECHECK_MS;
}

/** The fleet's id of the deployment that serves it. */
export function fleetIdOf({ serverless, servedModel, deployment }: DeployedModelRow): string {
  return serverless ? servedModel : deployment;
}

/** Whether `row` was loaded after `other`: a strict total order, by time and then by id. */
export function isNewer(row: DeployedModelRow, other: DeployedModelRow): boolean {
  const apartMs = row.createTime.getTime() - other.createTime.getTime();
  return apartMs === 0 ? row.id > other.id : apartMs > 0;
}

async function loraStatusOf(
  { observe, syncFleet }: DeployedModelLifecycleDeps,
  row: DeployedModelRow,
): Promise<FleetDeploymentStatus["loras"][string] | null> {
  const readStatus = () => observe(fleetIdOf(row))?.loras[deployedModelName(row)] ?? null;
  if (readStatus() === null) await syncFleet();
  return readStatus();
}

async function recordLoraStatus(
  { store, clock, addDeploymentEvent }: DeployedModelLifecycleDeps,
  { accountId, id }: DeployedModelRow,
  status: FleetDeploymentStatus["loras"][string],
): Promise<void> {
  let isNew = false;
  const row = await store.change(accountId, id, new Date(clock.now()), (before) => {
    const isLoaded = status.state === "loaded";
    const next: DeployedModelRow = {
      ...before,
      state: isLoaded && before.state === "DEPLOYING" ? "DEPLOYED" : before.state,
      statusCode: isLoaded ? "" : "FAILED_PRECONDITION",
      statusMessage: isLoaded ? "" : (status.message ?? "It can't be loaded."),
    };
    isNew = next.state !== before.state || next.statusMessage !== before.statusMessage;
    return isNew ? next : null;
  });
  if (!isNew || row === null || row.serverless) return;
  const problem = row.statusMessage === "" ? "is loaded." : `can't be loaded: ${row.statusMessage}`;
  await addDeploymentEvent(row.deployment, `${row.model} ${problem}`);
}

/** Whether the addon is unloaded because nobody uses it. A merged addon is deleted with its deployment alone. */
function isUnused({ isMerged, lastUsedTime }: DeployedModelRow, nowMs: number): boolean {
  return !isMerged && nowMs - lastUsedTime.getTime() >= UNUSED_MS;
}

/** Returns false when a request used the addon in the meantime. */
async function unloadUnused(
  { store, clock, addDeploymentEvent }: DeployedModelLifecycleDeps,
  { accountId, id }: DeployedModelRow,
): Promise<boolean> {
  const now = new Date(clock.now());
  const row = await store.change(accountId, id, now, (before) => {
    if (before.state === "UNDEPLOYING" || !isUnused(before, now.getTime())) return null;
    return { ...before, state: "UNDEPLOYING", isDefault: false, updateTime: now };
  });
  if (row?.state !== "UNDEPLOYING") return false;
  if (!row.serverless)
    await addDeploymentEvent(row.deployment, `${row.model} is unloaded: it was not used for a week.`);
  return true;
}

/** Unloads the addons that were merged into the deployment before `row`, which works now. */
async function retirePredecessors(
  { store, clock }: DeployedModelLifecycleDeps,
  row: DeployedModelRow,
): Promise<void> {
  const now = new Date(clock.now());
  for (const other of await store.ofDeployment(row.deployment)) {
    if (!other.isMerged || !isNewer(row, other) || other.state === "UNDEPLOYING") continue;
    await store.change(other.accountId, other.id, now, (before) => ({
      ...before,
      state: "UNDEPLOYING",
      isDefault: false,
      updateTime: now,
    }));
  }
}

async function finishUnloading(
  deps: DeployedModelLifecycleDeps,
  row: DeployedModelRow,
): Promise<number | null> {
  await deps.syncFleet();
  const isLoaded =
    row.isAddon && (deps.observe(fleetIdOf(row))?.loras[deployedModelName(row)] ?? null) !== null;
  // While its deployment is being deleted the row is kept, because the deployment may be undeleted.
  if (isLoaded || (!row.serverless && !(await deps.isLive(row.deployment)))) return isLoaded ? WAIT_MS : null;
  await deps.store.remove(row.accountId, row.id);
  return null;
}

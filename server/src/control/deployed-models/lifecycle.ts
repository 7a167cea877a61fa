import type { DeploymentStatus as FleetDeploymentStatus } from "../../fleet/service.ts";
import type { Clock } from "../../lib/clock.ts";
import type { DeployedModelRow, DeployedModelStore } from "./store.ts";
import { deployedModelName } from "./view.ts";

export interface DeployedModelLifecycleDeps {
  store: DeployedModelStore;
  clock: Clock;
  /** Brings what the database wants to the fleet of this process. */
  syncFleet(): Promise<void>;
  /** What runs of a deployment, by the fleet's id of it. */
  observe(id: string): FleetDeploymentStatus | null;
  /** Writes down when deployed models were used last, as far as this process knows. */
  flushLastUsed(): Promise<void>;
  /** Whether the deployment is there, and neither deleted nor about to be. */
  isLive(deployment: string): Promise<boolean>;
  /** For the deployment's timeline. */
  addDeploymentEvent(deployment: string, message: string): Promise<void>;
}

/** Addons that nobody has asked for in a week make room for others. */
const UNUSED_MS = 7 * 86_400_000;
/** The fleet tells of what it does; this only makes up for what was missed. */
const WAIT_MS = 5_000;
const LOOK_MS = 5 * 60_000;

/**
 * One step of a deployed model towards what is wanted. Idempotent: everything it does may be done again.
 * @returns milliseconds to the next look; null when nothing is left to do.
 */
export async function stepDeployedModel(
  deps: DeployedModelLifecycleDeps,
  accountId: string,
  id: string,
): Promise<number | null> {
  const row = await deps.store.get(accountId, id);
  if (row === null || row.isHidden) return null;
  if (row.state === "UNDEPLOYING") return finishUnloading(deps, row);
  // What a deployment serves by itself follows its state.
  if (!row.isAddon) return null;
  if (!row.serverless && !(await deps.isLive(row.deployment))) {
    await deps.store.remove(accountId, id);
    return null;
  }
  if (isUnused(row, deps.clock.now())) {
    await deps.flushLastUsed();
    if (await unloadUnused(deps, row)) return 0;
  }
  const adapter = await loraStatusOf(deps, row);
  if (adapter === null || adapter.state === "loading") return WAIT_MS;
  await recordLoraStatus(deps, row, adapter);
  if (adapter.state === "failed") return WAIT_MS;
  if (row.isMerged) await retirePredecessors(deps, row);
  return LOOK_MS;
}

/** The deployment that the fleet knows it by. */
export function fleetIdOf({ serverless, servedModel, deployment }: DeployedModelRow): string {
  return serverless ? servedModel : deployment;
}

/** Whether `row` was loaded after `other`. Never both ways round, and for two rows always one. */
export function isNewer(row: DeployedModelRow, other: DeployedModelRow): boolean {
  const apartMs = row.createTime.getTime() - other.createTime.getTime();
  return apartMs === 0 ? row.id > other.id : apartMs > 0;
}

async function loraStatusOf(
  { observe, syncFleet: apply }: DeployedModelLifecycleDeps,
  row: DeployedModelRow,
): Promise<FleetDeploymentStatus["loras"][string] | null> {
  const look = () => observe(fleetIdOf(row))?.loras[deployedModelName(row)] ?? null;
  if (look() === null) await apply();
  return look();
}

async function recordLoraStatus(
  { store, clock, addDeploymentEvent: note }: DeployedModelLifecycleDeps,
  { accountId, id }: DeployedModelRow,
  adapter: FleetDeploymentStatus["loras"][string],
): Promise<void> {
  let isNew = false;
  const row = await store.change(accountId, id, new Date(clock.now()), (before) => {
    const isLoaded = adapter.state === "loaded";
    const next: DeployedModelRow = {
      ...before,
      state: isLoaded && before.state === "DEPLOYING" ? "DEPLOYED" : before.state,
      statusCode: isLoaded ? "" : "FAILED_PRECONDITION",
      statusMessage: isLoaded ? "" : (adapter.message ?? "It can't be loaded."),
    };
    isNew = next.state !== before.state || next.statusMessage !== before.statusMessage;
    return isNew ? next : null;
  });
  if (!isNew || row === null || row.serverless) return;
  const problem = row.statusMessage === "" ? "is loaded." : `can't be loaded: ${row.statusMessage}`;
  await note(row.deployment, `${row.model} ${problem}`);
}

/** What a deployment was made for goes with the deployment. */
function isUnused({ isMerged, lastUsedTime }: DeployedModelRow, nowMs: number): boolean {
  return !isMerged && nowMs - lastUsedTime.getTime() >= UNUSED_MS;
}

/** False when it was used after all. */
async function unloadUnused(
  { store, clock, addDeploymentEvent: note }: DeployedModelLifecycleDeps,
  { accountId, id }: DeployedModelRow,
): Promise<boolean> {
  const now = new Date(clock.now());
  const row = await store.change(accountId, id, now, (before) => {
    if (before.state === "UNDEPLOYING" || !isUnused(before, now.getTime())) return null;
    return { ...before, state: "UNDEPLOYING", isDefault: false, updateTime: now };
  });
  if (row?.state !== "UNDEPLOYING") return false;
  if (!row.serverless) await note(row.deployment, `${row.model} is unloaded: it was not used for a week.`);
  return true;
}

/** What was merged into the deployment's weights before goes once its successor works. */
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
  const isHeld =
    row.isAddon && (deps.observe(fleetIdOf(row))?.loras[deployedModelName(row)] ?? null) !== null;
  // While its deployment is being deleted the row waits with it: both may be had back.
  if (isHeld || (!row.serverless && !(await deps.isLive(row.deployment)))) return isHeld ? WAIT_MS : null;
  await deps.store.remove(row.accountId, row.id);
  return null;
}

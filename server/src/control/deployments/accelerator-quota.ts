import { replicaBounds } from "./autoscaling.ts";
import { acceleratorsOf } from "./fleet-spec.ts";
import type { DeploymentRow, DeploymentStore } from "./store.ts";
import type { DeploymentOperationDeps } from "./types.ts";

/**
 * Runs `work`, which stores `row`, when the account's quotas allow it. A change that holds no more accelerators and
 * replicas than `before` is always allowed.
 * @throws AppError RATE_LIMIT_EXCEEDED, PAYMENT_REQUIRED.
 */
export async function withinAcceleratorQuota<T>(
  { store, acceleratorQuota, checkGrowth }: DeploymentOperationDeps,
  before: DeploymentRow | null,
  row: DeploymentRow,
  work: () => Promise<T>,
): Promise<T> {
  const needed = acceleratorsOf(row);
  const held = before === null || !isHolding(before) ? null : acceleratorsOf(before);
  if (before === null || !isHolding(before) || hasMoreReplicas(before, row)) checkGrowth(row.accountId);
  const isMore = needed !== null && (held?.type !== needed.type || held.count < needed.count);
  if (!isMore || acceleratorQuota === undefined) return work();
  const others = async () => (await heldAccelerators(store, row.accountId, row.id)).get(needed.type) ?? 0;
  return acceleratorQuota(row.accountId, needed.type, needed.count, others, work);
}

/** The accelerators that the account's deployments hold or may grow to, by type. @param except id of a deployment to leave out. */
export async function heldAccelerators(
  store: Pick<DeploymentStore, "live">,
  accountId: string,
  except?: string,
): Promise<Map<string, number>> {
  const held = new Map<string, number>();
  for (const row of await store.live(new Set([accountId]))) {
    const accelerators = row.id !== except && isHolding(row) ? acceleratorsOf(row) : null;
    if (accelerators === null) continue;
    held.set(accelerators.type, (held.get(accelerators.type) ?? 0) + accelerators.count);
  }
  return held;
}

function hasMoreReplicas(before: DeploymentRow, row: DeploymentRow): boolean {
  const [old, next] = [replicaBounds(before.spec), replicaBounds(row.spec)];
  return next.min > old.min || next.max > old.max;
}

function isHolding({ state }: DeploymentRow): boolean {
  return state !== "FAILED" && state !== "DELETING" && state !== "DELETED";
}

import { replicaBounds } from "./autoscaling.ts";
import type { DeploymentOperationDeps } from "./find-change.ts";
import { acceleratorsOf } from "./fleet-spec.ts";
import type { DeploymentRow, DeploymentStore } from "./store.ts";

/** Does `work`, unless an account would then hold more accelerators of the type than it may. */
export type AcceleratorQuota = <T>(
  accountId: string,
  type: string,
  /** That the deployment would hold. */
  count: number,
  /** That the account's others hold. */
  others: () => Promise<number>,
  work: () => Promise<T>,
) => Promise<T>;

/**
 * Does `work`, which makes the deployment what `row` says. What takes no more than before always may.
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

/** By type: what the account's deployments hold or may grow to. @param except id of one that is left out. */
export async function heldAccelerators(
  store: Pick<DeploymentStore, "live">,
  accountId: string,
  except?: string,
): Promise<Map<string, number>> {
  const held = new Map<string, number>();
  for (const row of await store.live(new Set([accountId]))) {
    const own = row.id !== except && isHolding(row) ? acceleratorsOf(row) : null;
    if (own !== null) held.set(own.type, (held.get(own.type) ?? 0) + own.count);
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

import type { Clock } from "../../lib/clock.ts";
import { authorize, notFound, type Permission, type Principal } from "../accounts/service.ts";
import type { AcceleratorQuota } from "./accelerator-quota.ts";
import type { ShapeSource } from "./apply-shape.ts";
import type { DirectRouteKeys } from "./direct-route-keys.ts";
import type { ModelSource, SizeCheck, WeightsFormatFor } from "./model-compatibility.ts";
import { titleOf } from "./names.ts";
import type { DeploymentChange, DeploymentRow, DeploymentStore } from "./store.ts";

/** What everything about deployments needs. */
export interface DeploymentOperationDeps {
  store: DeploymentStore;
  clock: Clock;
  accounts: { exists(accountId: string): Promise<boolean> };
  models: ModelSource;
  shapes: ShapeSource;
  checkSize: SizeCheck;
  weightsFormatFor: WeightsFormatFor;
  keys: DirectRouteKeys;
  acceleratorQuota: AcceleratorQuota | undefined;
  /** @throws AppError where the account may not run more than it does. */
  checkGrowth(accountId: string): void;
  /** Of the settings; null: not said. */
  hostRegion: string | null;
  /** Tells whoever serves requests in this process that something of the account has changed, and waits for it. */
  notifyChanged(accountId: string): Promise<void>;
}

/** @throws AppError NOT_FOUND, the same for another account's; FORBIDDEN. */
export async function findDeployment(
  { store }: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  id: string,
  right: Permission,
): Promise<DeploymentRow> {
  const title = titleOf(accountId, id);
  authorize(principal, accountId, right, title);
  const row = await store.get(accountId, id);
  if (row === null) throw notFound(title);
  if (right === "write") authorize(principal, accountId, right, title, row.createdBy);
  return row;
}

/** Changes a deployment that was found, and waits until this process serves accordingly. @throws AppError NOT_FOUND. */
export async function changeDeployment(
  { store, clock, notifyChanged: changed }: DeploymentOperationDeps,
  { accountId, id }: DeploymentRow,
  change: (row: DeploymentRow, now: Date) => DeploymentChange | null,
): Promise<DeploymentRow> {
  const now = new Date(clock.now());
  const row = await store.change(accountId, id, now, (before) => change(before, now));
  if (row === null) throw notFound(titleOf(accountId, id));
  await changed(accountId);
  return row;
}

import { authorize, notFound, type Permission, type Principal } from "../accounts/service.ts";
import { titleOf } from "./names.ts";
import type { DeploymentChange, DeploymentRow } from "./store.ts";
import type { DeploymentOperationDeps } from "./types.ts";

/** @throws AppError NOT_FOUND, also for another account's deployment; FORBIDDEN. */
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

/** Changes a deployment and waits until this process runs and routes accordingly. @throws AppError NOT_FOUND. */
export async function changeDeployment(
  { store, clock, notifyChanged }: DeploymentOperationDeps,
  { accountId, id }: DeploymentRow,
  change: (row: DeploymentRow, now: Date) => DeploymentChange | null,
): Promise<DeploymentRow> {
  const now = new Date(clock.now());
  const row = await store.change(accountId, id, now, (before) => change(before, now));
  if (row === null) throw notFound(titleOf(accountId, id));
  await notifyChanged(accountId);
  return row;
}

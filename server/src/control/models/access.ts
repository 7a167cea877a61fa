import { authorize, canSee, notFound, type Principal } from "../accounts/service.ts";
import { modelTitle, parseModelRef } from "./names.ts";
import type { ModelOperationDeps } from "./operation-deps.ts";
import type { ModelRow } from "./store.ts";
import type { ModelRequest, RelatedResources } from "./types.ts";

type StoreOnly = Pick<ModelOperationDeps, "store">;

/** A model that the principal may see. @throws AppError NOT_FOUND. */
export async function getVisibleModel(
  { store }: StoreOnly,
  { principal, model }: ModelRequest,
): Promise<ModelRow> {
  const row = await store.get(model);
  if (row !== null && canSee(principal, model.accountId, row.public)) return row;
  throw notFound(modelTitle(model));
}

/** Like `getVisibleModel`. @param name full or short */
export function getVisibleModelByName(
  deps: StoreOnly,
  principal: Principal,
  name: string,
): Promise<ModelRow> {
  return getVisibleModel(deps, { principal, model: parseModelRef(name) });
}

/** A model that the principal may change. @throws AppError NOT_FOUND, FORBIDDEN. */
export async function getWritableModel(
  { store }: StoreOnly,
  { principal, model }: ModelRequest,
): Promise<ModelRow> {
  const title = modelTitle(model);
  authorize(principal, model.accountId, "write", title);
  const row = await store.get(model);
  if (row === null) throw notFound(title);
  authorize(principal, model.accountId, "write", title, row.createdBy);
  return row;
}

/**
 * @throws AppError FORBIDDEN when the principal may not create models in the account; NOT_FOUND when there is no such
 * account.
 */
export async function requireWritableAccount(
  accounts: RelatedResources["accounts"],
  principal: Principal,
  accountId: string,
): Promise<void> {
  const title = `Account accounts/${accountId}`;
  authorize(principal, accountId, "write", title);
  if (!(await accounts.exists(accountId))) throw notFound(title);
}

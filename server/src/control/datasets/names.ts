import { badRequest } from "../../lib/errors.ts";
import { notFound } from "../accounts/service.ts";

const ID = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const NAME = /^accounts\/([^/]+)\/datasets\/([^/]+)$/;

export function datasetName(accountId: string, id: string): string {
  return `accounts/${accountId}/datasets/${id}`;
}

/** What a refusal calls a dataset. */
export function datasetTitle(accountId: string, id: string): string {
  return `Dataset ${datasetName(accountId, id)}`;
}

/**
 * The id of another dataset of the account, given as an id or a full name.
 * @throws AppError BAD_REQUEST naming `field`; NOT_FOUND for another account.
 */
export function referencedId(field: string, text: string, accountId: string): string {
  const [, account, id] = NAME.exec(text) ?? [null, accountId, text];
  if (!ID.test(account!) || !ID.test(id!)) {
    throw badRequest(field, `${field} must be the id or the name of a dataset.`);
  }
  if (account !== accountId) throw notFound(datasetTitle(account!, id!));
  return id!;
}

import { badRequest } from "../../lib/errors.ts";
import { notFound } from "../accounts/service.ts";

/** The identifiers that make up a dataset's name. Every `DatasetRow` has them. */
export interface DatasetRef {
  accountId: string;
  id: string;
}

const ID = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const NAME = /^accounts\/([^/]+)\/datasets\/([^/]+)$/;

/** The full name, `accounts/{account}/datasets/{dataset}`. */
export function datasetName({ accountId, id }: DatasetRef): string {
  return `accounts/${accountId}/datasets/${id}`;
}

/** How error messages name a dataset. */
export function datasetTitle(ref: DatasetRef): string {
  return `Dataset ${datasetName(ref)}`;
}

/**
 * Parses a reference to another dataset of the account: an id or a full name.
 * @param field the field that holds the reference
 * @returns the id
 * @throws AppError BAD_REQUEST naming `field`; NOT_FOUND for a dataset of another account.
 */
export function parseDatasetReference(field: string, text: string, accountId: string): string {
  const [, account, id] = NAME.exec(text) ?? [null, accountId, text];
  if (!ID.test(account!) || !ID.test(id!)) {
    throw badRequest(field, `${field} must be the id or the name of a dataset.`);
  }
  if (account !== accountId) throw notFound(datasetTitle({ accountId: account!, id: id! }));
  return id!;
}

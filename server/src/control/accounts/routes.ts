import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { AccountBody, CreateAccountQuery, UpdateAccountQuery } from "./schema.ts";
import type { Accounts } from "./service.ts";

export function accountRoutes(accounts: Accounts): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listAccounts",
      method: "GET",
      path: "/v1/accounts",
      query: ListQuerySchema,
      resource: AccountBody,
      handle: ({ principal, query }) => accounts.list(principal, query),
    }),
    // Not part of the Fireworks API: an installation can have several accounts.
    defineRoute({
      operationId: "createAccount",
      method: "POST",
      whenSuspended: "allow",
      path: "/v1/accounts",
      query: CreateAccountQuery,
      body: AccountBody,
      handle: ({ principal, query, body }) => accounts.create(principal, query.accountId, body),
    }),
    // Not part of the Fireworks API, which has the fields but no operation to change them.
    defineRoute({
      operationId: "updateAccount",
      method: "PATCH",
      whenSuspended: "allow",
      path: "/v1/accounts/{account_id}",
      query: UpdateAccountQuery,
      body: AccountBody,
      handle: ({ principal, params, query, body }) =>
        accounts.update(principal, params["account_id"]!, query.updateMask, body),
    }),
    defineRoute({
      operationId: "getAccount",
      method: "GET",
      path: "/v1/accounts/{account_id}",
      resource: AccountBody,
      handle: ({ principal, params }) => accounts.get(principal, params["account_id"]!),
    }),
  ];
}

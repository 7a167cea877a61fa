import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import {
  ApiKeyBody,
  CreateApiKeyRequest,
  DeleteApiKeyRequest,
  UpdateApiKeyBody,
  UpdateApiKeyQuery,
} from "./schema.ts";
import type { ApiKeys } from "./service.ts";

const OF_ACCOUNT = "/v1/accounts/{account_id}/apiKeys";
const OF_USER = "/v1/accounts/{account_id}/users/{user_id}/apiKeys";

/**
 * Paths below the account concern the caller's own keys, or all keys for an admin; paths below a user that user's keys.
 */
export function apiKeyRoutes(keys: ApiKeys): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listApiKeys",
      method: "GET",
      path: OF_ACCOUNT,
      query: ListQuerySchema,
      resource: ApiKeyBody,
      handle: ({ principal, params, query }) => keys.list(principal, params["account_id"]!, null, query),
    }),
    defineRoute({
      operationId: "createApiKey",
      method: "POST",
      whenSuspended: "allow",
      path: OF_ACCOUNT,
      body: CreateApiKeyRequest,
      handle: ({ principal, params, body }) =>
        keys.create(principal, params["account_id"]!, null, body.apiKey),
    }),
    defineRoute({
      operationId: "deleteApiKey",
      method: "POST",
      whenSuspended: "allow",
      path: `${OF_ACCOUNT}:delete`,
      body: DeleteApiKeyRequest,
      async handle({ principal, params, body }) {
        await keys.delete(principal, params["account_id"]!, null, body.keyId);
        return {};
      },
    }),
    defineRoute({
      operationId: "listUserApiKeys",
      method: "GET",
      path: OF_USER,
      query: ListQuerySchema,
      resource: ApiKeyBody,
      handle: ({ principal, params, query }) =>
        keys.list(principal, params["account_id"]!, params["user_id"]!, query),
    }),
    defineRoute({
      operationId: "createUserApiKey",
      method: "POST",
      whenSuspended: "allow",
      path: OF_USER,
      body: CreateApiKeyRequest,
      handle: ({ principal, params, body }) =>
        keys.create(principal, params["account_id"]!, params["user_id"]!, body.apiKey),
    }),
    defineRoute({
      operationId: "deleteUserApiKey",
      method: "POST",
      whenSuspended: "allow",
      path: `${OF_USER}:delete`,
      body: DeleteApiKeyRequest,
      async handle({ principal, params, body }) {
        await keys.delete(principal, params["account_id"]!, params["user_id"]!, body.keyId);
        return {};
      },
    }),
    defineRoute({
      operationId: "getUserApiKey",
      method: "GET",
      path: `${OF_USER}/{key_id}`,
      resource: ApiKeyBody,
      handle: ({ principal, params }) =>
        keys.get(principal, params["account_id"]!, params["user_id"]!, params["key_id"]!),
    }),
    // Not part of the Fireworks API: keys can be renamed, and disabled for a while.
    defineRoute({
      operationId: "updateUserApiKey",
      method: "PATCH",
      whenSuspended: "allow",
      path: `${OF_USER}/{key_id}`,
      query: UpdateApiKeyQuery,
      body: UpdateApiKeyBody,
      handle: ({ principal, params, query, body }) =>
        keys.update(
          principal,
          params["account_id"]!,
          params["user_id"]!,
          params["key_id"]!,
          body,
          query.updateMask,
        ),
    }),
  ];
}

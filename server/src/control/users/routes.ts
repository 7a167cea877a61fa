import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { CreateUserQuery, UpdateUserQuery, UserBody } from "./schema.ts";
import type { Users } from "./service.ts";

const PATH = "/v1/accounts/{account_id}/users";

export function userRoutes(users: Users): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listUsers",
      method: "GET",
      path: PATH,
      query: ListQuerySchema,
      resource: UserBody,
      handle: ({ principal, params, query }) => users.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createUser",
      method: "POST",
      whenSuspended: "allow",
      path: PATH,
      query: CreateUserQuery,
      body: UserBody,
      handle: ({ principal, params, query, body }) =>
        users.create(principal, params["account_id"]!, query.userId, body),
    }),
    defineRoute({
      operationId: "getUser",
      method: "GET",
      path: `${PATH}/{user_id}`,
      resource: UserBody,
      handle: ({ principal, params }) => users.get(principal, params["account_id"]!, params["user_id"]!),
    }),
    defineRoute({
      operationId: "updateUser",
      method: "PATCH",
      whenSuspended: "allow",
      path: `${PATH}/{user_id}`,
      query: UpdateUserQuery,
      body: UserBody,
      handle: ({ principal, params, query, body }) =>
        users.update(principal, params["account_id"]!, params["user_id"]!, body, query.updateMask),
    }),
    defineRoute({
      operationId: "deleteUser",
      method: "DELETE",
      whenSuspended: "allow",
      path: `${PATH}/{user_id}`,
      async handle({ principal, params }) {
        await users.delete(principal, params["account_id"]!, params["user_id"]!);
        return {};
      },
    }),
  ];
}

import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, send, type Target } from "../../../test/harness/http.ts";
import { systemClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { createLog } from "../telemetry/log.ts";
import { defineRoute, registerResources } from "./resources.ts";
import { createHttpServer, type HttpServer } from "./server.ts";

const Thing = Type.Object({
  name: Type.Optional(Type.String({ readOnly: true })),
  displayName: Type.Optional(Type.String({ maxLength: 63 })),
  sizeBytes: Type.Optional(Type.String({ format: "int64", pattern: "^\\d+$" })),
  nested: Type.Optional(
    Type.Object({ count: Type.Optional(Type.Integer()), by: Type.Optional(Type.String({ readOnly: true })) }),
  ),
  labels: Type.Optional(Type.Record(Type.String(), Type.String())),
});

let server: HttpServer;
let target: Target;

beforeAll(async () => {
  server = await createHttpServer({
    clock: systemClock,
    log: createLog("silent"),
    authenticate(authorization) {
      if (authorization !== "Bearer key") throw new AppError("UNAUTHORIZED", "No.");
      return { accountId: "a" };
    },
    direct: [],
    register(app) {
      registerResources(app, [
        defineRoute({
          operationId: "listThings",
          method: "GET",
          path: "/v1/accounts/{account_id}/things",
          query: Type.Object({
            pageSize: Type.Optional(Type.Integer()),
            showDeleted: Type.Optional(Type.Boolean()),
          }),
          resource: Thing,
          async handle({ query, params }) {
            return {
              things: [{ name: params["account_id"], displayName: JSON.stringify(query) }],
              nextPageToken: "",
              totalSize: 1,
            };
          },
        }),
        defineRoute({
          operationId: "createThing",
          method: "POST",
          path: "/v1/accounts/{account_id}/things",
          body: Thing,
          async handle({ body, principal }) {
            return { body, principal };
          },
        }),
        defineRoute({
          operationId: "getThing",
          method: "GET",
          path: "/v1/accounts/{account_id}/things/{thing_id}",
          resource: Thing,
          async handle({ params }) {
            return { name: params["thing_id"], nested: { count: 1, by: "x" } };
          },
        }),
        defineRoute({
          operationId: "updateThing",
          method: "PATCH",
          path: "/v1/accounts/{account_id}/things/{thing_id}",
          body: Thing,
          async handle({ body }) {
            return body;
          },
        }),
        defineRoute({
          operationId: "pokeThing",
          method: "POST",
          path: "/v1/accounts/{account_id}/things/{thing_id}:poke",
          async handle() {
            throw new AppError("FAILED_PRECONDITION", "Not now.");
          },
        }),
      ]);
    },
  });
  target = { port: await server.listen(0, "127.0.0.1"), apiKey: "key" };
});
afterAll(() => server.close(0));

describe("x", () => {
  test("y", async () => {
    const say = async (m: string, p: string, body?: unknown, o = {}) => {
      const r = await send(target, p, { method: m, ...(body === undefined ? {} : { body }), ...o });
      console.log(m, p, r.status, r.text, r.headers.allow ?? "");
    };
    await say("GET", "/v1/accounts/a/things?pageSize=3&showDeleted=true&foo=1");
    await say("GET", "/v1/accounts/a/things?page_size=x");
    await say("GET", "/v1/accounts/a/things?readMask=name");
    await say("GET", "/v1/accounts/a/things/t1?readMask=nested.by");
    await say("GET", "/v1/accounts/a/things/t1?readMask=nested.nope");
    await say("POST", "/v1/accounts/a/things", {
      name: "x",
      displayName: null,
      sizeBytes: 5,
      nested: { count: 2, by: "y" },
      labels: { a: "b" },
    });
    await say("POST", "/v1/accounts/a/things", { foo: 1 });
    await say("POST", "/v1/accounts/a/things", { nested: { foo: 1 } });
    await say("POST", "/v1/accounts/a/things", '{"displayName":"a","displayName":"b"}');
    await say("POST", "/v1/accounts/a/things", "<html>");
    await say("POST", "/v1/accounts/a/things", { displayName: "a\u0000" });
    await say("PATCH", "/v1/accounts/a/things/t", { displayName: null });
    await say("POST", "/v1/accounts/a/things/t:poke", {});
    await say("POST", "/v1/accounts/a/things/t:poke");
    await say("POST", "/v1/accounts/a/things/t:poke", { a: 1 });
    await say("POST", "/v1/accounts/a/things/t:nope");
    await say("DELETE", "/v1/accounts/a/things/t");
    await say("OPTIONS", "/v1/accounts/a/things/t");
    await say("HEAD", "/v1/accounts/a/things/t");
    await say("GET", "/v1/accounts/a/things/" + "t".repeat(300));
    await say("GET", "/v1/accounts/a/things/%00");
    await say("GET", "/v1/accounts/a/nothing");
    await say("GET", "/nothing");
    target.apiKey = null;
    await say("GET", "/v1/accounts/a/things");
    await say("GET", "/v1/accounts/a/things", undefined, { headers: { "x-api-key": "key" } });
    target.apiKey = "key";
    await say("POST", "/v1/accounts/a/things", `{"a":"${"x".repeat(1_100_000)}"}`);
  });
});

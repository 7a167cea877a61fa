import { createHash } from "node:crypto";
import fc from "fast-check";
import { Type } from "typebox";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type HttpResponse,
  type Json,
  post,
  rawResponse,
  type SendOptions,
  send,
  type Target,
} from "../../../test/harness/http.ts";
import { systemClock } from "../../lib/clock.ts";
import { AppError, type ErrorCode } from "../../lib/errors.ts";
import { createLog } from "../telemetry/log.ts";
import { defineRoute, defineUploadRoute, type ResourceRoute, registerResources } from "./resources.ts";
import { createHttpServer, type HttpServer } from "./server.ts";

const THINGS = "/v1/accounts/a/things";
const MAX_UPLOAD_BYTES = 200_000;

const Thing = Type.Object({
  name: Type.Optional(Type.String({ readOnly: true })),
  displayName: Type.Optional(Type.String({ maxLength: 20 })),
  kind: Type.Optional(Type.Enum(["KIND_UNSPECIFIED", "LARGE"])),
  sizeBytes: Type.Optional(Type.String({ format: "int64", pattern: "^\\d{1,19}$" })),
  nested: Type.Optional(
    Type.Object({
      count: Type.Optional(Type.Integer()),
      by: Type.Optional(Type.String({ readOnly: true })),
    }),
  ),
  parts: Type.Optional(Type.Array(Type.Object({ id: Type.Optional(Type.String()) }))),
  labels: Type.Optional(Type.Record(Type.String(), Type.String())),
});

let server: HttpServer;
let target: Target;
/** Arguments of the last call of a route. */
let called: Json;
let failure: AppError | null;

beforeAll(async () => {
  server = await createHttpServer({
    clock: systemClock,
    log: createLog("silent"),
    authenticate(authorization) {
      if (authorization !== "Bearer key") throw new AppError("UNAUTHORIZED", "No.");
      return { accountId: "a" };
    },
    findUnbuilt: (method, path) =>
      ["GET /v1/accounts/a/plans", "POST /v1/audio/plans", `PUT ${THINGS}/t`].includes(`${method} ${path}`)
        ? { operationId: "planThings", acceptsBareKey: path.includes("/audio/") }
        : null,
    rawRoutes: [{ paths: ["/direct"], handle: (exchange) => exchange.json("{}", []) }],
    register: (app) => registerResources(app, routes()),
  });
  target = { port: await server.listen(0, "127.0.0.1"), apiKey: "key" };
});
afterAll(() => server.close(0));
beforeEach(() => {
  called = null;
  failure = null;
});

function routes(): ResourceRoute[] {
  const note = (call: object): void => {
    called = { ...call, left: (call as { signal: AbortSignal }).signal.aborted };
    if (failure !== null) throw failure;
  };
  return [
    defineRoute({
      operationId: "listThings",
      method: "GET",
      path: "/v1/accounts/{account_id}/things",
      query: Type.Object({
        pageSize: Type.Optional(Type.Integer()),
        showDeleted: Type.Optional(Type.Boolean()),
        tags: Type.Optional(Type.Array(Type.String())),
      }),
      resource: Thing,
      async handle(call) {
        note(call);
        return {
          things: [{ name: "one", displayName: "One" }, { name: "two" }],
          nextPageToken: "",
          totalSize: 2,
        };
      },
    }),
    defineRoute({
      operationId: "createThing",
      method: "POST",
      whenSuspended: "allow",
      path: "/v1/accounts/{account_id}/things",
      body: Thing,
      async handle(call) {
        note(call);
        return call.body;
      },
    }),
    defineRoute({
      operationId: "getThing",
      method: "GET",
      path: "/v1/accounts/{account_id}/things/{thing_id}",
      resource: Thing,
      async handle(call) {
        note(call);
        return {
          name: call.params["thing_id"],
          nested: { count: 1, by: "x" },
          labels: { "a.b": "c", k: "v" },
        };
      },
    }),
    defineRoute({
      operationId: "updateThing",
      method: "PATCH",
      whenSuspended: "allow",
      path: "/v1/accounts/{account_id}/things/{thing_id}",
      body: Thing,
      async handle(call) {
        note(call);
        return call.body;
      },
    }),
    defineRoute({
      operationId: "pokeThing",
      method: "POST",
      whenSuspended: "allow",
      path: "/v1/accounts/{account_id}/things/{thing_id}:poke",
      async handle(call) {
        note(call);
        return {};
      },
    }),
    defineRoute({
      operationId: "deleteThing",
      method: "DELETE",
      whenSuspended: "allow",
      path: "/v1/accounts/{account_id}/things/{thing_id}",
      async handle(call) {
        note(call);
        return {};
      },
    }),
    defineUploadRoute({
      operationId: "uploadThing",
      method: "POST",
      whenSuspended: "allow",
      path: "/v1/accounts/{account_id}/things/{thing_id}:upload",
      upload: { maxBytes: MAX_UPLOAD_BYTES },
      async handle(call) {
        note(call);
        const { filename, content } = await call.body.file();
        const hash = createHash("sha256");
        for await (const chunk of content) hash.update(chunk);
        return { filename, sha256: hash.digest("hex") };
      },
    }),
  ];
}

const call = (
  method: string,
  path: string,
  body?: unknown,
  options: SendOptions = {},
): Promise<HttpResponse> =>
  send(target, path, { method, ...(body === undefined ? {} : { body }), ...options });

/** Checks a refusal: gRPC's number, the field in the message's details. */
function expectRefusal(response: HttpResponse, status: number, code: number, field: string | null): void {
  expect(response.status, response.text).toBe(status);
  expect(response.headers["content-type"]).toMatch(/^application\/json/);
  expect(response.json).toEqual({ code, message: expect.stringMatching(/\S/), details: expect.any(Array) });
  const fields = response.json.details.flatMap((detail: Json) =>
    detail.fieldViolations.map((v: Json) => v.field),
  );
  expect(fields).toEqual(field === null ? [] : [field]);
}

describe("a request reaches its route", () => {
  test("with the path's parameters by the contract's names, the principal and the request's id", async () => {
    const response = await call("GET", `${THINGS}/t-1_x.y`);
    expect(response.status).toBe(200);
    expect(called.params).toEqual({ account_id: "a", thing_id: "t-1_x.y" });
    expect(called.principal).toEqual({ accountId: "a" });
    expect(response.headers["x-request-id"]).toBe(called.requestId);
    expect(called.left).toBe(false);
  });

  test("with typed query parameters, also from snake_case, and without unknown ones", async () => {
    await call("GET", `${THINGS}?page_size=3&showDeleted=true&tags=a&tags=b&surprise=1`);
    expect(called.query).toEqual({ pageSize: 3, showDeleted: true, tags: ["a", "b"] });
  });

  test("with a body without output-only fields and nulls, and with 64-bit integers as strings", async () => {
    await call("POST", THINGS, {
      name: "mine",
      displayName: null,
      sizeBytes: 5,
      nested: { count: 2, by: "me" },
      parts: [{ id: "x" }],
      labels: { a: "b" },
    });
    expect(called.body).toEqual({
      sizeBytes: "5",
      nested: { count: 2 },
      parts: [{ id: "x" }],
      labels: { a: "b" },
    });
  });

  test("with a body whose names are snake_case, but not the keys of its maps", async () => {
    const fields = { display_name: "x", size_bytes: 5, labels: { snake_key: "v" } };
    await call("POST", THINGS, fields);
    const read = { displayName: "x", sizeBytes: "5", labels: { snake_key: "v" } };
    expect(called.body).toEqual(read);
    await call("PATCH", `${THINGS}/t`, { display_name: null });
    expect(called.body).toEqual({ displayName: null });
  });

  test("with the nulls of a PATCH, which reset fields to their defaults", async () => {
    await call("PATCH", `${THINGS}/t`, { displayName: null, name: null, nested: { count: null } });
    expect(called.body).toEqual({ displayName: null, nested: { count: null } });
  });

  test.each([undefined, "", {}])("with an empty body if the operation has none: %j", async (body) => {
    const response = await call("POST", `${THINGS}/t:poke`, body);
    expect(response.status, response.text).toBe(200);
    expect(response.json).toEqual({});
  });

  test.each([
    ["without a body", ""],
    ["with an announced body of no bytes", "content-length: 0\r\n"],
    ["with a chunked body of no bytes", "transfer-encoding: chunked\r\n", "0\r\n\r\n"],
  ])("%s, although its content type announces JSON", async (_, framing, body = "") => {
    for (const [method, path] of [
      ["DELETE", `${THINGS}/t`],
      ["POST", `${THINGS}/t:poke`],
      ["POST", THINGS],
      ["PATCH", `${THINGS}/t`],
      ["GET", `${THINGS}/t`],
    ]) {
      const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key\r\n`;
      const request = `${head}content-type: application/json\r\n${framing}\r\n${body}`;
      const reply = await rawResponse(target.port, [request]);
      expect(reply.status, `${method} ${path}: ${reply.text}`).toBe(200);
    }
  });

  test("without a body, although its content type announces a form", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    expect((await call("POST", `${THINGS}/t:poke`, undefined, { headers })).status).toBe(200);
  });

  test.each<[string, unknown, Record<string, string>]>([
    ["JSON", { force: true }, {}],
    ["half an object", '{"force":', {}],
    ["a form", "force=1", { "content-type": "application/x-www-form-urlencoded" }],
    ["bytes", Buffer.alloc(100_000, 255), { "content-type": "application/octet-stream" }],
  ])("of a DELETE whose body, %s, is ignored", async (_, body, headers) => {
    const reply = await call("DELETE", `${THINGS}/t`, body, { headers });
    expect(reply.status, reply.text).toBe(200);
    expect(called.body).toEqual({});
  });

  test("if the colon before its verb is percent-encoded", async () => {
    expect((await call("POST", `${THINGS}/t%3Apoke`, {})).status).toBe(200);
  });

  test("with a JSON body that has no content-type", async () => {
    const request = `POST ${THINGS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key\r\ncontent-length: 20\r\n\r\n`;
    expect((await rawResponse(target.port, [request, '{"displayName": "x"}'])).json).toEqual({
      displayName: "x",
    });
  });

  test("if its key is in x-api-key", async () => {
    const options = { headers: { "x-api-key": "key" } };
    expect((await send({ ...target, apiKey: null }, THINGS, options)).status).toBe(200);
    expect((await post({ ...target, apiKey: null }, "/direct", {}, options)).status).toBe(200);
    const wrong = await send({ ...target, apiKey: "wrong" }, THINGS, options);
    expectRefusal(wrong, 401, 16, null);
  });
});

describe("readMask", () => {
  test.each([
    [
      `${THINGS}?readMask=name`,
      { things: [{ name: "one" }, { name: "two" }], nextPageToken: "", totalSize: 2 },
    ],
    [`${THINGS}/t?readMask=name,nested.by`, { name: "t", nested: { by: "x" } }],
    [`${THINGS}/t?read_mask=labels.k,display_name`, { labels: { k: "v" } }],
  ])("%s returns only the fields of the mask", async (path, expected) => {
    expect((await call("GET", path)).json).toEqual(expected);
  });

  test.each(["", "*", "name,*"])("%j returns all fields", async (mask) => {
    expect((await call("GET", `${THINGS}/t?readMask=${mask}`)).json).toEqual(
      (await call("GET", `${THINGS}/t`)).json,
    );
  });

  test.each([
    "nope",
    "nested.nope",
    "name,",
    "name.x",
    "parts.id",
    "__proto__",
    "labels.__proto__",
    "constructor",
  ])("%s is refused", async (mask) => {
    expectRefusal(await call("GET", `${THINGS}/t?readMask=${mask}`), 400, 3, "readMask");
    expect(called).toBe(null);
  });

  test("is refused by operations that return no resource", async () => {
    expectRefusal(await call("POST", `${THINGS}/t:poke?readMask=name`), 400, 3, "readMask");
  });
});

describe("a request is refused with the name of the field", () => {
  test.each<[string, string, unknown, string]>([
    ["an unknown field", "POST", { surprise: 1 }, "surprise"],
    ["an unknown field of a message", "POST", { nested: { surprise: 1 } }, "nested.surprise"],
    ["an unknown field in a list", "POST", { parts: [{}, { surprise: 1 }] }, "parts[1].surprise"],
    ["an unknown field in a PATCH", "PATCH", { surprise: null }, "surprise"],
    ["a wrong type", "POST", { nested: { count: "2" } }, "nested.count"],
    ["a string that is too long", "POST", { displayName: "x".repeat(21) }, "displayName"],
    ["an integer beyond 53 bits that is a number", "POST", { sizeBytes: 2 ** 60 }, "sizeBytes"],
    ["a duplicate field", "POST", '{"displayName":"a","displayName":"b"}', "displayName"],
    ["a duplicate field, once escaped", "POST", '{"nested":{"count":1,"c\\u006funt":2}}', "count"],
    ["a field by both of its names", "POST", '{"displayName":"a","display_name":"b"}', "displayName"],
    ["an unknown field in snake_case", "POST", { no_such: 1 }, "no_such"],
    ["__proto__", "POST", '{"labels":{"__proto__":"x"}}', "__proto__"],
    ["an array", "POST", [], "body"],
    ["a string", "POST", '"x"', "body"],
    ["HTML", "POST", "<html></html>", "body"],
    ["half an object", "POST", '{"displayName":', "body"],
    ["bytes that are not UTF-8", "POST", Buffer.from([0x22, 0xff, 0x22]), "body"],
    ["a byte order mark", "POST", `\ufeff{}`, "body"],
    ["U+0000", "POST", { displayName: "a\0" }, "body"],
    ["U+0000 in a name", "POST", { labels: { "a\0": "" } }, "body"],
    ["an unpaired surrogate", "POST", '{"displayName":"\\ud800"}', "displayName"],
    ["deep nesting", "POST", `{"labels":${"[".repeat(60)}${"]".repeat(60)}}`, "body"],
    ["very deep nesting", "POST", `{"labels":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, "body"],
  ])("for %s", async (_, method, body, field) => {
    const path = method === "PATCH" ? `${THINGS}/t` : THINGS;
    expectRefusal(
      await call(method, path, body, { headers: { "content-type": "application/json" } }),
      400,
      3,
      field,
    );
    expect(called).toBe(null);
  });

  test.each<[string, string]>([
    ["pageSize=x", "pageSize"],
    ["pageSize=1.5", "pageSize"],
    ["pageSize=1&pageSize=2", "pageSize"],
    ["pageSize=1&page_size=2", "pageSize"],
    ["showDeleted=yes", "showDeleted"],
    ["tags=%00", "tags"],
  ])("for the parameter %s", async (query, field) => {
    expectRefusal(await call("GET", `${THINGS}?${query}`), 400, 3, field);
  });

  test("for an unknown enum value; the message lists the known ones", async () => {
    const response = await call("POST", THINGS, { kind: "SMALL" });
    expectRefusal(response, 400, 3, "kind");
    expect(response.json.message).toBe("kind must be one of KIND_UNSPECIFIED, LARGE.");
  });

  test("for a body of an operation that has none", async () => {
    expectRefusal(await call("POST", `${THINGS}/t:poke`, { force: true }), 400, 3, "force");
  });

  test.each(["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])(
    "for a body of the type %s",
    async (type) => {
      const options = { headers: { "content-type": type } };
      expectRefusal(await call("POST", THINGS, "{}", options), 400, 3, "content-type");
    },
  );

  test("for a compressed body", async () => {
    const options = { headers: { "content-encoding": "gzip" } };
    expectRefusal(await call("POST", THINGS, "{}", options), 400, 3, "content-encoding");
  });

  test("for a body above a megabyte", async () => {
    expectRefusal(await call("POST", THINGS, { displayName: "x".repeat(1_000_000) }), 413, 8, "body");
  });

  test("or succeeds, whatever text the body is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (body) => {
        const response = await call("POST", THINGS, body, {
          headers: { "content-type": "application/json" },
        });
        if (response.status !== 200) {
          expect(response.status).toBe(400);
          expect(response.json).toMatchObject({
            code: 3,
            message: expect.any(String),
            details: expect.any(Array),
          });
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("an error response arrives whole while the client still sends the body", () => {
  const head = (method: string, ...headers: string[]): string =>
    [`${method} ${THINGS} HTTP/1.1`, "host: x", "authorization: Bearer key", ...headers, "", ""].join("\r\n");

  test.each<[string, string, number]>([
    ["for a body that is announced too large", head("POST", "content-length: 20000000"), 413],
    [
      "for a client that asks to close the connection",
      head("POST", "content-length: 20000000", "connection: close"),
      413,
    ],
    ["for a wrong method", head("DELETE", "content-length: 20000000", "connection: close"), 405],
    ["for a wrong key", head("POST", "content-length: 20000000").replace("Bearer key", "Bearer x"), 401],
  ])("%s", async (_, request, status) => {
    for (let i = 0; i < 5; i++) {
      const response = await rawResponse(target.port, [request, Buffer.alloc(20_000_000, 97)]);
      expect(response.status).toBe(status);
      expect(response.json.message).toMatch(/\S/);
    }
  });
});

describe("paths and methods", () => {
  test.each([
    `${THINGS}/t:nope`,
    `${THINGS}/t/parts`,
    `${THINGS}/..%2ft`,
    `${THINGS}/%00`,
    `${THINGS}/${"t".repeat(128)}`,
    `${THINGS}/-t`,
    "/v1/accounts",
    "/v1/accounts/",
    "/v1/validateModelConfig",
  ])("%s answers 404", async (path) => {
    expectRefusal(await call("GET", path), 404, 5, null);
  });

  test.each([
    `${THINGS}/`,
    `/${THINGS}`,
    THINGS.replaceAll("/", "//"),
    `/v1${THINGS}`,
    `/inference/v1${THINGS}/`,
    `//v1/inference/${THINGS}?pageSize=1`,
    `${THINGS}/?pageSize=1`,
  ])("%s leads to the same route", async (path) => {
    expect((await call("GET", path)).json).toMatchObject({ totalSize: 2 });
    expect(called.params).toEqual({ account_id: "a" });
    expectRefusal(await send({ ...target, apiKey: null }, path), 401, 16, null);
  });

  test("a route outside the framework is found under the same spellings", async () => {
    for (const path of ["/direct/", "//direct", "//direct//?x=1"]) {
      expect((await post(target, path, {})).status, path).toBe(200);
      expect((await post({ ...target, apiKey: null }, path, {})).status, path).toBe(401);
      expect((await call("GET", path)).status, path).toBe(405);
    }
  });

  test.each([`${THINGS}/%`, `${THINGS}/%ff`])("%s is malformed and answers 400", async (path) => {
    expectRefusal(await call("GET", path), 400, 3, null);
  });

  test.each(["/v1/accountsx", "//", "/v1/models", "/nothing", "/inference/v1/accounts"])(
    "%s answers 404 in the data plane's error shape",
    async (path) => {
      const response = await call("GET", path);
      expect(response.status).toBe(404);
      expect(response.json.error).toMatchObject({ code: "NOT_FOUND", object: "error" });
    },
  );

  test.each(["/nothing", `${THINGS}/t:nope`, "/v1/accounts/a/nothing"])(
    "%s answers 404 whatever the content type and the body are",
    async (path) => {
      const types = ["application/json", "text/plain", "multipart/form-data", "nonsense"];
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        for (const type of types) {
          for (const body of method === "GET" ? [undefined] : [undefined, "{", "{}"]) {
            const reply = await call(method, path, body, { headers: { "content-type": type } });
            expect(reply.status, `${method} ${type} ${body}: ${reply.text}`).toBe(404);
          }
        }
      }
    },
  );

  test.each([
    ["DELETE", THINGS, "GET, POST, HEAD, OPTIONS"],
    ["PUT", `${THINGS}/u`, "GET, PATCH, DELETE, HEAD, OPTIONS"],
    ["GET", `${THINGS}/t:poke`, "POST, OPTIONS"],
    ["PATCH", `${THINGS}/t:upload`, "POST, OPTIONS"],
  ])("%s %s answers 405 with the allowed methods", async (method, path, allow) => {
    const response = await call(method, path, method === "GET" ? undefined : "<not even JSON>");
    expectRefusal(response, 405, 12, null);
    expect(response.headers.allow).toBe(allow);
  });

  test("an operation that is not built answers 501 in its plane's shape, to keys alone", async () => {
    for (const [method, path] of [
      ["GET", "/v1/accounts/a/plans"],
      ["PUT", `${THINGS}/t`],
    ] as const) {
      const reply = await call(method, path);
      expectRefusal(reply, 501, 12, null);
      expect(reply.json.message).toContain("planThings");
      expect((await send({ ...target, apiKey: null }, path, { method })).status).toBe(401);
    }
    const reply = await post(target, "/v1/audio/plans", "{");
    expect(reply.status).toBe(501);
    expect(reply.json.error).toMatchObject({ code: "NOT_IMPLEMENTED", object: "error" });
  });

  test("an operation whose clients send a bare key takes it, and no other operation does", async () => {
    const bare = { ...target, apiKey: null };
    const headers = { authorization: "key" };
    const status = async (path: string, options: SendOptions): Promise<number> =>
      (await send(bare, path, { method: "POST", ...options })).status;
    expect(await status("/v1/audio/plans", { headers })).toBe(501);
    expect(await status("/v1/audio/plans?Authorization=key", {})).toBe(501);
    expect(await status("/v1/audio/plans", { headers: { authorization: "wrong" } })).toBe(401);
    expect(await status("/v1/audio/plans?Authorization=wrong", {})).toBe(401);
    expect(await status("/nothing", { headers })).toBe(401);
    expect(await status("/nothing?Authorization=key", {})).toBe(401);
    expect((await send(bare, "/v1/accounts/a/plans", { headers })).status).toBe(401);
  });

  test("OPTIONS answers with the allowed methods, HEAD like GET without the body", async () => {
    const options = await call("OPTIONS", THINGS);
    expect(options).toMatchObject({ status: 204, text: "", headers: { allow: "GET, POST, HEAD, OPTIONS" } });
    const head = await call("HEAD", THINGS);
    const get = await call("GET", THINGS);
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe(get.headers["content-length"]);
  });

  test("a request without a key learns neither which paths exist nor which methods are allowed", async () => {
    for (const [method, path] of [
      ["GET", THINGS],
      ["DELETE", THINGS],
      ["OPTIONS", THINGS],
      ["GET", "/v1/accounts/a/nothing"],
    ] as const) {
      const response = await send({ ...target, apiKey: null }, path, { method });
      expectRefusal(response, 401, 16, null);
      expect(response.headers).toMatchObject({ "www-authenticate": "Bearer" });
      expect(response.headers.allow).toBeUndefined();
    }
  });
});

describe("errors of a route", () => {
  test.each<[ErrorCode, number, number]>([
    ["BAD_REQUEST", 400, 3],
    ["FORBIDDEN", 403, 7],
    ["NOT_FOUND", 404, 5],
    ["ALREADY_EXISTS", 409, 6],
    ["ABORTED", 409, 10],
    ["FAILED_PRECONDITION", 400, 9],
    ["RATE_LIMIT_EXCEEDED", 429, 8],
    ["PAYMENT_REQUIRED", 402, 8],
    ["UNAVAILABLE", 503, 14],
    ["DEADLINE_EXCEEDED", 504, 4],
    ["INTERNAL", 500, 13],
  ])("%s is HTTP %i with gRPC's number %i", async (code, status, number) => {
    failure = new AppError(code, "No.", { param: "x.y", retryAfterS: 7 });
    const response = await call("GET", THINGS);
    expectRefusal(response, status, number, "x.y");
    expect(response.headers["retry-after"]).toBe("7");
    expect(response.headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
  });

  test("an unexpected error is INTERNAL, and its message is not sent", async () => {
    failure = new Error("secret") as AppError;
    const response = await call("GET", THINGS);
    expectRefusal(response, 500, 13, null);
    expect(response.text).not.toContain("secret");
  });
});

describe("uploads", () => {
  const form = (...parts: [name: string, filename: string | null, content: string][]): SendOptions => ({
    headers: { "content-type": "multipart/form-data; boundary=frontier" },
    method: "POST",
    body: `${parts
      .map(
        ([name, filename, content]) =>
          `--frontier\r\ncontent-disposition: form-data; name="${name}"` +
          `${filename === null ? "" : `; filename="${filename}"`}\r\n\r\n${content}\r\n`,
      )
      .join("")}--frontier--\r\n`,
  });
  const upload = (options: SendOptions): Promise<HttpResponse> => send(target, `${THINGS}/t:upload`, options);

  test.each([0, 1, 70_000, MAX_UPLOAD_BYTES])("a file of %i bytes arrives whole", async (sizeBytes) => {
    const content = "x".repeat(sizeBytes);
    const response = await upload(form(["file", "a.jsonl", content]));
    expect(response.status, response.text).toBe(200);
    expect(response.json).toEqual({
      filename: "a.jsonl",
      sha256: createHash("sha256").update(content).digest("hex"),
    });
  });

  test("a path in the file's name reaches the route unchanged", async () => {
    const response = await upload(form(["file", "../a/b.jsonl", "1"]));
    expect((response.json as { filename: string }).filename).toBe("../a/b.jsonl");
  });

  test("a file that is too large is refused, whether its length is announced or not", async () => {
    const large = form(["file", "a", "x".repeat(MAX_UPLOAD_BYTES + 1)]);
    expectRefusal(await upload(large), 413, 8, "file");
    const larger = form(["file", "a", "x".repeat(MAX_UPLOAD_BYTES + 100_000)]);
    expectRefusal(await upload(larger), 413, 8, "file");
  });

  test.each<[string, SendOptions, string]>([
    ["no file", form(["note", null, "hi"]), "file"],
    ["a field before the file", form(["note", null, "hi"], ["file", "a", "1"]), "file"],
    ["a field after the file", form(["file", "a", "1"], ["note", null, "hi"]), "file"],
    ["a file by another name", form(["data", "a", "1"]), "file"],
    ["two files", form(["file", "a", "1"], ["file", "b", "2"]), "file"],
    [
      "many fields",
      form(...Array.from({ length: 20 }, () => ["n", null, ""] as [string, null, string])),
      "file",
    ],
    [
      "no end",
      { ...form(), body: '--frontier\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx' },
      "file",
    ],
    [
      "no boundary",
      { ...form(["file", "a", "1"]), headers: { "content-type": "multipart/form-data" } },
      "file",
    ],
    ["JSON", { method: "POST", body: {} }, "content-type"],
    ["nothing", { method: "POST" }, "content-type"],
  ])("%s instead of a file is refused", async (_, options, field) => {
    expectRefusal(await upload(options), 400, 3, field);
  });

  test("a request is refused before its file is read, and the response arrives while the file is still sent", async () => {
    failure = new AppError("NOT_FOUND", "Thing not found.");
    expectRefusal(await upload(form(["file", "a", "x".repeat(3_000_000)])), 404, 5, null);
  });
});

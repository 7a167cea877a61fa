import { expect, test } from "vitest";
import { Fireworks } from "./client.ts";
import {
  type ApiError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  ConnectionError,
  FailedPreconditionError,
  InputError,
  InvalidResponseError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
  TimeoutError,
  UnavailableError,
} from "./errors.ts";
import type { FireworksOptions } from "./settings.ts";
import { controlError, instantRuntime, json, type Reply, scriptedFetch, systemError } from "./testing.ts";

const KEY = "fw_secret_key";

function clientOf(replies: readonly Reply[], options: FireworksOptions = {}) {
  const { fetch, sent } = scriptedFetch(...replies);
  const runtime = instantRuntime();
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const settings = { apiKey: KEY, baseURL: "http://host:1", accountId: "team", fetch, log, ...options };
  return { client: new Fireworks(settings, runtime), sent, runtime, lines };
}

const getModel = (client: Fireworks, options = {}) => client.models.get("m", {}, options);

test("the key is in one header of every request and nowhere else", async () => {
  const { client, sent, lines } = clientOf([json({ name: "n" }), json({ models: [] })]);
  await getModel(client);
  await client.models.list().page();
  for (const one of sent) expect(one.headers.get("authorization")).toBe(`Bearer ${KEY}`);
  expect(sent.map(({ path }) => path)).toEqual(["/v1/accounts/team/models/m", "/v1/accounts/team/models"]);
  expect(lines.join("\n") + JSON.stringify(client)).not.toContain(KEY);
});

test.each([
  [400, 3, BadRequestError, "INVALID_ARGUMENT"],
  [400, 9, FailedPreconditionError, "FAILED_PRECONDITION"],
  [401, 16, AuthenticationError, "UNAUTHENTICATED"],
  [403, 7, PermissionDeniedError, "PERMISSION_DENIED"],
  [404, 5, NotFoundError, "NOT_FOUND"],
  [409, 6, ConflictError, "ALREADY_EXISTS"],
  [501, 12, ServerError, "UNIMPLEMENTED"],
])("a %i with the code %i has its own error class", async (status, code, Class, name) => {
  const { client } = clientOf([controlError(status, code, "Why.")], { maxRetries: 0 });
  const error = (await getModel(client).catch((one: unknown) => one)) as ApiError;
  expect(error).toBeInstanceOf(Class);
  expect(error).toMatchObject({ status, code: name, message: "Why.", requestId: "r1", name: Class.name });
});

test("an error names the invalid field in both formats of the API", async () => {
  const details = [{ "@type": "x", fieldViolations: [{ field: "model.kind", description: "d" }] }];
  const { client } = clientOf([
    json({ code: 3, message: "m", details }, 400),
    json(
      { error: { message: "m", type: "invalid_request_error", code: "BAD_REQUEST", param: "top_k" } },
      400,
    ),
    json({ type: "error", error: { type: "overloaded_error", message: "m" } }, 400),
    json({ error: "plain" }, 400),
  ]);
  await expect(getModel(client)).rejects.toMatchObject({ param: "model.kind", details });
  await expect(getModel(client)).rejects.toMatchObject({ param: "top_k", code: "BAD_REQUEST" });
  await expect(getModel(client)).rejects.toMatchObject({ param: null, code: "overloaded_error" });
  await expect(getModel(client)).rejects.toMatchObject({ message: "plain" });
});

test("a key that the server echoes is removed from the message", async () => {
  const { client } = clientOf([controlError(401, 16, `The key ${KEY} is wrong.`)]);
  await expect(getModel(client)).rejects.toThrow("The key … is wrong.");
});

test("a read is retried after temporary failures with growing pauses", async () => {
  const failures = [
    systemError("ECONNRESET"),
    controlError(500, 13, "x"),
    new Response("<html>", { status: 502 }),
  ];
  const { client, runtime } = clientOf([...failures, json({ name: "n" })]);
  expect(await getModel(client)).toEqual({ name: "n" });
  expect(runtime.pausesMs).toEqual([500, 1_000, 2_000]);
});

test("the error of the last attempt is thrown", async () => {
  const { client, sent } = clientOf([systemError("ECONNRESET"), controlError(503, 14, "Busy.")], {
    maxRetries: 1,
  });
  await expect(getModel(client)).rejects.toBeInstanceOf(UnavailableError);
  expect(sent).toHaveLength(2);
});

test("retry-after is waited for up to its limit", async () => {
  const limited = (after: string) => json({ code: 8, message: "Slow." }, 429, { "retry-after": after });
  const { client, runtime } = clientOf([limited("7"), json({}), limited("61")]);
  await getModel(client);
  expect(runtime.pausesMs).toEqual([7_000]);
  const error = (await getModel(client).catch((one: unknown) => one)) as RateLimitError;
  expect(error).toBeInstanceOf(RateLimitError);
  expect(error.retryAfterMs).toBe(61_000);
});

const body = { model: "m", prompt: "p" };

test("a request that isn't idempotent is sent again only when the server has not processed it", async () => {
  const passing: Reply[] = [
    controlError(429, 8, "x"),
    controlError(503, 14, "x"),
    systemError("ECONNREFUSED"),
  ];
  const done = json({ choices: [] });
  const { client, sent } = clientOf([...passing, done]);
  await client.completions.create(body);
  expect(sent).toHaveLength(4);
  for (const failure of [systemError("ECONNRESET"), controlError(500, 13, "x"), controlError(504, 4, "x")]) {
    const once = clientOf([failure]);
    await expect(once.client.completions.create(body)).rejects.toThrow();
    expect(once.sent).toHaveLength(1);
  }
});

test("an unreachable host is named", async () => {
  const { client } = clientOf([systemError("ENOTFOUND"), systemError("ECONNRESET")], { maxRetries: 0 });
  await expect(getModel(client)).rejects.toThrow("http://host:1 can't be reached (ENOTFOUND).");
  await expect(getModel(client)).rejects.toThrow("The connection to http://host:1 broke (ECONNRESET).");
});

test("a body that breaks off throws a ConnectionError", async () => {
  const cut = () => {
    let isFirst = true;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (isFirst) controller.enqueue(new TextEncoder().encode('{"name":'));
        else controller.error(systemError("UND_ERR_SOCKET"));
        isFirst = false;
      },
    });
    return new Response(stream, { headers: { "content-type": "application/json" } });
  };
  const { client, sent } = clientOf([cut, cut], { maxRetries: 1 });
  await expect(getModel(client)).rejects.toBeInstanceOf(ConnectionError);
  expect(sent).toHaveLength(2);
});

test.each([
  ["a web page", new Response("<!doctype html>", { headers: { "content-type": "text/html" } })],
  [
    "a web page that says 404",
    new Response("<html>", { status: 404, headers: { "content-type": "text/html" } }),
  ],
  ["half of a JSON text", new Response('{"name"', { headers: { "content-type": "application/json" } })],
  ["a number", json(5)],
  ["a 403 without a word", new Response("", { status: 403 })],
])("a host that answers %s is named, and the error is not an ApiError", async (_, reply) => {
  const { client } = clientOf([reply]);
  const error = await getModel(client).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(InvalidResponseError);
  expect(String(error)).toContain("http://host:1 answered");
});

test("a redirected POST throws", async () => {
  const redirected = Object.defineProperties(json({}), {
    redirected: { value: true },
    url: { value: "https://elsewhere/x?secret" },
  });
  const { client } = clientOf([redirected]);
  await expect(client.completions.create(body)).rejects.toThrow(/a redirect to https:\/\/elsewhere\. /);
});

/** A `fetch` that never responds and rejects on abort. */
const silence: Reply = (_, signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("a silent host fails after the timeout", async () => {
  const { client, sent } = clientOf([silence, silence]);
  const error = await getModel(client, { timeoutMs: 1, maxRetries: 1 }).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(TimeoutError);
  expect(String(error)).toContain("http://host:1 did not answer within 1 ms.");
  expect(sent).toHaveLength(2);
});

test("an abort rejects the call with its reason before, during and between attempts", async () => {
  const reason = new Error("enough");
  const { client, sent } = clientOf([silence]);
  await expect(getModel(client, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(sent).toHaveLength(0);
  const during = new AbortController();
  const call = getModel(client, { signal: during.signal });
  during.abort(reason);
  await expect(call).rejects.toBe(reason);
  const between = new AbortController();
  const failing: Reply = () => {
    between.abort(reason);
    return controlError(500, 13, "x");
  };
  await expect(getModel(clientOf([failing]).client, { signal: between.signal })).rejects.toBe(reason);
});

test("headers of the client and of the call are sent, and invalid headers are not quoted", async () => {
  const { client, sent } = clientOf([json({})], { headers: { "x-a": "1", "x-b": "1" } });
  await getModel(client, { headers: { "x-b": "2" } });
  expect(sent[0]?.headers.get("x-a")).toBe("1");
  expect(sent[0]?.headers.get("x-b")).toBe("2");
  const error = await getModel(client, { headers: { "x-c": "a\nsecret" } }).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).not.toContain("secret");
});

test("the account defaults to the key's account, which is requested once", async () => {
  const account = json({}, 200, { "x-fireworks-account-id": "acme" });
  const { client, sent } = clientOf([controlError(401, 16, "No."), account, json({}), json({}), json({})], {
    accountId: undefined,
  });
  await expect(client.accountId()).rejects.toBeInstanceOf(AuthenticationError);
  await Promise.all([getModel(client), getModel(client)]);
  await getModel(client, { accountId: "accounts/other" });
  expect(sent.slice(1).map(({ path }) => path)).toEqual([
    "/verifyApiKey",
    "/v1/accounts/acme/models/m",
    "/v1/accounts/acme/models/m",
    "/v1/accounts/other/models/m",
  ]);
});

test("a raw request returns the JSON of its response", async () => {
  const { client, sent } = clientOf([json({ a: 1 })]);
  expect(
    await client.request({ method: "POST", path: "/v1/accounts?accountId=x", body: { email: "e" } }),
  ).toEqual({
    a: 1,
  });
  expect(sent[0]).toMatchObject({ method: "POST", path: "/v1/accounts?accountId=x", body: { email: "e" } });
  await expect(client.request({ method: "GET", path: "https://evil" })).rejects.toThrow(InputError);
  const page = clientOf([new Response("<html>")]).client;
  await expect(page.request({ method: "GET", path: "/" })).rejects.toBeInstanceOf(InvalidResponseError);
});

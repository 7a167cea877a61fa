import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Hearth, MODEL, startHearth } from "../harness/hearth.ts";
import { type Json, openStream, post, rawResponse, send, stream } from "../harness/http.ts";
import { contract, expectError, expectShape } from "./contract.ts";
import { contract as controlPlane } from "./control-plane-contract.ts";

const CHAT = "/inference/v1/chat/completions";
const COMPLETIONS = "/inference/v1/completions";
const UPSTREAM = "accounts/local/models/upstream";
const GONE = "accounts/local/models/gone";

let hearth: Hearth;
let upstream: Server;
/** The body of the last request that reached the attached engine. */
let lastBody: Json;

beforeAll(async () => {
  upstream = createServer(misbehave);
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  hearth = await startHearth({
    env: {
      HEARTH_ATTACHED_ENGINES: `${UPSTREAM}=http://127.0.0.1:${port}/v1,${GONE}=http://127.0.0.1:9/v1`,
    },
  });
});

afterAll(() => {
  upstream.closeAllConnections();
  upstream.close();
});

/** An attached engine whose behaviour the prompt chooses. */
async function misbehave(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === "GET") {
    // The platform's health check.
    response.end("{}");
    return;
  }
  let text = "";
  for await (const piece of request) text += piece;
  lastBody = text === "" ? null : JSON.parse(text);
  if (text.includes("garbage")) response.end("not JSON");
  else if (text.includes("busy")) response.writeHead(429).end("{}");
  else if (text.includes("late")) response.writeHead(408).end("{}");
  else if (text.includes("break off")) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const choice = { index: 0, delta: { role: "assistant", content: "Half" }, finish_reason: null };
    response.write(
      `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", created: 1, model: "m", choices: [choice] })}\n\n`,
      () => response.destroy(),
    );
  } else response.writeHead(404).end("{}");
}

const hello = { model: MODEL, messages: [{ role: "user", content: "Hello" }], max_tokens: 6 };
const toUpstream = (content: string) => ({ model: UPSTREAM, messages: [{ role: "user", content }] });

describe("responses have the contract's shapes", () => {
  test.each([{}, { n: 2 }, { stop: ["e"] }, { max_tokens: 0 }, { logprobs: false, echo: false }])(
    "for a chat completion with %j",
    async (extra) => {
      const response = await post(hearth, CHAT, { ...hello, ...extra });
      expect(response.status, response.text).toBe(200);
      expect(response.headers["content-type"]).toMatch(/^application\/json/);
      expectShape("ChatCompletionResponse", response.json);
    },
  );

  test.each([{}, { n: 2 }, { max_tokens: 0 }])("for a completion with %j", async (extra) => {
    const response = await post(hearth, COMPLETIONS, {
      model: MODEL,
      prompt: "One two",
      max_tokens: 6,
      ...extra,
    });
    expect(response.status, response.text).toBe(200);
    expectShape("CompletionResponse", response.json);
  });

  test.each([{}, { stream_options: { include_usage: true } }, { n: 2 }, { max_tokens: 0 }])(
    "for streams with %j, which end with [DONE]",
    async (extra) => {
      for (const [path, schema, body] of [
        [CHAT, "ChatCompletionChunk", hello],
        [COMPLETIONS, "CompletionChunk", { model: MODEL, prompt: "One two", max_tokens: 6 }],
      ] as const) {
        const response = await stream(hearth, path, { ...body, ...extra });
        expect(response.status).toBe(200);
        expect(response.headers["content-type"]).toMatch(/^text\/event-stream/);
        expect(response).toMatchObject({ done: true, whole: true });
        for (const chunk of response.chunks) expectShape(schema, chunk);
        expect(new Set(response.chunks.map((chunk) => chunk.id)).size).toBe(1);
      }
    },
  );

  test("for the list of models and for one model", async () => {
    for (const prefix of ["/inference/v1", "/v1"]) {
      const list = await send(hearth, `${prefix}/models`);
      expect(list.status).toBe(200);
      expectShape("ModelList", list.json);
      for (const { id } of list.json.data) {
        const one = await send(hearth, `${prefix}/models/${id}`);
        expectShape("ModelEntry", one.json);
        expect(one.json).toEqual(list.json.data.find((entry: Json) => entry.id === id));
      }
    }
    const first = await send(hearth, "/inference/v1/models?page_size=1");
    expect(first.json.data).toHaveLength(1);
  });

  test("for verifyApiKey, which names the key's account", async () => {
    const response = await send(hearth, "/verifyApiKey");
    expect(response.status).toBe(200);
    expect(response.headers["x-fireworks-account-id"]).toBe("local");
    expect(response.json).toBeTypeOf("object");
  });
});

/** Operations beyond the contract: docs/usage.md, docs/billing.md, docs/limits.md. */
const OWN_OPERATIONS = [
  "usage get",
  "usage:export get",
  "billing get",
  "billing patch",
  "invoices get",
  "invoices/{invoice_id} get",
  ...["payments", "credits", "adjustments"].map((name) => `${name} post`),
  ...["payments", "credits", "adjustments", "transactions"].flatMap((name) => [
    `${name} get`,
    `${name}/{transaction_id} get`,
  ]),
  "auditLogs get",
  "reservations post",
].map((operation) => {
  const [path, method] = operation.split(" ");
  return `${method} /v1/accounts/{account_id}/${path}`;
});

describe("the server's own description", () => {
  test("names only request fields of the contract", async () => {
    const own = (await send(hearth, "/openapi.json")).json;
    for (const [path, schema] of [
      [CHAT, "ChatCompletionRequest"],
      [COMPLETIONS, "CompletionRequest"],
    ] as const) {
      const body = own.paths[path].post.requestBody.content["application/json"].schema;
      const known = contract.components.schemas[schema].properties;
      const unknown = Object.keys(body.properties).filter((name) => known[name] === undefined);
      expect(unknown, path).toEqual([]);
      expect(body.required).toEqual(expect.arrayContaining(contract.components.schemas[schema].required));
    }
  });

  test("names only paths of the contract, and the platform's own few", async () => {
    const own = (await send(hearth, "/openapi.json")).json;
    const known = new Set([
      "get /health",
      "get /metrics",
      "get /openapi.json",
      "post /v1/accounts",
      "patch /v1/accounts/{account_id}",
      "get /v1/accounts/{account_id}/deployments/{deployment_id}/events",
      "patch /v1/accounts/{account_id}/users/{user_id}/apiKeys/{key_id}",
      ...OWN_OPERATIONS,
    ]);
    const both = { ...contract.paths, ...controlPlane.paths };
    for (const [path, operations] of Object.entries<Json>(both)) {
      for (const method of Object.keys(operations)) {
        for (const one of [path, ...(operations[method]["x-aliases"] ?? [])]) known.add(`${method} ${one}`);
      }
    }
    const named = Object.entries<Json>(own.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    // The contract lists the prefix /v1 for some operations only; the platform serves all under both.
    const long = (operation: string): string => operation.replace(" /v1/", " /inference/v1/");
    expect(named.filter((operation) => !known.has(operation) && !known.has(long(operation)))).toEqual([]);
    expect(named).toContain(`post ${CHAT}`);
  });
});

describe("errors have exactly the contract's codes and shapes", () => {
  test("with 400 for a value out of range", async () => {
    expectError(await post(hearth, CHAT, { ...hello, temperature: 3 }), "BAD_REQUEST", "temperature");
    expectError(await post(hearth, COMPLETIONS, { model: MODEL }), "BAD_REQUEST", "prompt");
  });

  test("with 400 for a prompt that does not fit the context", async () => {
    const long = "word ".repeat(9_000);
    const chat = { ...hello, messages: [{ role: "user", content: long }] };
    expectError(await post(hearth, CHAT, chat), "BAD_REQUEST", "messages");
    expectError(await post(hearth, CHAT, { ...chat, stream: true }), "BAD_REQUEST", "messages");
    expectError(await post(hearth, COMPLETIONS, { model: MODEL, prompt: long }), "BAD_REQUEST", "prompt");
  });

  test("with 401 and the scheme to use for a missing key", async () => {
    for (const path of [CHAT, "/inference/v1/models", "/nothing"]) {
      const response = await post({ ...hearth, apiKey: null }, path, hello);
      expectError(response, "UNAUTHORIZED", null);
      expect(response.headers["www-authenticate"]).toBe("Bearer");
    }
  });

  test("with 404 for an unknown model", async () => {
    for (const model of ["accounts/fireworks/models/none", "accounts/other/models/x", "gpt-4o", "x/y/z"]) {
      expectError(await post(hearth, CHAT, { ...hello, model }), "NOT_FOUND", "model");
      expectError(await send(hearth, `/inference/v1/models/${model}`), "NOT_FOUND", "model");
    }
  });

  test("with 404 for an unknown path", async () => {
    expectError(await send(hearth, "/inference/v1/nothing"), "NOT_FOUND", null);
    expectError(await post(hearth, "/", {}), "NOT_FOUND", null);
  });

  test.each([
    ["GET", CHAT, "POST"],
    ["DELETE", "/v1/completions", "POST"],
    ["PUT", CHAT, "POST"],
    ["POST", "/inference/v1/models", "GET"],
    ["DELETE", "/verifyApiKey", "GET"],
  ])("with 405 and the allowed methods for %s %s", async (method, path, allowed) => {
    const response = await send(hearth, path, { method });
    expectError(response, "METHOD_NOT_ALLOWED", null);
    expect(response.headers.allow).toBe(allowed);
  });

  test("with 413 for a body that is too large, before it is sent", async () => {
    const response = await rawResponse(
      hearth.port,
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${hearth.apiKey}\r\n` +
        "content-type: application/json\r\ncontent-length: 20000000\r\n\r\n",
    );
    expectError(response, "PAYLOAD_TOO_LARGE", "body");
  });

  test("with 502 for an engine that answers nonsense", async () => {
    expectError(await post(hearth, CHAT, toUpstream("garbage")), "BAD_GATEWAY", null);
  });

  test("with 503 and retry-after for an engine that is busy or gone", async () => {
    for (const body of [toUpstream("busy"), { ...toUpstream(""), model: GONE }]) {
      for (const extra of [{}, { stream: true }]) {
        const response = await post(hearth, CHAT, { ...body, ...extra });
        expectError(response, "UNAVAILABLE", null);
        expect(response.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
      }
    }
  });

  test("with 504 for an engine that is too slow", async () => {
    expectError(await post(hearth, CHAT, toUpstream("late")), "DEADLINE_EXCEEDED", null);
  });

  test("when a stream breaks off: it ends with an error event and [DONE]", async () => {
    const opened = await openStream(hearth, CHAT, toUpstream("break off"));
    const response = await opened.read();
    expect(response).toMatchObject({ status: 200, done: true, whole: true, text: "Half" });
    const last = response.chunks.at(-1);
    expectShape("ErrorResponse", last);
    expect(last.error).toMatchObject({ object: "error", code: "UNAVAILABLE", type: "server_error" });
  });

  test("without max_tokens the engine is asked for 2048", async () => {
    await post(hearth, CHAT, toUpstream("busy"));
    expect(lastBody.max_tokens).toBe(2048);
    await post(hearth, CHAT, { ...toUpstream("busy"), max_completion_tokens: 9 });
    expect(lastBody.max_tokens).toBe(9);
  });

  test("every refusal carries the request's id", async () => {
    for (const [path, body] of [
      [CHAT, {}],
      [CHAT, "{"],
      ["/inference/v1/nothing", {}],
    ] as const) {
      expect((await post(hearth, path, body)).headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
    }
  });
});

import { beforeAll, describe, expect, test } from "vitest";
import { MODEL, type SharedHearth, sharedHearth } from "../harness/hearth.ts";
import { type HttpResponse, post, rawResponse, send } from "../harness/http.ts";
import { expectError } from "./contract.ts";
import { expectRefusal } from "./control-plane-contract.ts";

const CHAT = "/inference/v1/chat/completions";
const hello = { model: MODEL, messages: [{ role: "user", content: "Hello" }], max_tokens: 1 };

let hearth: SharedHearth;

beforeAll(async () => {
  const shared = await sharedHearth();
  hearth = { ...shared, apiKey: shared.operatorKey };
});

/** Writes the request's head byte for byte: HTTP clients normalise targets and headers. */
async function raw(method: string, target: string, headers: string[] = [], body = ""): Promise<HttpResponse> {
  const head = [
    `${method} ${target} HTTP/1.1`,
    `host: 127.0.0.1:${hearth.port}`,
    "connection: close",
    ...(body === "" ? [] : ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`]),
    ...headers,
  ];
  return rawResponse(hearth.port, `${head.join("\r\n")}\r\n\r\n${body}`);
}

const PATHS = [
  "chat/completions",
  "completions",
  "models",
  `models/${MODEL}`,
  "models/none",
  "embeddings",
  "audio/transcriptions",
  "nothing",
  "",
];
const TARGETS = [
  ...["/inference/v1/", "/v1/", "/inference/", "/"].flatMap((prefix) => PATHS.map((path) => prefix + path)),
  "/verifyApiKey",
  "/openapi.json",
  "/console",
  ...PATHS.map((path) => `//inference//v1//${path}`),
  ...PATHS.map((path) => `/inference/v1/${path}/`),
  ...PATHS.map((path) => `/inference%2Fv1%2F${path.replaceAll("/", "%2f")}`),
  ...PATHS.map((path) => `/inference/v1/${path.replace("c", "%63").replace("m", "%6D")}`),
  ...PATHS.map((path) => `/inference/v1/${path}?key=1#fragment`),
  ...PATHS.map((path) => `/INFERENCE/V1/${path.toUpperCase()}`),
  ...PATHS.map((path) => `/inference/v1/./x/../${path}`),
  ...PATHS.map((path) => `/inference/v1/${path};session=1`),
  "/verifyApiKey/",
  "//verifyApiKey",
  "/verify%41piKey",
  "/openapi%2ejson",
  "//openapi.json",
  "/health/../openapi.json",
  "/health/..%2fopenapi.json",
  "/health%2f..%2fopenapi.json",
  "/health;/../verifyApiKey",
  "/health/verifyApiKey",
  "/health%00",
  "/metrics/../verifyApiKey",
  "/inference/v1/models/%00",
  "/inference/v1/models/..%2f..%2f..%2fetc%2fpasswd",
];

describe("without a key", () => {
  test.each(TARGETS)("%s answers 401 to GET and to POST", async (target) => {
    for (const response of [await raw("GET", target), await raw("POST", target, [], JSON.stringify(hello))]) {
      expectError(response, "UNAUTHORIZED", null);
      expect(response.headers["www-authenticate"]).toBe("Bearer");
    }
  });

  test.each(["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])(
    "%s answers 401",
    async (method) => {
      for (const target of [CHAT, "/v1/models", "/verifyApiKey", "/nothing"]) {
        expect((await raw(method, target)).status, target).toBe(401);
      }
    },
  );

  test("a request target with scheme and host gets 401, also with another host's name", async () => {
    for (const origin of [`http://127.0.0.1:${hearth.port}`, "http://elsewhere.example", "https://x:1"]) {
      for (const path of [CHAT, "/v1/models", "/verifyApiKey"]) {
        expectError(await raw("GET", origin + path), "UNAUTHORIZED", null);
        expectError(await raw("POST", origin + path, [], JSON.stringify(hello)), "UNAUTHORIZED", null);
      }
    }
  });

  test("a request target that is not a URL is refused", async () => {
    for (const target of ["/%", "/%zz", "/inference/v1/models/%ff", "/v1/models/%E0%A4%A", "*", "?", "x"]) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        expect([400, 401], `${method} ${target}`).toContain((await raw(method, target)).status);
      }
    }
  });

  test("a request gets 401 before its body has arrived", async () => {
    const head = `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`;
    expectError(await rawResponse(hearth.port, head), "UNAUTHORIZED", null);
  });

  test("/health answers 200", async () => {
    const response = await send({ ...hearth, apiKey: null }, "/health?from=balancer");
    expect(response.status).toBe(200);
    expect(response.json.status).toBe("ok");
  });

  test("/metrics answers 200 to this machine and 401 through a proxy on it", async () => {
    expect((await raw("GET", "/metrics")).status).toBe(200);
    for (const header of ["x-forwarded-for: 203.0.113.9", "forwarded: for=203.0.113.9"]) {
      expectError(await raw("GET", "/metrics", [header]), "UNAUTHORIZED", null);
      expect((await raw("GET", "/metrics", [header, `authorization: Bearer ${hearth.apiKey}`])).status).toBe(
        200,
      );
    }
  });
});

test.each([
  "/v1/accounts",
  "/v1/accounts/local/models",
  "/v1/accounts/none/nothing:verb",
  "/v1/validateModelConfig",
])("%s answers 401 without a key, in the control plane's shape", async (target) => {
  for (const method of ["GET", "POST", "DELETE", "OPTIONS"]) {
    const response = await raw(method, target);
    expectRefusal(response, "UNAUTHENTICATED", null);
    expect(response.headers["www-authenticate"]).toBe("Bearer");
  }
});

describe("an Authorization header", () => {
  const key = (): string => hearth.apiKey;
  const other = `fw_${"0".repeat(32)}`;
  const headers: [string, () => string][] = [
    ["an unknown key", () => `Bearer ${other}`],
    ["the key without its last letter", () => `Bearer ${key().slice(0, -1)}`],
    ["the key and one letter more", () => `Bearer ${key()}0`],
    ["the key in capitals", () => `Bearer ${key().toUpperCase()}`],
    ["two keys", () => `Bearer ${other} ${key()}`],
    ["two keys with a comma", () => `Bearer ${other}, Bearer ${key()}`],
    ["the bare key", () => key()],
    ["another scheme", () => `Basic ${Buffer.from(`x:${key()}`).toString("base64")}`],
    ["the scheme run into the key", () => `Bearer${key()}`],
    ["a scheme of another name", () => `Bearers ${key()}`],
    ["the scheme alone", () => "Bearer"],
    ["an empty key", () => "Bearer  "],
    ["nothing", () => ""],
    ["a key in quotes", () => `Bearer "${key()}"`],
    ["a very long key", () => `Bearer ${"f".repeat(8000)}`],
    ["a key that is long by its end", () => `Bearer ${key()}${" ".repeat(400)}x`],
    ["bytes above ASCII", () => `Bearer ${key()}\u00e9`],
    ["a property of objects", () => "Bearer __proto__"],
  ];

  test.each(headers)("gets 401 on every route when it is %s", async (_, header) => {
    for (const target of [CHAT, "/v1/models", "/nothing"]) {
      const response = await raw("POST", target, [`authorization: ${header()}`], JSON.stringify(hello));
      expectError(response, "UNAUTHORIZED", null);
      expect(response.json.error.message).not.toContain("fw_");
    }
  });

  test.each(["\u0000", "\u0001", "\u007f", "\n", "\r"])(
    "ends the request when it has control character %j",
    async (character) => {
      const response = await raw("GET", "/v1/models", [
        `authorization: Bearer ${key().slice(0, 9)}${character}${key().slice(9)}`,
      ]);
      expect([400, 401]).toContain(response.status);
    },
  );

  test("can't be replaced by a cookie, a query parameter or an unknown header", async () => {
    for (const headers of [[`cookie: Authorization=Bearer ${key()}`], [`api-key: ${key()}`]]) {
      expectError(await raw("GET", `/v1/models?Authorization=${key()}`, headers), "UNAUTHORIZED", null);
    }
  });

  test("can be replaced by x-api-key, which is ignored when both are sent", async () => {
    for (const target of ["/v1/models", "/v1/accounts/local"]) {
      expect((await raw("GET", target, [`x-api-key: ${key()}`])).status).toBe(200);
      expect((await raw("GET", target, [`x-api-key: ${other}`])).status).toBe(401);
      const both = [`x-api-key: ${key()}`, `authorization: Bearer ${other}`];
      expect((await raw("GET", target, both)).status).toBe(401);
    }
  });

  test("with a wrong key is not made up for by a second header with the right key", async () => {
    const [bad, good] = [`authorization: Bearer ${other}`, `authorization: Bearer ${key()}`];
    for (const target of [CHAT, "/v1/models"]) {
      expectError(await raw("POST", target, [bad, good], JSON.stringify(hello)), "UNAUTHORIZED", null);
    }
  });
});

describe("with the key", () => {
  test("the scheme is case-insensitive and both path prefixes work", async () => {
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      const response = await raw("GET", "/v1/models", [`authorization: ${scheme} ${hearth.apiKey}`]);
      expect(response.status).toBe(200);
    }
    for (const prefix of ["/inference/v1", "/v1"]) {
      expect((await post(hearth, `${prefix}/chat/completions`, hello)).status).toBe(200);
      expect(
        (await post(hearth, `${prefix}/completions`, { model: MODEL, prompt: "x", max_tokens: 1 })).status,
      ).toBe(200);
      expect((await send(hearth, `${prefix}/models`)).status).toBe(200);
    }
  });

  test("unknown paths and spellings get 404", async () => {
    for (const target of ["/inference%2Fv1/models", "/V1/models", "/v2/models"]) {
      expect((await send(hearth, target)).status, target).toBe(404);
    }
  });

  test("paths of base URLs with a slash or a prefix too many reach the same routes and need the key as well", async () => {
    for (const target of [
      "//inference/v1/models",
      "/inference/v1/models/",
      "/inference/v1/v1/models",
      "/v1/v1/models",
    ]) {
      expect((await send(hearth, target)).status, target).toBe(200);
      expect((await send({ ...hearth, apiKey: null }, target)).status, target).toBe(401);
    }
    for (const target of ["/inference/v1/v1/chat/completions", "/v1//chat/completions/"]) {
      expect((await post(hearth, target, hello)).status, target).toBe(200);
      expect((await post({ ...hearth, apiKey: null }, target, hello)).status, target).toBe(401);
    }
  });

  test("a request target in absolute form reaches the same route and needs the key as well", async () => {
    const target = `http://127.0.0.1:${hearth.port}${CHAT}`;
    const body = JSON.stringify(hello);
    expectError(await raw("POST", target, [], body), "UNAUTHORIZED", null);
    expect((await raw("POST", target, [`authorization: Bearer ${hearth.apiKey}`], body)).status).toBe(200);
    expect((await raw("GET", `http://127.0.0.1:${hearth.port}/health`)).status).toBe(200);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HttpResponse, type SendOptions, send, type Target } from "../../../test/harness/http.ts";
import { systemClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { createLog } from "../telemetry/log.ts";
import type { CorsOrigins } from "./cors.ts";
import { createHttpServer, type HttpServer } from "./server.ts";

const PAGE = "https://app.example";

const servers: HttpServer[] = [];
let listed: Target;
let open: Target;
let off: Target;

async function start(corsOrigins: CorsOrigins | undefined): Promise<Target> {
  const server = await createHttpServer({
    clock: systemClock,
    log: createLog("silent"),
    corsOrigins,
    authenticate(authorization) {
      if (authorization !== "Bearer key") throw new AppError("UNAUTHORIZED", "No.");
      return {};
    },
    rawRoutes: [{ paths: ["/raw"], handle: (exchange) => exchange.json("{}", ["x-own", "1"]) }],
    register(app) {
      app.get("/things", async () => ({}));
      app.get("/local", { config: { open: "loopback" } }, async () => ({}));
      app.put("/signed", { config: { open: "always" } }, async () => ({}));
    },
  });
  servers.push(server);
  return { port: await server.listen(0, "127.0.0.1"), apiKey: "key" };
}

beforeAll(async () => {
  listed = await start(new Set([PAGE, "http://localhost:3000"]));
  open = await start("*");
  off = await start(undefined);
});
afterAll(() => Promise.all(servers.map((server) => server.close(0))));

const from = (origin: string, options: SendOptions = {}): SendOptions => ({
  ...options,
  headers: { ...options.headers, origin },
});

function preflight(target: Target, path: string, origin: string, headers?: string): Promise<HttpResponse> {
  return send({ ...target, apiKey: null }, path, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      ...(headers === undefined ? {} : { "access-control-request-headers": headers }),
    },
  });
}

describe("a web page of an origin that is let in", () => {
  test("gets its preflight answered without a key, on every path", async () => {
    for (const path of ["/raw", "/things", "/signed", "/nothing", "/v1/accounts/a/models"]) {
      const reply = await preflight(listed, path, PAGE, "authorization, content-type,x-own");
      expect(reply).toMatchObject({ status: 204, text: "" });
      expect(reply.headers).toMatchObject({
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization, content-type,x-own",
        "access-control-max-age": "7200",
        vary: "origin",
      });
    }
  });

  test("may read every response and all its headers, errors included", async () => {
    const replies = [
      await send(listed, "/raw", from(PAGE, { method: "POST", body: {} })),
      await send(listed, "/things", from(PAGE)),
      await send({ ...listed, apiKey: null }, "/signed", from(PAGE, { method: "PUT" })),
      await send({ ...listed, apiKey: null }, "/raw", from(PAGE, { method: "POST", body: {} })),
      await send(listed, "/nothing", from(PAGE)),
    ];
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 401, 404]);
    for (const { headers } of replies) {
      expect(headers["access-control-allow-origin"]).toBe(PAGE);
      expect(headers["access-control-expose-headers"]).toBe("*");
    }
    expect(replies[0]?.headers["x-own"]).toBe("1");
    expect(replies[0]?.headers["content-type"]).toMatch(/^application\/json/);
  });

  test("is any page when all are let in", async () => {
    const reply = await preflight(open, "/raw", "null", "authorization");
    expect(reply.headers).toMatchObject({ "access-control-allow-origin": "*" });
    expect(reply.headers.vary).toBeUndefined();
    const read = await send(open, "/things", from("https://any.example"));
    expect(read.headers["access-control-allow-origin"]).toBe("*");
  });

  test("gets no header names echoed that are none", async () => {
    const reply = await preflight(listed, "/raw", PAGE, "a b\tc, ;");
    expect(reply.status).toBe(204);
    expect(reply.headers["access-control-allow-headers"]).toBeUndefined();
  });

  test("needs a key where programs of this machine need none", async () => {
    const local = { ...open, apiKey: null };
    expect((await send(local, "/local")).status).toBe(200);
    expect((await send(local, "/local", from(PAGE))).status).toBe(401);
  });
});

describe("a web page of another origin", () => {
  test.each([
    "https://evil.example",
    "https://app.example.evil.example",
    "http://app.example",
    "https://app.example:8443",
    "null",
  ])("%s may read nothing", async (origin) => {
    const refused = await preflight(listed, "/raw", origin);
    expect(refused.status).toBe(401);
    const served = await send(listed, "/things", from(origin));
    for (const { headers } of [refused, served]) {
      expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect(headers.vary).toBe("origin");
    }
  });
});

test("no response has headers for web pages when no origin is let in", async () => {
  expect((await preflight(off, "/raw", PAGE)).status).toBe(401);
  const { headers } = await send(off, "/things", from(PAGE));
  expect(Object.keys(headers).filter((name) => /^(access-control|vary)/.test(name))).toEqual([]);
});

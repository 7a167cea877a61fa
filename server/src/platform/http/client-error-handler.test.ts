import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rawExchange, rawResponse } from "../../../test/harness/http.ts";
import { systemClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { createLog } from "../telemetry/log.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { createHttpServer, type HttpServer } from "./server.ts";

/** Error codes that the route got for the bodies, in order; null for a body that was read. */
const bodyErrors: (string | null)[] = [];
let server: HttpServer;
let port: number;

beforeAll(async () => {
  server = await createHttpServer({
    clock: systemClock,
    log: createLog("silent"),
    headersTimeoutMs: 300,
    requestTimeoutMs: 600,
    authenticate(authorization) {
      if (authorization !== "Bearer key") throw new AppError("UNAUTHORIZED", "No.");
      return {};
    },
    rawRoutes: [
      {
        paths: ["/echo"],
        handle(exchange: HttpExchange<object>) {
          exchange.readJson(1_000_000, (error, body) => {
            bodyErrors.push(error?.code ?? null);
            if (error !== null) exchange.fail(error);
            else exchange.json(JSON.stringify(body), []);
          });
        },
      },
    ],
    register() {},
  });
  port = await server.listen(0, "127.0.0.1");
});

afterAll(() => server.close(0));

const head = (...headers: string[]): string =>
  ["POST /echo HTTP/1.1", "host: x", "authorization: Bearer key", ...headers, "", ""].join("\r\n");

describe("a request that fails while it is received", () => {
  it("gets 408 and a closed connection if its head doesn't arrive in time", async () => {
    const text = await rawExchange(port, "POST /echo HTTP/1.1\r\nhost: x\r\n");
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(text).toContain('"code":"REQUEST_TIMEOUT"');
  });

  it("gets 408 from the route, which is called back once, if its body doesn't arrive in time", async () => {
    bodyErrors.length = 0;
    const text = await rawExchange(port, `${head("content-length: 100")}{"a":`);
    expect(text).toMatch(/^HTTP\/1\.1 408 [\s\S]*x-request-id: [0-9a-f]{32}/);
    expect(text).toMatch(/"code":"REQUEST_TIMEOUT","param":"body","object":"error"\}\}$/);
    expect(bodyErrors).toEqual(["REQUEST_TIMEOUT"]);
  });

  it("gets 400 from the route if a chunk of its body is malformed", async () => {
    bodyErrors.length = 0;
    const text = await rawExchange(port, `${head("transfer-encoding: chunked")}zz\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*"param":"body","object":"error"\}\}$/);
    expect(bodyErrors).toEqual(["BAD_REQUEST"]);
  });

  it("is reported to the route alone if its client disconnects", async () => {
    bodyErrors.length = 0;
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`${head("content-length: 100")}{`, () => setImmediate(() => socket.resetAndDestroy()));
    });
    await expect.poll(() => bodyErrors).toEqual(["REQUEST_TIMEOUT"]);
  });

  it("leaves the response to the request before it intact if garbage follows", async () => {
    const text = await rawExchange(port, `${head("content-length: 2")}{}\u0000\u0001\r\n\r\n`);
    if (text !== "") expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*\{\}/);
    expect(text.split("{}").length).toBeLessThanOrEqual(2);
  });
});

describe("an error response arrives whole", () => {
  it.each([
    ["413 for a body that is announced too large", head("content-length: 20000000"), 413],
    [
      "413 for a client that asks to close the connection",
      head("content-length: 20000000", "connection: close"),
      413,
    ],
    ["401 for a wrong key", head("content-length: 20000000").replace("Bearer key", "Bearer x"), 401],
  ])("with %s, while the client still sends the body", async (_, request, status) => {
    for (let i = 0; i < 5; i++) {
      const response = await rawResponse(port, [request, Buffer.alloc(20_000_000, 97)]);
      expect(response.status).toBe(status);
      expect(response.json.error.object).toBe("error");
    }
  });

  it("with 431 for a head of a megabyte", async () => {
    for (let i = 0; i < 5; i++) {
      const response = await rawResponse(port, head(`x: ${"a".repeat(1_000_000)}`));
      expect(response.status).toBe(431);
      expect(response.json.error.param).toBe("headers");
    }
  });

  it("and the connection serves the next request once the refused body was sent", async () => {
    const refused = head("content-length: 2000000") + "x".repeat(2_000_000);
    const next = `${head("content-length: 7", "connection: close")}{"b":2}`;
    const text = await rawExchange(port, [refused, next]);
    expect(text).toMatch(/^HTTP\/1\.1 413 [\s\S]*HTTP\/1\.1 200 [\s\S]*\{"b":2\}$/);
  });
});

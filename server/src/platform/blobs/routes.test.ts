import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rawExchange } from "../../../test/harness/http.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { originOf } from "../http/origin.ts";
import { createHttpServer, type HttpServer } from "../http/server.ts";
import { createLog } from "../telemetry/log.ts";
import type { Blobs } from "./blobs.ts";
import { chunksOf, contentOf } from "./contract.ts";
import { createLocalBlobs } from "./local.ts";
import { blobRoutes } from "./routes.ts";
import { SignedUrls } from "./signed-urls.ts";

const folder = mkdtempSync(join(tmpdir(), "hearth-blob-routes-"));
const clock = new FakeClock();
let server: HttpServer;
let port: number;
let blobs: Blobs;
/** Failures that the server logs as its own. */
const failures: unknown[] = [];

beforeAll(async () => {
  const urls = new SignedUrls(Buffer.alloc(32, 7), clock);
  const store = createLocalBlobs({
    folder,
    clock,
    urls,
    origin: (asked) => asked || `http://127.0.0.1:${port}`,
  });
  blobs = store.blobs;
  mkdirSync(join(folder, "objects"));
  const log = createLog("silent");
  log.error = (entry: unknown) => failures.push(entry);
  server = await createHttpServer({
    clock,
    log,
    headersTimeoutMs: 2_000,
    requestTimeoutMs: 4_000,
    authenticate() {
      throw new AppError("UNAUTHORIZED", "No.");
    },
    rawRoutes: [],
    register(app) {
      blobRoutes(app, { blobs, uploads: store.uploads, urls });
      app.get("/url", { config: { open: "always" } }, async ({ headers }) => ({
        url: await blobs.downloadUrl("f", { expiresInMs: 1_000, origin: originOf(headers) }),
      }));
    },
  });
  port = await server.listen(0, "127.0.0.1");
});
afterAll(async () => {
  await server.close(0);
  rmSync(folder, { recursive: true, force: true });
});

const HOUR_MS = 3_600_000;
let keys = 0;
const newKey = (): string => `uploads/file-${keys++}`;

function uploadUrl(key: string, sizeBytes: number): Promise<string> {
  return blobs.uploadUrl(key, { sizeBytes, expiresInMs: HOUR_MS, resumable: true });
}

async function put(url: string, body: string | null, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: "PUT",
    body,
    headers: { "content-type": "application/octet-stream", ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    range: response.headers.get("range"),
    code: JSON.parse(text).error?.code,
  };
}

async function stored(key: string): Promise<string | null> {
  return (await blobs.stat(key)) === null ? null : (await contentOf(await blobs.read(key))).toString();
}

describe("a signed upload URL", () => {
  test("accepts one file of any content type without an API key, and no second file", async () => {
    for (const type of ["application/octet-stream", "application/json", "text/html", "multipart/form-data"]) {
      const key = newKey();
      const url = await uploadUrl(key, 5);
      expect(
        await put(url, "hello", { "content-type": type, "x-goog-content-length-range": "5,5" }),
      ).toMatchObject({ status: 200 });
      expect(await put(url, "HELLO")).toMatchObject({ status: 409, code: "ALREADY_EXISTS" });
      expect(await stored(key)).toBe("hello");
      await blobs.move(key, `${key}-sealed`);
      expect(await put(url, "HELLO")).toMatchObject({ status: 409 });
      expect(await stored(key)).toBeNull();
    }
  });

  test("accepts an empty file", async () => {
    const key = newKey();
    expect(await put(await uploadUrl(key, 0), "")).toMatchObject({ status: 200 });
    expect(await stored(key)).toBe("");
  });

  test.each(["hell", "hello!", "", "x".repeat(300_000)].map((body) => [body.length, body] as const))(
    "refuses a file of another size than the signed one: %i bytes",
    async (_, body) => {
      const key = newKey();
      const url = await uploadUrl(key, 5);
      expect(await put(url, body)).toMatchObject({ status: 400 });
      const { pathname, search } = new URL(url);
      const piece = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
      const head = `PUT ${pathname}${search} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`;
      expect(await rawExchange(port, `${head}${piece}0\r\n\r\n`)).toContain(" 400 ");
      expect(await stored(key)).toBeNull();
      expect(await put(url, "hello")).toMatchObject({ status: 200 });
    },
  );

  test("is refused when any part was altered, before the body is read", async () => {
    const key = newKey();
    const url = await uploadUrl(key, 5);
    const altered = [
      url.replace("size=5", "size=6"),
      url.replace("size=5", "size=5&size=6"),
      url.replace(/expires=\d/, "expires=9"),
      url.replace(/upload=./, "upload=x"),
      url.replace(key, `${key}0`),
      url.replace(key, "uploads/../../secret"),
      url.replace(key, "uploads/%2e%2e%2f%2e%2e%2fsecret"),
      url.replace(key, "%2fetc%2fpasswd"),
      url.replace(key, `${key}%00`),
      url.replace(/signature=.*/, ""),
      url.replace(/signature=.*/, "signature="),
      url.replace(/signature=.*/, `signature=${"A".repeat(43)}`),
      url.replace(/signature=.*/, `signature=${"A".repeat(5_000)}`),
      (await blobs.downloadUrl(key, { expiresInMs: HOUR_MS })).replace(
        /.*(?=\/blobs)/,
        `http://127.0.0.1:${port}`,
      ),
    ];
    for (const bad of altered) {
      expect(bad).not.toBe(url);
      expect([401, 403], bad).toContain((await put(bad, "hello!")).status);
    }
    expect(
      readdirSync(folder, { recursive: true }).filter((name) => String(name).includes("secret")),
    ).toEqual([]);
    expect(await put(url, "hello")).toMatchObject({ status: 200 });
  });

  test("does not allow downloads or other methods", async () => {
    const key = newKey();
    const url = await uploadUrl(key, 5);
    await put(url, "hello");
    expect((await fetch(url)).status).toBe(403);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(401);
    expect((await fetch(`http://127.0.0.1:${port}/blobs/${key}`)).status).toBe(403);
    expect((await fetch(`http://127.0.0.1:${port}/blobs/`)).status).toBe(403);
  });

  test("expires", async () => {
    const key = newKey();
    const url = await blobs.uploadUrl(key, { sizeBytes: 5, expiresInMs: 1_000, resumable: false });
    clock.advance(1_000);
    expect(await put(url, "hello")).toMatchObject({ status: 403, code: "FORBIDDEN" });
    expect(await stored(key)).toBeNull();
  });

  test("for 10 GB occupies no space before the bytes arrive, and is refused when the disk can't hold the file", async () => {
    const url = await uploadUrl(newKey(), 10_000_000_000);
    expect(await put(url, "abc", { "content-range": "bytes 0-2/10000000000" })).toMatchObject({
      status: 308,
      range: "bytes=0-2",
    });
    const huge = await uploadUrl(newKey(), 2 ** 50);
    expect(await put(huge, "abc", { "content-range": `bytes 0-2/${2 ** 50}` })).toMatchObject({
      status: 503,
    });
  });
});

describe("a resumable upload", () => {
  test("accepts pieces and reports its progress", async () => {
    const key = newKey();
    const url = await uploadUrl(key, 10);
    const queryState = () => put(url, null, { "content-range": "bytes */10" });
    expect(await queryState()).toMatchObject({ status: 308, range: null });
    expect(await put(url, "01234", { "content-range": "bytes 0-4/10" })).toMatchObject({
      status: 308,
      range: "bytes=0-4",
    });
    expect(await queryState()).toMatchObject({ status: 308, range: "bytes=0-4" });
    expect(await stored(key)).toBeNull();
    expect(await put(url, "89", { "content-range": "bytes 8-9/10" })).toMatchObject({
      status: 308,
      range: "bytes=0-4",
    });
    expect(await put(url, "3456789", { "content-range": "bytes 3-9/10" })).toMatchObject({ status: 200 });
    expect(await queryState()).toMatchObject({ status: 200 });
    expect(await stored(key)).toBe("0123456789");
  });

  test("starts like one of Google Cloud Storage", async () => {
    const url = await uploadUrl(newKey(), 3);
    const started = await fetch(url, { method: "POST", headers: { "x-goog-resumable": "start" } });
    expect(started.status).toBe(201);
    expect(await put(started.headers.get("location") as string, "abc")).toMatchObject({ status: 200 });
    expect((await fetch(url, { method: "POST" })).status).toBe(400);
  });

  test.each([
    "bytes 0-4/11",
    "bytes 4-3/10",
    "bytes 0-10/10",
    "bytes 0-4",
    "0-4/10",
    "bytes -4/10",
    "bytes */9",
    "bytes 0-99999999999999999999/10",
  ])("refuses the Content-Range %s", async (range) => {
    expect(await put(await uploadUrl(newKey(), 10), "01234", { "content-range": range })).toMatchObject({
      status: 400,
    });
  });

  test("keeps the bytes that arrived before the connection broke", async () => {
    failures.length = 0;
    const key = newKey();
    const url = new URL(await uploadUrl(key, 10));
    const socket = connect(port, "127.0.0.1");
    socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n01234`);
    await expect
      .poll(async () => (await put(url.href, null, { "content-range": "bytes */10" })).range)
      .toBe("bytes=0-4");
    expect(await put(url.href, "0123456789")).toMatchObject({ status: 409, code: "ABORTED" });
    socket.destroy();
    await expect
      .poll(async () => (await put(url.href, "56789", { "content-range": "bytes 5-9/10" })).status)
      .toBe(200);
    expect(await stored(key)).toBe("0123456789");
    // A client that disconnects is not a failure of the server.
    expect(failures).toEqual([]);
  });

  test("may take longer than other requests", async () => {
    const key = newKey();
    const url = new URL(await uploadUrl(key, 10));
    const socket = connect(port, "127.0.0.1");
    const reply: string[] = [];
    socket.on("data", (data) => reply.push(String(data)));
    socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n01234`);
    // Another request that began later is disconnected earlier.
    expect(await rawExchange(port, "GET /url HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")).toContain(
      " 408 ",
    );
    socket.write("56789");
    await expect.poll(() => reply.join("")).toContain("HTTP/1.1 200");
    socket.destroy();
    expect(await stored(key)).toBe("0123456789");
  });
});

describe("a signed download URL", () => {
  test("serves the whole file or a range of it, never as a web page", async () => {
    await blobs.write("d/x.html", chunksOf("0123456789"), { maxBytes: 10 });
    const url = await blobs.downloadUrl("d/x.html", { expiresInMs: HOUR_MS, filename: 'a"b.html' });
    const whole = await fetch(url);
    expect(await whole.text()).toBe("0123456789");
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": "10",
      "content-disposition": 'attachment; filename="a_b.html"',
      "x-content-type-options": "nosniff",
    });
    const part = async (range: string) => {
      const response = await fetch(url, { headers: { range } });
      return [response.status, await response.text(), response.headers.get("content-range")];
    };
    expect(await part("bytes=2-4")).toEqual([206, "234", "bytes 2-4/10"]);
    expect(await part("bytes=8-")).toEqual([206, "89", "bytes 8-9/10"]);
    expect(await part("bytes=8-99")).toEqual([206, "89", "bytes 8-9/10"]);
    expect(await part("bytes=-3")).toEqual([206, "789", "bytes 7-9/10"]);
    expect(await part("bytes=-30")).toEqual([206, "0123456789", "bytes 0-9/10"]);
    expect(await part("bytes=10-")).toEqual([416, "", "bytes */10"]);
    expect(await part("bytes=-0")).toEqual([416, "", "bytes */10"]);
    for (const odd of ["bytes=0-1,3-4", "bytes=-", "bytes=4-2", "lines=1-2"])
      expect(await part(odd)).toEqual([200, "0123456789", null]);
    expect((await fetch(url, { method: "HEAD" })).status).toBe(401);
  });

  test("is refused when altered, expired or used for an upload, and answers 404 for a deleted file", async () => {
    await blobs.write("d/secret", chunksOf("s"), { maxBytes: 10 });
    await blobs.write("d/y", chunksOf("y"), { maxBytes: 10 });
    const url = await blobs.downloadUrl("d/y", { expiresInMs: HOUR_MS });
    expect((await fetch(url.replace("d/y", "d/secret"))).status).toBe(403);
    expect((await fetch(url.replace("filename=y", "filename=z"))).status).toBe(403);
    expect((await put(url, "z")).status).toBe(403);
    await blobs.delete("d/y");
    expect((await fetch(url)).status).toBe(404);
    clock.advance(HOUR_MS);
    expect((await fetch(url)).status).toBe(403);
  });

  test("begins with the origin of the client's request", async () => {
    const originFor = async (headers: Record<string, string>) => {
      const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const text = await rawExchange(port, `GET /url HTTP/1.1\r\nconnection: close\r\n${head.join("")}\r\n`);
      return (JSON.parse(text.slice(text.indexOf("{"))) as { url: string }).url;
    };
    expect(await originFor({ host: "hearth.example:81" })).toMatch(
      /^http:\/\/hearth\.example:81\/blobs\/f\?/,
    );
    expect(await originFor({ host: "hearth.example", "x-forwarded-proto": "https" })).toMatch(
      /^https:\/\/hearth\.example\//,
    );
    expect(await originFor({ host: 'a"b@evil' })).toMatch(/^http:\/\/127\.0\.0\.1:/);
  });
});

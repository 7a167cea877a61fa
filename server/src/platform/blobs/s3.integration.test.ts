import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestS3, testS3 } from "../../../test/harness/s3.ts";
import { FakeClock } from "../../lib/clock.ts";
import { openBlobStore } from "./blob-store.ts";
import { blobsContract, chunksOf, contentOf } from "./contract.ts";
import { createS3Blobs } from "./s3.ts";
import { createS3Client } from "./s3-client.ts";

const folder = mkdtempSync(join(tmpdir(), "hearth-s3-"));
let s3: TestS3;
let prefixes = 0;

beforeAll(async () => {
  s3 = await testS3();
});
afterAll(async () => {
  await s3.stop();
  rmSync(folder, { recursive: true, force: true });
});

function s3Store(partBytes?: number) {
  return createS3Blobs({
    client: createS3Client({ endpoint: s3.endpoint, region: "eu-west-1" }, { environment: s3.env }),
    bucket: "bucket",
    prefix: `some/prefix-${prefixes++}/`,
    ownUploadUrl: (key, { sizeBytes }) => `own:${key}:${sizeBytes}`,
    ...(partBytes === undefined ? {} : { partBytes }),
  });
}

blobsContract(async () => s3Store());

describe("the store on S3", () => {
  test("uploads large blobs in parts, whatever the size of the source's chunks", async () => {
    const blobs = s3Store(65_536);
    for (const lengthBytes of [65_535, 65_536, 65_537, 131_072, 400_000]) {
      const content = randomBytes(lengthBytes);
      for (const chunkBytes of [1_000, 65_536, 400_000]) {
        const chunks = Array.from({ length: Math.ceil(lengthBytes / chunkBytes) }, (_, i) =>
          content.subarray(i * chunkBytes, (i + 1) * chunkBytes),
        );
        await blobs.write("large", chunksOf(...chunks), { maxBytes: 400_000 });
        expect(content.equals(await contentOf(await blobs.read("large")))).toBe(true);
      }
    }
  });

  test("keeps nothing of a large blob whose source fails", async () => {
    const blobs = s3Store(65_536);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(200_000);
      throw new Error("gone");
    }
    await expect(blobs.write("large", broken(), { maxBytes: 1e9 })).rejects.toThrow("gone");
    expect(await blobs.stat("large")).toBeNull();
    expect(await blobs.list("")).toEqual([]);
  });

  test("returns S3's own signed URLs, which fix the size, and URLs to this server for other uploads", async () => {
    const blobs = s3Store();
    const url = await blobs.uploadUrl("u/file", { sizeBytes: 5, expiresInMs: 60_000, resumable: false });
    expect(url.startsWith(`${s3.endpoint}/bucket/some/prefix-`)).toBe(true);
    expect(new URL(url).searchParams.get("X-Amz-SignedHeaders")).toBe("content-length;host");
    expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("60");
    expect((await fetch(url, { method: "PUT", body: "hello" })).status).toBe(200);
    expect(await blobs.stat("u/file")).toEqual({ sizeBytes: 5 });
    const download = await fetch(
      await blobs.downloadUrl("u/file", { expiresInMs: 60_000, filename: "a b.bin" }),
    );
    expect(await download.text()).toBe("hello");
    expect(download.headers.get("content-disposition")).toBe('attachment; filename="a_b.bin"');
    const resumable = { expiresInMs: 60_000, sizeBytes: 5, resumable: true };
    expect(await blobs.uploadUrl("u/file", resumable)).toBe("own:u/file:5");
    const large = { expiresInMs: 60_000, sizeBytes: 6e9, resumable: false };
    expect(await blobs.uploadUrl("u/file", large)).toBe("own:u/file:6000000000");
  });

  test("accepts uploads in pieces through a local folder", async () => {
    const { blobs, uploads, urls } = await openBlobStore({
      folder: join(folder, "pieces"),
      s3: { endpoint: s3.endpoint, region: "eu-west-1", bucket: "bucket", prefix: "pieces/" },
      env: s3.env,
      secret: randomBytes(32),
      publicUrl: "https://hearth.example",
      ownUrl: () => "",
      clock: new FakeClock(),
    });
    const options = { sizeBytes: 4, expiresInMs: 60_000, resumable: true };
    const url = new URL(await blobs.uploadUrl("a/b", options));
    expect(url.origin).toBe("https://hearth.example");
    const ticket = urls.verifyUpload("a/b", Object.fromEntries(url.searchParams));
    await uploads.receive(ticket, { start: 0, end: 1 }, chunksOf("he"));
    expect(await blobs.stat("a/b")).toBeNull();
    expect(await uploads.receive(ticket, { start: 2, end: 3 }, chunksOf("ll"))).toEqual({ isWhole: true });
    expect((await contentOf(await blobs.read("a/b"))).toString()).toBe("hell");
    expect(await uploads.resume(ticket)).toEqual({ isWhole: true });
  });

  test("reports a refusal or an unreachable server without the server's message", async () => {
    const refusing: Server = createServer((_request, response) =>
      response.writeHead(403).end("secret reason"),
    );
    refusing.listen(0, "127.0.0.1");
    await once(refusing, "listening");
    const { port } = refusing.address() as AddressInfo;
    const blobs = createS3Blobs({
      client: createS3Client({ endpoint: `http://127.0.0.1:${port}`, region: "x" }, "none"),
      bucket: "bucket",
      prefix: "",
      ownUploadUrl: () => "",
    });
    for (const work of [blobs.stat("a"), blobs.list(""), blobs.write("a", chunksOf("x"), { maxBytes: 9 })]) {
      await expect(work).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.not.stringContaining("secret"),
      });
    }
    refusing.close();
  });
});

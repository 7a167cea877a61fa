import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import { blobsContract, chunksOf, contentOf } from "./contract.ts";
import { createLocalBlobs } from "./local.ts";
import { SignedUrls } from "./signed-urls.ts";

const top = mkdtempSync(join(tmpdir(), "hearth-blobs-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const clock = new FakeClock();
let folders = 0;

function localStore() {
  const folder = join(top, String(folders++));
  mkdirSync(folder);
  const urls = new SignedUrls(Buffer.alloc(32, 7), clock);
  return { folder, ...createLocalBlobs({ folder, clock, urls, origin: () => "http://127.0.0.1" }) };
}

blobsContract(async () => localStore().blobs);

describe("the store in a folder", () => {
  test("leaves no temporary files or empty folders", async () => {
    const { blobs, folder } = localStore();
    await blobs.write("a/b/c", chunksOf("x"), { maxBytes: 9 });
    await blobs.write("a/b/d", chunksOf("x".repeat(10)), { maxBytes: 9 }).catch(() => {});
    await blobs.delete("a/b/c");
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(["objects", "uploads"]);
  });

  // S3 gives this guarantee itself, but the S3 server of the tests does not.
  test("keeps the whole content of one of two concurrent writers", async () => {
    const { blobs } = localStore();
    const contents = ["a".repeat(100_000), "b".repeat(50_000)];
    const limits = { maxBytes: 1e9 };
    await Promise.all(contents.map((content) => blobs.write("w/file", chunksOf(content), limits)));
    expect(contents).toContain((await contentOf(await blobs.read("w/file"))).toString());
  });

  test("refuses a key that is a prefix of another key, and the reverse", async () => {
    const { blobs } = localStore();
    await blobs.write("a/b", chunksOf("x"), { maxBytes: 9 });
    await expect(blobs.write("a/b/c", chunksOf("x"), { maxBytes: 9 })).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
    await blobs.write("c/d", chunksOf("x"), { maxBytes: 9 });
    await expect(blobs.write("c", chunksOf("x"), { maxBytes: 9 })).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
    expect(await blobs.list("")).toHaveLength(2);
  });
});

import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { AppError } from "../../lib/errors.ts";
import type { Blobs } from "./blobs.ts";

export async function* chunksOf(...chunks: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk as string);
}

export async function contentOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function refusal(work: Promise<unknown>): Promise<AppError> {
  const thrown = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(thrown).toMatchObject({ name: "AppError" });
  return thrown as AppError;
}

const NO_LIMIT = { maxBytes: 1_000_000_000 };
const { signal } = new AbortController();

/** The tests that every implementation of `Blobs` must pass. @param setUp creates an empty store. */
export function blobsContract(setUp: () => Promise<Blobs>): void {
  describe("a store of blobs", () => {
    contentTests(setUp);
    refusalTests(setUp);
    keyTests(setUp);
    lendingTests(setUp);
  });
}

function contentTests(setUp: () => Promise<Blobs>): void {
  test("returns written content, whole and in ranges, with its size and checksum", async () => {
    const blobs = await setUp();
    const content = randomBytes(300_000);
    const written = await blobs.write(
      "a/b/file.bin",
      chunksOf(content.subarray(0, 7), content.subarray(7)),
      NO_LIMIT,
    );
    expect(written).toEqual({
      sizeBytes: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
    });
    expect(await blobs.stat("a/b/file.bin")).toEqual({ sizeBytes: content.length });
    expect(content.equals(await contentOf(await blobs.read("a/b/file.bin")))).toBe(true);
    const part = await contentOf(await blobs.read("a/b/file.bin", { start: 100_000, end: 100_009 }));
    expect(part.equals(content.subarray(100_000, 100_010))).toBe(true);
  });

  test("stores empty blobs", async () => {
    const blobs = await setUp();
    await blobs.write("a/empty", chunksOf(), { maxBytes: 10, exactBytes: 0 });
    expect(await blobs.stat("a/empty")).toEqual({ sizeBytes: 0 });
    expect(await contentOf(await blobs.read("a/empty"))).toHaveLength(0);
  });
}

function refusalTests(setUp: () => Promise<Blobs>): void {
  test.each([
    ["too many bytes", { maxBytes: 3 }, "PAYLOAD_TOO_LARGE"],
    ["more bytes than declared", { maxBytes: 100, exactBytes: 3 }, "BAD_REQUEST"],
    ["fewer bytes than declared", { maxBytes: 100, exactBytes: 5 }, "BAD_REQUEST"],
  ])("changes nothing for %s", async (_, limits, code) => {
    const blobs = await setUp();
    await blobs.write("a/file", chunksOf("old"), NO_LIMIT);
    expect((await refusal(blobs.write("a/file", chunksOf("ne", "w!"), limits))).code).toBe(code);
    expect((await contentOf(await blobs.read("a/file"))).toString()).toBe("old");
    expect(await blobs.list("")).toHaveLength(1);
  });

  test("changes nothing when the source fails, and passes its error on", async () => {
    const blobs = await setUp();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      throw new Error("gone");
    }
    await expect(blobs.write("a/file", broken(), NO_LIMIT)).rejects.toThrow("gone");
    expect(await blobs.stat("a/file")).toBeNull();
    expect(await blobs.list("")).toEqual([]);
  });
}

function keyTests(setUp: () => Promise<Blobs>): void {
  test("lists the blobs below a prefix in the order of their keys, and deletes only those", async () => {
    const blobs = await setUp();
    for (const key of ["m/a/2", "m/a/1", "m/ab/1", "m/b", "n"])
      await blobs.write(key, chunksOf(key), NO_LIMIT);
    expect(await blobs.list("m/a/")).toEqual([
      { key: "m/a/1", sizeBytes: 5 },
      { key: "m/a/2", sizeBytes: 5 },
    ]);
    expect(await blobs.list("x/")).toEqual([]);
    await blobs.deletePrefix("m/a/");
    await blobs.deletePrefix("x/");
    await blobs.delete("n");
    await blobs.delete("n");
    await blobs.delete("m/ab");
    expect((await blobs.list("")).map(({ key }) => key)).toEqual(["m/ab/1", "m/b"]);
  });

  test("moves a blob over an existing one", async () => {
    const blobs = await setUp();
    await blobs.write("a/from", chunksOf("new"), NO_LIMIT);
    await blobs.write("b/to", chunksOf("old one"), NO_LIMIT);
    await blobs.move("a/from", "b/to");
    expect(await blobs.list("")).toEqual([{ key: "b/to", sizeBytes: 3 }]);
    expect((await refusal(blobs.move("a/from", "b/to"))).code).toBe("NOT_FOUND");
    expect((await contentOf(await blobs.read("b/to"))).toString()).toBe("new");
  });

  test("accepts no key that leads out of the store", async () => {
    const blobs = await setUp();
    const bad = [
      "",
      "/etc/passwd",
      "..",
      "a/../b",
      "a//b",
      "a/",
      "./a",
      "a\\b",
      "a\0",
      "C:x",
      "a/\n",
      "ä",
      "a".repeat(201),
      "a/".repeat(500),
    ];
    const part = fc.oneof(fc.constantFrom("..", ".", "/", "\\", "\0", "a", "~", "%2e", ":"), fc.string());
    for (const key of [
      ...bad,
      ...fc.sample(
        fc.array(part).map((parts) => parts.join("")),
        100,
      ),
    ]) {
      const outcome = await blobs.stat(key).catch((error: AppError) => error.code);
      expect(outcome === null || outcome === "BAD_REQUEST", JSON.stringify(key)).toBe(true);
    }
    for (const key of bad) {
      expect((await refusal(blobs.write(key, chunksOf("x"), NO_LIMIT))).code).toBe("BAD_REQUEST");
      await refusal(blobs.deletePrefix(key === "" ? "/" : `${key}/`));
    }
    await refusal(blobs.deletePrefix("no-slash"));
  });
}

function lendingTests(setUp: () => Promise<Blobs>): void {
  const cacheDir = mkdtempSync(join(tmpdir(), "hearth-blob-cache-"));
  afterAll(() => rmSync(cacheDir, { recursive: true, force: true }));

  test("answers NOT_FOUND for a missing blob", async () => {
    const blobs = await setUp();
    await blobs.write("a/file", chunksOf("x"), NO_LIMIT);
    for (const key of ["b", "a", "a/file/x"]) {
      expect(await blobs.stat(key)).toBeNull();
      expect((await refusal(blobs.read(key))).code).toBe("NOT_FOUND");
      expect((await refusal(blobs.localPath(key, cacheDir, signal))).code).toBe("NOT_FOUND");
    }
  });

  test("provides a blob or a folder of blobs as local files, also to concurrent callers", async () => {
    const blobs = await setUp();
    await blobs.write("m/x/config.json", chunksOf("{}"), NO_LIMIT);
    await blobs.write("m/x/original/params.json", chunksOf("[]"), NO_LIMIT);
    const paths = await Promise.all(
      [1, 2, 3].map(() => blobs.localPath("m/x/config.json", cacheDir, signal)),
    );
    expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(["{}", "{}", "{}"]);
    const folders = await Promise.all([1, 2].map(() => blobs.localFolder("m/x/", cacheDir, signal)));
    for (const folder of folders) {
      expect(readdirSync(folder).sort()).toEqual(["config.json", "original"]);
      expect(readFileSync(join(folder, "original/params.json"), "utf8")).toBe("[]");
    }
  });

  test("provides the new content of a blob that was replaced", async () => {
    const blobs = await setUp();
    await blobs.write("r/file", chunksOf("one"), NO_LIMIT);
    await blobs.localPath("r/file", cacheDir, signal);
    await blobs.write("r/file", chunksOf("two"), NO_LIMIT);
    expect(readFileSync(await blobs.localPath("r/file", cacheDir, signal), "utf8")).toBe("two");
  });
}

import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { saveFiles, write } from "../src/node/download.ts";
import { FileError, type LocalFile, localFile } from "../src/node/files.ts";
import { Transfer, type TransferOptions, type TransferProgress } from "../src/node/transfer.ts";
import { startSession, uploadFile } from "../src/node/upload-file.ts";
import type { UploadSession } from "../src/node/upload-sessions.ts";
import { type Fault, type FlakyProxy, startFlakyProxy } from "./flaky-proxy.ts";
import { type Store, startStore } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "sdk-transfers-"));
const LARGE_BYTES = 9 * 1024 ** 2;
const large = randomBytes(LARGE_BYTES);
let store: Store;
let proxy: FlakyProxy;
let keys = 0;

beforeAll(async () => {
  store = await startStore(() => proxy.origin);
  proxy = await startFlakyProxy(store);
});
beforeEach(() => {
  proxy.plan([]);
  proxy.seen.splice(0);
});
afterAll(async () => {
  await proxy.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Pauses grow from 20 ms instead of 500 ms: the store needs a moment to notice a broken connection. */
const runtime = {
  random: () => 0,
  pause: (ms: number, signal?: AbortSignal) => sleep(ms / 12.5, undefined, { signal }),
};

function transferOf(options: TransferOptions = {}): Transfer {
  return new Transfer({ maxRetries: 20, ...options }, runtime);
}

async function fileOf(content: Buffer): Promise<{ file: LocalFile; key: string }> {
  const name = `file-${keys++}`;
  writeFileSync(join(folder, name), content);
  return { file: await localFile(join(folder, name), name), key: `uploads/${name}` };
}

async function upload(
  content: Buffer,
  faults: readonly Fault[],
  transfer = transferOf(),
): Promise<Buffer | null> {
  const { file, key } = await fileOf(content);
  const url = await store.uploadUrl(key, content.length);
  proxy.plan(faults);
  await uploadFile(file, await startSession(file, url, transfer), transfer, false);
  return store.content(key);
}

const PUTS = () => proxy.seen.filter(({ method }) => method === "PUT");
/** The file requests without repetitions, whose number depends on when the store notices a broken connection. */
const RANGES = () => [...new Set(PUTS().map(({ headers }) => headers["content-range"]))];

test("an upload of any size arrives whole over a faulty network", async () => {
  const fault = fc.constantFrom<Fault>(
    "drop",
    "lose-answer",
    "cut-answer",
    "cut-body",
    "unavailable",
    "page",
    "delay",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 1, 100_000, LARGE_BYTES),
      fc.array(fault, { maxLength: 4 }),
      async (sizeBytes, faults) => {
        const content = large.subarray(0, sizeBytes);
        expect((await upload(content, faults))?.equals(content)).toBe(true);
      },
    ),
    { numRuns: 40, endOnFailure: true, timeout: 15_000 },
  );
}, 120_000);

test("a large file resumes where it stopped, and a small file starts again", async () => {
  await upload(large, ["pass", "cut-body"]);
  const ranges = PUTS().map(({ headers }) => headers["content-range"]);
  expect(ranges.slice(0, 2)).toEqual([undefined, `bytes */${LARGE_BYTES}`]);
  expect(ranges.at(-1)).toMatch(/^bytes [1-9]\d*-/);
  proxy.seen.splice(0);
  await upload(large.subarray(0, 100_000), ["cut-body"]);
  expect(PUTS().length).toBeGreaterThan(1);
  expect(RANGES()).toEqual([undefined]);
});

test("a store without resumable uploads gets whole files", async () => {
  await upload(large, ["unavailable"]);
  expect(proxy.seen[0]?.method).toBe("POST");
  proxy.seen.splice(0);
  const { file, key } = await fileOf(large);
  const session: UploadSession = { url: await store.uploadUrl(key, LARGE_BYTES), isResumable: false };
  proxy.plan(["cut-body", "lose-answer"]);
  await uploadFile(file, session, transferOf(), false);
  expect(PUTS().length).toBeGreaterThan(2);
  expect(RANGES()).toEqual([undefined]);
  expect((await store.content(key))?.equals(large)).toBe(true);
});

test("a single-use URL that another client has used throws a ConflictError", async () => {
  const { file, key } = await fileOf(large.subarray(0, 10));
  const session: UploadSession = { url: await store.uploadUrl(key, 10), isResumable: false };
  await uploadFile(file, session, transferOf(), false);
  await expect(uploadFile(file, session, transferOf(), false)).rejects.toMatchObject({ status: 409 });
});

test("another process resumes the session", async () => {
  const { file, key } = await fileOf(large);
  const transfer = transferOf();
  const session = await startSession(file, await store.uploadUrl(key, LARGE_BYTES), transfer);
  proxy.plan(["cut-body"]);
  await expect(uploadFile(file, session, transferOf({ maxRetries: 0 }), false)).rejects.toThrow(
    /127\.0\.0\.1.* broke/,
  );
  proxy.seen.splice(0);
  await uploadFile(file, session, transferOf(), true);
  expect(PUTS()[0]?.headers["content-range"]).toBe(`bytes */${LARGE_BYTES}`);
  expect((await store.content(key))?.equals(large)).toBe(true);
  proxy.seen.splice(0);
  await uploadFile(file, session, transferOf(), true);
  expect(PUTS()).toHaveLength(1);
});

test("progress rises to the end, and falls only after a failure", async () => {
  const seen: TransferProgress[] = [];
  const transfer = transferOf({ onProgress: (progress) => seen.push(progress) });
  transfer.setSize("other", 100);
  const { file, key } = await fileOf(large);
  transfer.setSize(file.name, LARGE_BYTES);
  const session = await startSession(file, await store.uploadUrl(key, LARGE_BYTES), transfer);
  await uploadFile(file, session, transfer, false);
  const done = seen.map(({ fileDoneBytes }) => fileDoneBytes);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toEqual({
    phase: "transferring",
    file: file.name,
    fileDoneBytes: LARGE_BYTES,
    fileTotalBytes: LARGE_BYTES,
    doneBytes: LARGE_BYTES,
    totalBytes: LARGE_BYTES + 100,
  });
});

test("a file that changes during the upload is named", async () => {
  const { file, key } = await fileOf(large.subarray(0, 1_000));
  utimesSync(file.path, 1, 1);
  const session: UploadSession = { url: await store.uploadUrl(key, 1_000), isResumable: false };
  await expect(uploadFile(file, session, transferOf(), false)).rejects.toThrow(`${file.path} was changed`);
  writeFileSync(file.path, "short");
  const next: UploadSession = { url: await store.uploadUrl(`${key}-2`, 1_000), isResumable: false };
  await expect(uploadFile(file, next, transferOf(), false)).rejects.toThrow(FileError);
});

test("an abort rejects an upload with its reason", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const transfer = transferOf({ signal: abort.signal, onProgress: () => abort.abort(reason) });
  await expect(upload(large, [], transfer)).rejects.toBe(reason);
});

test("no error message contains the signature of a signed URL", async () => {
  const { file } = await fileOf(large.subarray(0, 10));
  const url = (await store.uploadUrl("uploads/x", 10)).replace(/signature=./, "signature=~");
  const error = await uploadFile(file, { url, isResumable: false }, transferOf(), false).catch(
    (one: unknown) => one,
  );
  expect(error).toMatchObject({ status: 403 });
  const away = { url: "http://127.0.0.1:1/x?signature=secret", isResumable: false };
  const failure = await uploadFile(file, away, transferOf({ maxRetries: 0 }), false).catch(
    (one: unknown) => one,
  );
  expect(String(failure)).toBe("ConnectionError: 127.0.0.1:1 can't be reached (ECONNREFUSED).");
});

async function download(
  urls: Record<string, string>,
  faults: readonly Fault[] = [],
): Promise<{ target: string; files: string[] }> {
  const target = mkdtempSync(join(folder, "out-"));
  proxy.plan(faults);
  return { target, files: await saveFiles(urls, target, transferOf()) };
}

test("a download is whole over a faulty network", async () => {
  await store.write("down/large", large);
  const url = await store.downloadUrl("down/large");
  const fault = fc.constantFrom<Fault>("drop", "cut-answer", "unavailable", "page", "delay");
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { maxLength: 3 }), async (faults) => {
      const { files } = await download({ "a/b.bin": url }, faults);
      expect(readFileSync(files[0] ?? "").equals(large)).toBe(true);
    }),
    { numRuns: 15, endOnFailure: true, timeout: 15_000 },
  );
}, 120_000);

test("a broken download resumes where it stopped", async () => {
  await store.write("down/again", large);
  await download({ f: await store.downloadUrl("down/again") }, ["cut-answer"]);
  expect(proxy.seen.map(({ headers }) => headers.range)[0]).toBeUndefined();
  expect(proxy.seen[1]?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
});

test("a file replaces an existing one once it is whole, and no temporary file stays behind", async () => {
  await store.write("down/small", Buffer.from("new"));
  const url = await store.downloadUrl("down/small");
  const target = mkdtempSync(join(folder, "out-"));
  writeFileSync(join(target, "f"), "old");
  const gone = url.replace(/signature=./, "signature=~");
  await expect(saveFiles({ f: gone }, target, transferOf())).rejects.toMatchObject({ status: 403 });
  expect(readdirSync(target)).toEqual(["f"]);
  expect(readFileSync(join(target, "f"), "utf8")).toBe("old");
  await saveFiles({ f: url }, target, transferOf());
  expect(readdirSync(target)).toEqual(["f"]);
  expect(readFileSync(join(target, "f"), "utf8")).toBe("new");
});

test.each(["../f", "/f", "a/../../f", "a\\f", "", "a//f", "c:f"])(
  "a server that names a file %j is not believed",
  async (name) => {
    await expect(saveFiles({ [name]: "http://127.0.0.1:1/" }, folder, transferOf())).rejects.toThrow(
      /named a file/,
    );
  },
);

test("a full disk gives an error with the file's name", async () => {
  const full = await open("/dev/full", "w");
  const error = await write(full, Buffer.from("x"), 0, "/data/model.bin").catch((one: unknown) => one);
  await full.close();
  expect(error).toMatchObject({ path: "/data/model.bin", code: "ENOSPC" });
  expect(String(error)).toBe("FileError: /data/model.bin can't be written: there is no space left (ENOSPC).");
});

test("the first failure aborts all other transfers", async () => {
  const transfer = transferOf({ concurrency: 2 });
  const ended: string[] = [];
  const work = async (name: string): Promise<void> => {
    if (name === "bad") throw new Error("bad");
    await new Promise((resolve) => transfer.signal.addEventListener("abort", resolve));
    ended.push(name);
  };
  await expect(transfer.each(["good", "bad", "never begun"], work)).rejects.toThrow("bad");
  expect(ended).toEqual(["good"]);
});

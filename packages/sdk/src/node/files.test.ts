import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FileError, fileError, filesOf, localFile } from "./files.ts";
import { UploadSessions } from "./upload-sessions.ts";

const root = mkdtempSync(join(tmpdir(), "sdk-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function newFolder(): string {
  return mkdtempSync(join(root, "f-"));
}

test("filesOf finds files in subfolders and behind links, and skips hidden files", async () => {
  const [folder, elsewhere] = [newFolder(), newFolder()];
  mkdirSync(join(folder, "sub"));
  mkdirSync(join(folder, ".git"));
  for (const name of ["b.json", "sub/a", ".hidden", ".git/config"]) writeFileSync(join(folder, name), name);
  writeFileSync(join(elsewhere, "weights"), "w".repeat(10));
  symlinkSync(join(elsewhere, "weights"), join(folder, "model.safetensors"));
  symlinkSync(elsewhere, join(folder, "linked"));
  const found = await filesOf(folder);
  expect(found.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ["b.json", 6],
    ["linked/weights", 10],
    ["model.safetensors", 10],
    ["sub/a", 5],
  ]);
});

test("filesOf names links that form a cycle or lead nowhere", async () => {
  const circle = newFolder();
  symlinkSync(circle, join(circle, "again"));
  await expect(filesOf(circle)).rejects.toThrow(/again leads back to a folder/);
  const broken = newFolder();
  symlinkSync(join(broken, "nothing"), join(broken, "link"));
  await expect(filesOf(broken)).rejects.toThrow(/link does not exist \(ENOENT\)\./);
});

test("filesOf refuses a name that is not UTF-8", async () => {
  const folder = newFolder();
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/a`), Buffer.from([0xff])]), "x");
  await expect(filesOf(folder)).rejects.toThrow(/whose name is not UTF-8/);
});

test("an empty folder, a folder instead of a file, a device and a path through a file have different errors", async () => {
  const folder = newFolder();
  await expect(filesOf(folder)).rejects.toThrow(`${folder} holds no files.`);
  await expect(localFile(folder, "x")).rejects.toThrow(/is a folder, but a file is needed\./);
  writeFileSync(join(folder, "f"), "");
  await expect(localFile(join(folder, "f/g"), "x")).rejects.toMatchObject({ code: "ENOTDIR" });
  const socket = createServer().listen(join(folder, "s"));
  await new Promise((resolve) => socket.once("listening", resolve));
  await expect(localFile(join(folder, "s"), "x")).rejects.toThrow(/is no file\./);
  await new Promise((resolve) => socket.close(resolve));
});

test("fileError names file and reason, and leaves other errors unchanged", () => {
  const denied = Object.assign(new Error("x"), { code: "EACCES", syscall: "open" });
  expect(fileError("/f", denied)).toEqual(new FileError("/f", "may not be used by you", "EACCES"));
  const other = new Error("x");
  expect(fileError("/f", other)).toBe(other);
});

const target = ["http://host", "accounts/a/models/m", "2026"];
const session = { url: "http://host/blobs/x?signature=s", isResumable: true };

test("upload sessions are found only for the same file and target, and readable only for their owner", async () => {
  const folder = join(newFolder(), "uploads");
  const path = join(root, "model.bin");
  writeFileSync(path, "x");
  const file = await localFile(path, "model.bin");
  await (await UploadSessions.open(folder, target)).set(file, session);
  const next = await UploadSessions.open(folder, target);
  expect(next.get(file)).toMatchObject(session);
  expect((await UploadSessions.open(folder, [...target, "other"])).get(file)).toBeNull();
  utimesSync(path, 1, 1);
  expect(next.get(await localFile(path, "model.bin"))).toBeNull();
  const modes = [folder, ...readdirSync(folder).map((name) => join(folder, name))].map(
    (one) => statSync(one).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o600]);
  await next.clear();
  expect((await UploadSessions.open(folder, target)).get(file)).toBeNull();
});

test("a broken session file counts as empty, and without a folder no session is kept", async () => {
  const folder = newFolder();
  const file = await localFile(join(root, "model.bin"), "model.bin");
  await (await UploadSessions.open(folder, target)).set(file, session);
  for (const broken of ["{", "5", '{"model.bin":null}']) {
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), broken);
    expect((await UploadSessions.open(folder, target)).get(file)).toBeNull();
  }
  const none = await UploadSessions.open(null, target);
  await none.set(file, session);
  expect(none.get(file)).toMatchObject(session);
  await none.clear();
});

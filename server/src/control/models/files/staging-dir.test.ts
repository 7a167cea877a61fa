import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatIdentity, ownIdentity } from "../../../platform/process/identity.ts";
import { StagingDir } from "./staging-dir.ts";

const top = mkdtempSync(join(tmpdir(), "hearth-staging-dir-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const NOW_MS = Date.UTC(2026, 0, 10);

/** Creates the subfolder of another process with an unfinished file. */
function createSubfolder(folder: string, name: string, owner: string | null, changedMs = NOW_MS): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "weights"), "half of it");
  if (owner !== null) writeFileSync(join(folder, name, "owner.json"), owner);
  utimesSync(join(folder, name), changedMs / 1_000, changedMs / 1_000);
}

test("a file is moved to its path when it is complete, and a failed write leaves nothing", async () => {
  const folder = join(top, "making");
  const stagingDir = new StagingDir(folder);
  await stagingDir.write(join(top, "a/file"), async (path) => writeFileSync(path, "whole"));
  expect(readFileSync(join(top, "a/file"), "utf8")).toBe("whole");
  const failing = stagingDir.write(join(top, "a/other"), async (path) => {
    writeFileSync(path, "half");
    throw new Error("no more");
  });
  await expect(failing).rejects.toThrow("no more");
  expect(readdirSync(join(top, "a"))).toEqual(["file"]);
  expect(
    readdirSync(folder, { recursive: true }).filter((name) => !String(name).includes("owner")),
  ).toHaveLength(1);
  await stagingDir.close();
  expect(readdirSync(folder)).toEqual([]);
});

test("a sweep removes the files of killed processes and keeps those of running ones", async () => {
  const folder = join(top, "shared");
  const ownProcess = ownIdentity();
  createSubfolder(folder, "alive", formatIdentity(ownProcess));
  createSubfolder(folder, "killed", formatIdentity({ ...ownProcess, startedAt: "long ago" }));
  createSubfolder(folder, "elsewhere", formatIdentity({ ...ownProcess, place: "another host" }));
  createSubfolder(
    folder,
    "elsewhere-old",
    formatIdentity({ ...ownProcess, place: "another host" }),
    NOW_MS - 2 * 86_400_000,
  );
  createSubfolder(folder, "beginning", null);
  await new StagingDir(folder).sweep(NOW_MS);
  expect(readdirSync(folder).sort()).toEqual(["alive", "beginning", "elsewhere"]);
});

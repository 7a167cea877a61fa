import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { formatIdentity, ownIdentity, parseIdentity, processState } from "./identity.ts";

test("a living process is alive, a dead one dead, and its number in another process's hands doesn't revive it", async () => {
  const own = ownIdentity();
  expect(processState(own)).toBe("alive");
  expect(processState({ ...own, startedAt: "long ago" })).toBe("dead");
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(processState({ ...own, pid: child.pid! })).toBe("dead");
});

test("nothing is claimed of a process elsewhere", () => {
  expect(processState({ ...ownIdentity(), place: "other-host/boot/namespace" })).toBe("unknown");
});

test("an identity survives being written down; anything else is none", () => {
  const own = ownIdentity();
  expect(parseIdentity(formatIdentity(own))).toEqual(own);
  for (const text of ["", "{", "null", "12", '{"pid":1}', formatIdentity(own).slice(0, 20)]) {
    expect(parseIdentity(text)).toBeNull();
  }
});

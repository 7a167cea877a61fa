import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { formatIdentity, ownIdentity, parseIdentity, processState } from "./identity.ts";

test("a process counts as dead after its end, even if another process has its number", async () => {
  const ownProcess = ownIdentity();
  expect(processState(ownProcess)).toBe("alive");
  expect(processState({ ...ownProcess, startedAt: "long ago" })).toBe("dead");
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(processState({ ...ownProcess, pid: child.pid! })).toBe("dead");
});

test("the state of a process on another host is unknown", () => {
  expect(processState({ ...ownIdentity(), place: "other-host/boot/namespace" })).toBe("unknown");
});

test("an identity survives formatting and parsing, and other texts are not identities", () => {
  const ownProcess = ownIdentity();
  expect(parseIdentity(formatIdentity(ownProcess))).toEqual(ownProcess);
  for (const text of ["", "{", "null", "12", '{"pid":1}', formatIdentity(ownProcess).slice(0, 20)]) {
    expect(parseIdentity(text)).toBeNull();
  }
});

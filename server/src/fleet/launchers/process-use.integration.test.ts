import { spawn } from "node:child_process";
import { expect, it } from "vitest";
import { readProcessUse } from "./process-use.ts";

it.skipIf(process.platform !== "linux")(
  "the use of a process group grows while one of its members computes, and is unknown once it has ended",
  async () => {
    const script = `"${process.execPath}" -e "for (;;);" & wait`;
    const child = spawn("/bin/sh", ["-c", script], { detached: true, stdio: "ignore" });
    const pid = child.pid!;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await expect.poll(() => readProcessUse(pid)?.cpuMs ?? 0, { timeout: 30_000 }).toBeGreaterThan(50);
    const before = readProcessUse(pid)!.cpuMs;
    await expect.poll(() => readProcessUse(pid)!.cpuMs, { timeout: 30_000 }).toBeGreaterThan(before);
    process.kill(-pid, "SIGKILL");
    await ended;
    await expect.poll(() => readProcessUse(pid)).toBeNull();
  },
);

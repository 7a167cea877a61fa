// npm start: everything from a bare checkout to a running platform.
import { spawnSync } from "node:child_process";
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: false });
if (process.env.npm_lifecycle_event !== undefined) endWithNpm();
await import("../server/packages.mjs");
await runTypeScript("server/src/main.ts");

/** Ends the platform when npm ends: npm forwards a Ctrl-C, but a killed npm forwards nothing. */
function endWithNpm() {
  const watched = npmAbove(process.ppid);
  const watch = setInterval(() => {
    try {
      process.kill(watched, 0);
    } catch {
      clearInterval(watch);
      process.kill(process.pid, "SIGTERM");
    }
  }, 500);
  watch.unref();
}

/** The pid of npm, which may run scripts in a shell. Without `ps` the parent's pid, which may be that shell. */
function npmAbove(parent) {
  const [ppid, command] =
    spawnSync("ps", ["-o", "ppid=,comm=", "-p", `${parent}`], { encoding: "utf8" })
      .stdout?.trim()
      .split(/\s+/) ?? [];
  return /sh$/.test(command ?? "") ? Number(ppid) : parent;
}

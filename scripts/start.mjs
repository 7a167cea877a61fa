// npm start: everything from a bare checkout to a running platform.
import { spawnSync } from "node:child_process";
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: false });
if (process.env.npm_lifecycle_event !== undefined) endWithNpm();
await import("../server/packages.mjs");
await runTypeScript("server/src/main.ts");

/** Whoever ends npm means the platform: npm passes a Ctrl-C on, but not every other end. */
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

/** npm runs scripts in a shell, which may still stand in between. Without `ps` the parent has to do. */
function npmAbove(parent) {
  const [ppid, command] =
    spawnSync("ps", ["-o", "ppid=,comm=", "-p", `${parent}`], { encoding: "utf8" })
      .stdout?.trim()
      .split(/\s+/) ?? [];
  return /sh$/.test(command ?? "") ? Number(ppid) : parent;
}

// npm start: everything from a bare checkout to a running platform.
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: false });
if (process.env.npm_lifecycle_event !== undefined) endWithNpm();
await runTypeScript("server/src/main.ts");

/** Whoever ends npm means the platform: npm passes a Ctrl-C on, but not every other end. */
function endWithNpm() {
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 500);
  watch.unref();
}

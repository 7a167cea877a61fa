// npm test: the same set-up as npm start, then every test. Arguments go to the test runner.
import { spawnSync } from "node:child_process";
import { ensureInstalled, rootDir } from "./setup.mjs";

ensureInstalled({ dev: true });
const run = spawnSync("npx", ["vitest", "run", ...process.argv.slice(2)], { cwd: rootDir, stdio: "inherit" });
process.exit(run.status ?? 1);

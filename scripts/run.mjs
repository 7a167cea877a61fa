// node scripts/run.mjs FILE: runs a TypeScript file of this repository with all tools installed.
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: true });
await runTypeScript(process.argv[2]);

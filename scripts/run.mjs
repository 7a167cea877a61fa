// node scripts/run.mjs FILE: runs a TypeScript file of this repository with all tools installed.
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: true });
// The file sees its arguments where it would without this one in between.
process.argv.splice(1, 1);
await runTypeScript(process.argv[1]);

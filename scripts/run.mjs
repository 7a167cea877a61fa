// node scripts/run.mjs FILE: runs a TypeScript file of this repository with all tools installed.
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: true });
// Remove this script from the arguments, so that the file finds its own at the usual positions.
process.argv.splice(1, 1);
await runTypeScript(process.argv[1]);

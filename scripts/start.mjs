// npm start: everything from a bare checkout to a running platform.
import { ensureInstalled, runTypeScript } from "./setup.mjs";

ensureInstalled({ dev: false });
await runTypeScript("server/src/main.ts");

/** Starts PostgreSQL, prints its URL in one line, ignores Ctrl-C and runs until it is killed. */
import { startEmbeddedPostgres } from "./embedded-postgres.ts";

const [dataDir = "", systemFolder = ""] = process.argv.slice(2);
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
process.on("SIGINT", () => process.stdout.write("interrupted\n"));
const server = await startEmbeddedPostgres({ dataDir, systemFolder, log: quiet });
process.stdout.write(`${server.url}\n`);
setInterval(() => {}, 60_000);

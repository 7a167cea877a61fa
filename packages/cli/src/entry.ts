import { EXIT } from "./errors.ts";
import { run } from "./main.ts";
import { createProcessContext } from "./process-context.ts";

/** How long a command may clean up after Ctrl-C. */
const CLEANUP_MS = 5_000;

const interrupt = new AbortController();

function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
  interrupt.abort();
  setTimeout(() => process.exit(EXIT.interrupted), CLEANUP_MS).unref();
}

process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
process.on("SIGHUP", onSignal);
process.exitCode = await run(process.argv.slice(2), createProcessContext(interrupt.signal));
// Exit now: idle keep-alive connections would delay the end of the process.
if (process.exitCode !== undefined) process.exit();

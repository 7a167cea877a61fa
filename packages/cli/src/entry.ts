import { EXIT } from "./errors.ts";
import { run } from "./main.ts";
import { createProcessContext } from "./process-context.ts";

/** How long a command may take to leave objects in order after Ctrl-C. */
const LEAVE_MS = 5_000;

const interrupt = new AbortController();

function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
  interrupt.abort();
  setTimeout(() => process.exit(EXIT.interrupted), LEAVE_MS).unref();
}

process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
process.on("SIGHUP", onSignal);
process.exitCode = await run(process.argv.slice(2), createProcessContext(interrupt.signal));
// Connections that are kept open keep nobody waiting.
if (process.exitCode !== undefined) process.exit();

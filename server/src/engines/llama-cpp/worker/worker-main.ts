/** Entry of the process that runs one model for the platform. It communicates through the message channel alone. */
import { systemClock } from "../../../lib/clock.ts";
import type { ToWorker } from "../protocol.ts";
import { EngineWorker } from "./engine-worker.ts";

// Only the platform ends a replica: Ctrl-C signals the whole process group, and would cut off running streams.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// Without the platform there is nobody to serve. SIGKILL, because process.exit would wait for the running batch.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

const worker = new EngineWorker(
  (message) => {
    if (process.connected) process.send?.(message);
  },
  systemClock,
  () => process.kill(process.pid, "SIGKILL"),
);
process.on("message", (message) => worker.receive(message as ToWorker));

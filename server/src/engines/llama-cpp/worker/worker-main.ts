/** Entry of the process that runs one model for the platform. Talks only through the message channel. */
import { systemClock } from "../../../lib/clock.ts";
import type { ToWorker } from "../protocol.ts";
import { EngineWorker } from "./engine-worker.ts";

// The platform decides when a replica ends; a Ctrl-C meant for the whole group must not tear streams off.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// No platform, no work. Killed rather than exited: an exit would wait for the batch being computed.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

const host = new EngineWorker(
  (message) => {
    if (process.connected) process.send?.(message);
  },
  systemClock,
  () => process.kill(process.pid, "SIGKILL"),
);
process.on("message", (message) => host.receive(message as ToWorker));

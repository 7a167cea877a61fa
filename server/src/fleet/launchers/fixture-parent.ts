/** Run by the tests as a server of its own: starts an engine process and sends its pid, at once or when the engine is up. */
import { systemClock } from "../../lib/clock.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import { launchLocalProcess } from "./local-process.ts";

const kind = { entry: new URL("./fixture-engine.ts", import.meta.url), env: {} };
const child = launchLocalProcess(kind, { env: process.env, log: createLog("silent"), clock: systemClock });
const sendPid = () => process.send?.({ pid: child.pid });
if (process.argv[2] === "at once") sendPid();
else child.channel.onMessage(sendPid);

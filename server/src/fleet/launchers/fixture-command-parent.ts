/** Run by the tests as a server of its own: starts one command and sends the command's pid. */
import { systemClock } from "../../lib/clock.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import { launchCommand } from "./command-process.ts";

const options = { env: process.env, extraEnv: {}, log: createLog("silent"), clock: systemClock };
process.send?.({ pid: launchCommand(process.argv.slice(2), options).pid });

/**
 * The platform without rate limits, usage records and spend checks on its text endpoints, otherwise as `npm start` runs it.
 * The difference to `npm start` is the cost of these parts. Reads the same settings.
 */
import { startApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import type { TextRouteDeps } from "../../src/inference/text/routes.ts";
import type { Admission } from "../../src/metering/limits/service.ts";
import type { UsageLedger } from "../../src/metering/usage/service.ts";
import { createLog } from "../../src/platform/telemetry/log.ts";

const UNLIMITED: Admission = { isOverLimit: false, headers: () => [], settle() {} };

function withoutMetering(deps: TextRouteDeps): TextRouteDeps {
  const ledger: UsageLedger = {
    ...deps.ledger,
    open() {},
    ensureOpened: (_request, done) => done(),
    close: (_request, _end, spooled) => spooled(),
  };
  return { ...deps, ledger, services: { ...deps.services, admit: () => UNLIMITED } };
}

const config = readConfig();
const app = await startApp(config, {
  log: createLog(config.logLevel),
  terminal: process.stdout,
  signal: new AbortController().signal,
  overrideTextDeps: withoutMetering,
});
process.once("SIGTERM", () => void app.close(1_000).then(() => process.exit(0)));

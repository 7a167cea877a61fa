/**
 * The platform as `npm start` runs it, but without rate limits, usage records and spend checks on its inference endpoints. The
 * difference to `npm start` is their cost. Takes the same settings.
 */
import { startApp } from "../../src/composition/app.ts";
import { readConfig } from "../../src/config.ts";
import type { InferenceDeps } from "../../src/inference/pipeline/pipeline.ts";
import type { Admission } from "../../src/metering/limits/service.ts";
import type { UsageLedger } from "../../src/metering/usage/service.ts";
import { createLog } from "../../src/platform/telemetry/log.ts";

const UNLIMITED: Admission = { isOverLimit: false, headers: () => [], settle() {} };

function withoutMetering(deps: InferenceDeps): InferenceDeps {
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
  overrideInferenceDeps: withoutMetering,
});
process.once("SIGTERM", () => void app.close(1_000).then(() => process.exit(0)));

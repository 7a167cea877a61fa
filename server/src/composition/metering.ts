import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../config.ts";
import type { ModelCatalog } from "../control/models/service.ts";
import type { Fleet } from "../fleet/service.ts";
import type { Clock } from "../lib/clock.ts";
import { loadPrices, PriceError, type Prices } from "../metering/money/service.ts";
import { meterReplicas, type ReplicaMeter, type UsageLedger } from "../metering/usage/service.ts";
import type { Log } from "../platform/telemetry/log.ts";

const PRICES_DIR = fileURLToPath(new URL("../../../catalog/prices", import.meta.url));

/** The shipped prices, overridden by the operator's file. @throws ConfigError for an unusable file. */
export function loadConfiguredPrices(
  overrideFile: string | null,
  models: Pick<ModelCatalog, "resolve">,
): Prices {
  const files = readdirSync(PRICES_DIR).filter((name) => name.endsWith(".json"));
  try {
    return loadPrices({
      files: files.sort().map((name) => join(PRICES_DIR, name)),
      overrideFile,
      parameterCount(model) {
        try {
          return models.resolve(model).model.parameterCount ?? null;
        } catch {
          return null;
        }
      },
    });
  } catch (error) {
    if (error instanceof PriceError) throw new ConfigError("HEARTH_PRICES", error.message);
    throw error;
  }
}

const DEPLOYMENT_NAME = /^accounts\/([^/]+)\/deployments\/[^/]+$/;

/** Meters the replicas of accounts' deployments. Serverless replicas are not metered, as they are billed by the token. */
export function meterDeployments(
  ledger: UsageLedger,
  fleet: Pick<Fleet, "status" | "onChange">,
  { clock, log }: { clock: Clock; log: Log },
): ReplicaMeter {
  const meter = meterReplicas({
    ledger,
    clock,
    log,
    serving: () =>
      fleet.status().flatMap(({ id, deployment, model, state, accelerators }) => {
        const accountId = DEPLOYMENT_NAME.exec(deployment)?.[1];
        if (accountId === undefined || state !== "ready") return [];
        return [{ id, accountId, deployment, model, accelerators }];
      }),
  });
  const unlisten = fleet.onChange(() => meter.sample());
  return {
    sample: meter.sample,
    stop() {
      unlisten();
      meter.stop();
    },
  };
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createModelCatalog } from "../control/models/service.ts";
import type { ReplicaStatus } from "../fleet/service.ts";
import { FakeClock } from "../lib/clock.ts";
import type { UsageLedger, UsageSource } from "../metering/usage/service.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { loadConfiguredPrices, meterDeployments } from "./metering.ts";

const models = createModelCatalog({
  catalogDir: fileURLToPath(new URL("../../../catalog", import.meta.url)),
});

test("every serverless model has a price, and a small model has the price of its size", () => {
  const prices = loadConfiguredPrices(null, models);
  for (const { name } of models.serverless()) expect(prices.priceOf("text", name, 0), name).not.toBeNull();
  const small = "accounts/fireworks/models/smollm2-135m-instruct";
  expect(prices.priceOf("text", small, 0)).toMatchObject({ input: 200_000n, output: 200_000n });
});

test("an unusable price file stops the start with the name of the setting", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-prices-"));
  const file = join(folder, "mine.json");
  writeFileSync(file, '{"prices": [{"kind": "text", "input": "-1", "output": "1"}]}');
  expect(() => loadConfiguredPrices(file, models)).toThrow(/^HEARTH_PRICES: mine\.json: prices\.0\.input/);
  expect(() => loadConfiguredPrices(join(folder, "none.json"), models)).toThrow(/can't be read \(ENOENT\)/);
  rmSync(folder, { recursive: true });
});

test("replicas of accounts' deployments are metered while they serve, and serverless replicas never are", () => {
  const clock = new FakeClock();
  const closed: [string, number][] = [];
  const ledger = {
    open() {},
    close: (source: UsageSource) =>
      void closed.push([`${source.accountId} ${source.replica}`, source.quantity]),
  } as unknown as UsageLedger;
  const replica = (deployment: string, state: ReplicaStatus["state"]) =>
    ({ id: `${deployment}/replicas/0`, deployment, model: "m", state, accelerators: null }) as ReplicaStatus;
  const served = replica("accounts/acme/deployments/d", "ready");
  const all = [
    served,
    replica("accounts/acme/deployments/e", "starting"),
    replica("accounts/fireworks/models/m", "ready"),
  ];
  let changed = (): void => {};
  const fleet = {
    status: () => all,
    onChange: (listener: (id: string) => void) => {
      changed = () => listener("");
      return () => {};
    },
  };
  const meter = meterDeployments(ledger, fleet, { clock, log: createLog("silent") });
  clock.advance(1_500);
  served.state = "backoff";
  changed();
  clock.advance(1_000);
  served.state = "ready";
  changed();
  clock.advance(250);
  meter.stop();
  const name = "acme accounts/acme/deployments/d/replicas/0";
  expect(closed).toEqual([
    [name, 1_500],
    [name, 250],
  ]);
});

import { expect, it } from "vitest";
import type { Config } from "../config.ts";
import type { Workload } from "../control/deployments/service.ts";
import { engineFor } from "./engines.ts";

const fetched = async (): Promise<string> => "/model";

const PLAIN: Workload = {
  model: "accounts/acme/models/m",
  precision: null,
  weights: fetched,
  uploaded: fetched,
  draft: null,
  draftTokens: null,
  ngramLength: null,
  contextLength: null,
  longPrompt: false,
  withLora: false,
  accelerators: null,
};

/** Fetches the weights of a workload for a program of the settings. */
async function fetchFor(overrides: Partial<Workload>): Promise<string> {
  const program = { command: ["serve", "{model}", "{port}"], concurrency: 4, features: [] };
  const config = { deploymentEngines: new Map([["CPU", program]]) } as unknown as Config;
  const { engine } = engineFor(config, { ...PLAIN, ...overrides });
  const { weights } = engine as { weights: { fetch: Workload["weights"] } };
  return weights.fetch(new AbortController().signal, () => {});
}

it("a deployment's program gets the weights when the deployment sets nothing that it can't honour", async () => {
  expect(await fetchFor({})).toBe("/model");
});

it("a deployment's program is refused by the names of the fields that it can't honour, and of no others", async () => {
  await expect(fetchFor({ contextLength: 4096 })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    message: "The deployment's engine on this host does not support maxContextLength.",
  });
  await expect(fetchFor({ draft: fetched, longPrompt: true, withLora: true })).rejects.toThrow(
    "does not support draftModel, autoTune.longPrompt, LoRA addons.",
  );
});

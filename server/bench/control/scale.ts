/** Scales a deployment of real engines from 0 to 3 replicas and back under load, and counts failed requests. */
import { fileURLToPath } from "node:url";
import { readConfig } from "../../src/config.ts";
import { createModelCatalog } from "../../src/control/models/service.ts";
import type { GenerateRequest } from "../../src/engine/generation.ts";
import { llamaCppKind } from "../../src/engines/llama-cpp/kind.ts";
import { createOpenAiServerEngine } from "../../src/engines/openai-server/engine.ts";
import { createFleet, type DeploymentSpec, type Fleet } from "../../src/fleet/service.ts";
import { createLog } from "../../src/platform/telemetry/log.ts";
import { type Goal, number, printTable } from "../report.ts";
import { percentile } from "../stats.ts";

export interface ScaleOptions {
  /** Clients at the peak of the load; each sends its requests one after the other. */
  clients: number;
  /** Output length of a request. */
  maxTokens: number;
  /** Requests that the three replicas must answer before the load ends. */
  requestsAtThree: number;
}

interface Answered {
  ok: boolean;
  firstTokenMs: number;
}

const ID = "accounts/bench/deployments/scale";
const SLOTS = 4;

export async function measureScale(options: ScaleOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const fleet = fleetOfBench();
  const answers: Answered[] = [];
  const startMs = performance.now();
  const atMs: Record<string, number> = {};
  const reached = async (name: string, test: () => boolean) => {
    await until(test);
    atMs[name] = performance.now() - startMs;
  };
  try {
    fleet.apply(specOfBench());
    const load = startLoad(fleet, options, answers);
    await reached("firstReplyMs", () => answers.length > 0);
    await reached("threeReplicasMs", () => ready(fleet) === 3);
    const before = answers.length;
    await until(() => answers.length >= before + options.requestsAtThree);
    load.clients = 1;
    await reached("oneReplicaMs", () => fleet.status().length === 1);
    load.clients = 0;
    await load.done;
    await reached("noReplicaMs", () => fleet.status().length === 0);
  } finally {
    await fleet.close(0);
  }
  return report(answers, atMs);
}

function fleetOfBench(): Fleet {
  const { cacheDir, hubEndpoint, env } = readConfig();
  return createFleet({
    kinds: { "llama-cpp": llamaCppKind },
    openServer: createOpenAiServerEngine,
    cacheDir,
    hubEndpoint,
    env,
    log: createLog("error"),
  });
}

/** The default model with short scaling windows: those of real deployments would only make the benchmark longer. */
function specOfBench(): DeploymentSpec {
  const catalogDir = fileURLToPath(new URL("../../../catalog", import.meta.url));
  const model = createModelCatalog({ catalogDir }).serverless()[0]!;
  return {
    id: ID,
    model: model.name,
    revision: "1",
    concurrency: SLOTS,
    lastUsedMs: 0,
    engine: {
      kind: "llama-cpp",
      weights: model.weights ?? null,
      options: (modelPath) => ({ modelPath, slots: SLOTS, contextSize: 512, threads: 1 }),
    },
    minReplicas: 0,
    maxReplicas: 3,
    fixedReplicas: null,
    sessionAffinity: false,
    loras: [],
    scaling: {
      scaleUpWindowMs: 1_000,
      scaleDownWindowMs: 2_000,
      scaleToZeroWindowMs: 2_000,
      loadTargets: { default: 0.8 },
    },
  };
}

function startLoad(fleet: Fleet, options: ScaleOptions, answers: Answered[]) {
  const load = { clients: options.clients, done: Promise.resolve() };
  const client = async (index: number) => {
    for (let i = 0; index < load.clients; i++)
      answers.push(await sendRequest(fleet, `${index}.${i}`, options));
  };
  load.done = Promise.all(Array.from({ length: options.clients }, (_, index) => client(index))).then(
    () => {},
  );
  return load;
}

async function sendRequest(fleet: Fleet, id: string, { maxTokens }: ScaleOptions): Promise<Answered> {
  const startMs = performance.now();
  const { signal } = new AbortController();
  let firstTokenMs = Number.NaN;
  const request: GenerateRequest = {
    id,
    sampling: { temperature: 0 },
    n: 1,
    maxTokens,
    stop: [],
    stream: true,
    input: { kind: "text", text: `Request ${id}: a story about a bridge.`, addBos: true },
  };
  try {
    const engine = await fleet.route({ deployment: ID }, signal);
    for await (const event of engine.generate(request, signal)) {
      if (event.type === "delta" && Number.isNaN(firstTokenMs)) firstTokenMs = performance.now() - startMs;
    }
    return { ok: true, firstTokenMs };
  } catch (error) {
    console.error(`request ${id} failed: ${error instanceof Error ? error.message : String(error)}`);
    return { ok: false, firstTokenMs };
  }
}

function ready(fleet: Fleet): number {
  return fleet.status().filter(({ stage }) => stage === "ready").length;
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function report(answers: readonly Answered[], atMs: Record<string, number>) {
  const failed = answers.filter(({ ok }) => !ok).length;
  const firstTokens = answers.filter(({ ok }) => ok).map(({ firstTokenMs }) => firstTokenMs);
  const inS = (name: string) => `${number(atMs[name]! / 1000)} s`;
  printTable(
    "A deployment from none to three replicas to none, under load",
    [
      "requests",
      "failed",
      "first response",
      "three ready",
      "one left",
      "none left",
      "first token p50",
      "longest",
    ],
    [
      [
        String(answers.length),
        String(failed),
        ...["firstReplyMs", "threeReplicasMs", "oneReplicaMs", "noReplicaMs"].map(inS),
        `${number(percentile(firstTokens, 0.5))} ms`,
        `${number(Math.max(...firstTokens))} ms`,
      ],
    ],
  );
  const goal: Goal = {
    name: "scale 0→3→0 under load: failed requests",
    unit: "requests",
    kind: "max",
    value: failed,
    limit: 0,
  };
  return { results: { requests: answers.length, failed, ...atMs }, goals: [goal] };
}

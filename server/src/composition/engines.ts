import type { Config, DeploymentEngine } from "../config.ts";
import type { Workload } from "../control/deployments/service.ts";
import type { AttachedModel, ModelCatalog } from "../control/models/service.ts";
import type { WeightsFormat } from "../engine/engine.ts";
import { type EmbeddedEngineOptions, embeddedEngine, serverEngine } from "../engines/registry.ts";
import { alwaysOnSpec, createFleet, type DeploymentSpec, type Fleet } from "../fleet/service.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { progressBar, type Terminal } from "./progress-bar.ts";

/** Creates the fleet of this host, without deployments. */
export function createHostFleet(config: Config, deps: { log: Log; terminal: Terminal; clock: Clock }): Fleet {
  const bars = new Map<string, ReturnType<typeof progressBar>>();
  return createFleet({
    kinds: { [embeddedEngine.name]: embeddedEngine.create },
    openServer: serverEngine.create,
    host: { accelerators: config.accelerators, region: config.region },
    cacheDir: config.cacheDir,
    hubEndpoint: config.hubEndpoint,
    env: config.env,
    log: deps.log,
    clock: deps.clock,
    onProgress(model, { receivedBytes, totalBytes }) {
      const bar = bars.get(model) ?? progressBar(`Fetching ${lastPart(model)}`, deps.terminal);
      bars.set(model, bar);
      bar(receivedBytes, totalBytes);
    },
  });
}

/** The deployments that the platform runs for all accounts: serverless models of the catalog, and engines of the settings. */
export function serverlessSpecs(config: Config, models: ModelCatalog): DeploymentSpec[] {
  return [
    ...models.serverless().map((model) =>
      alwaysOnSpec(model.name, {
        kind: model.engine as string,
        weights: model.weights ?? null,
        options: (modelPath) => ({ modelPath, ...threadsOf(config) }),
      }),
    ),
    ...[...config.attachedEngines].map(([name, baseUrl]) =>
      alwaysOnSpec(name, {
        attach: () =>
          serverEngine.create({ baseUrl, upstreamModel: lastPart(name), ...featuresOf(config, name) }),
      }),
    ),
    ...[...config.launchedEngines].map(([name, command]) =>
      alwaysOnSpec(name, {
        command,
        weights: null,
        upstreamModel: lastPart(name),
        ...featuresOf(config, name),
      }),
    ),
  ];
}

const CPU = "CPU";
const SLOTS = 8;
const LONG_PROMPT_SLOTS = 4;

type ReplicaEngine = Required<Pick<DeploymentSpec, "engine" | "concurrency">>;

/** The engine of a deployment's replicas on this host: a program of the settings, or the embedded engine. */
export function engineFor(config: Config, workload: Workload): ReplicaEngine {
  const program = config.deploymentEngines.get(workload.accelerators?.type ?? CPU);
  if (program !== undefined) {
    return { engine: programEngine(program, workload), concurrency: program.concurrency };
  }
  const slots = workload.longPrompt ? LONG_PROMPT_SLOTS : SLOTS;
  return { engine: embeddedReplica(config, workload, slots), concurrency: slots };
}

/** The form in which the engine for an accelerator type takes weights; null: for the host's processors. */
export function weightsFormatFor(config: Config, acceleratorType: string | null): WeightsFormat {
  const program = config.deploymentEngines.get(acceleratorType ?? CPU);
  return program === undefined
    ? embeddedEngine.weightsFormat([])
    : serverEngine.weightsFormat(program.command);
}

function programEngine(program: DeploymentEngine, workload: Workload): DeploymentSpec["engine"] {
  const { model, accelerators, weights, uploaded } = workload;
  const isGguf = serverEngine.weightsFormat(program.command) === "gguf";
  return {
    command: program.command.map((argument) =>
      argument.replaceAll("{gguf}", "{model}").replaceAll("{accelerators}", String(accelerators?.count ?? 0)),
    ),
    weights: {
      async fetch(signal, onPhase) {
        refuseUnsupportedOptions(workload, isGguf);
        return (isGguf ? weights : uploaded)(signal, onPhase);
      },
    },
    upstreamModel: lastPart(model),
    features: program.features,
  };
}

/**
 * The settings may have changed since the deployment was created. An option that the engine doesn't support fails the
 * replica instead of being ignored. @throws AppError FAILED_PRECONDITION.
 */
function refuseUnsupportedOptions(workload: Workload, isGguf: boolean): void {
  const { draft, ngramLength, contextLength, longPrompt, withLora, precision } = workload;
  const fields = {
    draftModel: draft !== null,
    ngramSpeculationLength: ngramLength !== null,
    maxContextLength: contextLength !== null,
    "autoTune.longPrompt": longPrompt,
    "LoRA addons": withLora,
    precision: !isGguf && precision !== null,
  };
  const set = Object.entries(fields).flatMap(([field, isSet]) => (isSet ? [field] : []));
  if (set.length === 0) return;
  const message = `The deployment's engine on this host does not support ${set.join(", ")}.`;
  throw new AppError("FAILED_PRECONDITION", message);
}

function embeddedReplica(config: Config, workload: Workload, slots: number): DeploymentSpec["engine"] {
  const { weights, draft, draftTokens, ngramLength, contextLength } = workload;
  let draftPath: string | null = null;
  return {
    kind: embeddedEngine.name,
    weights: {
      async fetch(signal, onPhase) {
        if (draft !== null) draftPath = await draft(signal, onPhase);
        return weights(signal, onPhase);
      },
    },
    options: (modelPath): EmbeddedEngineOptions => ({
      modelPath: modelPath as string,
      slots,
      ...threadsOf(config),
      ...(contextLength === null ? {} : { contextSize: contextLength }),
      ...(workload.withLora ? {} : { maxLoras: 0 }),
      ...(draftPath === null ? {} : { draft: { modelPath: draftPath, ...tokensOf(draftTokens) } }),
      ...(ngramLength === null ? {} : { ngram: { length: ngramLength, ...tokensOf(draftTokens) } }),
    }),
  };
}

function threadsOf({ engineThreads }: Config): { threads?: number } {
  return engineThreads === null ? {} : { threads: engineThreads };
}

function tokensOf(tokens: number | null): { tokens?: number } {
  return tokens === null ? {} : { tokens };
}

/** The models of the engines that the settings attach or launch. */
export function attachedModels(config: Config): AttachedModel[] {
  return [...config.attachedEngines.keys(), ...config.launchedEngines.keys()].map((name) => ({
    name,
    displayName: lastPart(name),
    supportsChat: true,
    supportsImageInput: false,
    supportsTools: config.engineFeatures.get(name)?.includes("tools") ?? false,
  }));
}

function featuresOf({ engineFeatures }: Config, name: string): { features?: readonly string[] } {
  const features = engineFeatures.get(name);
  return features === undefined ? {} : { features };
}

function lastPart(modelName: string): string {
  return modelName.slice(modelName.lastIndexOf("/") + 1);
}

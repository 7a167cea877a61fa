import type { Fireworks } from "../client/client.ts";
import { InputError } from "../client/errors.ts";
import type * as types from "../generated/types.ts";
import { apiDuration } from "./durations.ts";

export type DeploymentType = "serverless" | "on-demand" | "on-demand-lora" | "auto";

const DEPLOYMENT_TYPES: readonly string[] = ["serverless", "on-demand", "on-demand-lora", "auto"];

/** What a deployment is like, where one is made. Spans of time are texts such as `30s` or `1h30m`. */
export interface DeploymentOptions {
  description?: string | undefined;
  /** Before replicas are added under more load. Default `1s`. */
  scaleUpWindow?: string | undefined;
  /** Before replicas are taken away under less load. Default `1m`. */
  scaleDownWindow?: string | undefined;
  /** Without requests before the last replica goes. Default `5m`. */
  scaleToZeroWindow?: string | undefined;
  acceleratorType?: types.AcceleratorType | undefined;
  acceleratorCount?: number | undefined;
  region?: types.Region | undefined;
  /** Default 0. */
  minReplicaCount?: number | undefined;
  maxReplicaCount?: number | undefined;
  /** A fixed number, in place of the two bounds. */
  replicaCount?: number | undefined;
  precision?: types.Precision | undefined;
  /** Whether LoRA addons can be loaded. */
  enableAddons?: boolean | undefined;
  draftTokenCount?: number | undefined;
  draftModel?: string | undefined;
  ngramSpeculationLength?: number | undefined;
  longPromptOptimized?: boolean | undefined;
  enableSessionAffinity?: boolean | undefined;
  directRouteApiKeys?: readonly string[] | undefined;
  directRouteType?: types.DirectRouteType | undefined;
}

export interface LLMOptions extends DeploymentOptions {
  /** A full name, `{account}/{model}`, or an id: of the library, else of the own account. */
  model: string;
  /**
   * `auto` takes serverless hosting where the model has it, else a deployment of its own; for a LoRA addon one of its base
   * model that other addons share. `on-demand` deploys an addon merged, `on-demand-lora` loads it beside others.
   */
  deploymentType: DeploymentType;
  /** Id or full name. A deployment of that name is used again. Default: one by the display name and the model. */
  deploymentName?: string | undefined;
  /** A deployment of that display name and model is used again. Default: the name of the script that runs. */
  deploymentDisplayName?: string | undefined;
  /** For a LoRA addon: the deployment of its base model to load it on. Default: one that can be used, or a new one. */
  baseDeploymentName?: string | undefined;
  /** Default for requests. */
  temperature?: number | undefined;
  /** Measures the time to the last token of requests without `stream`. */
  enableMetrics?: boolean | undefined;
  /** In place of the next three. */
  client?: Fireworks | undefined;
  apiKey?: string | undefined;
  baseURL?: string | undefined;
  maxRetries?: number | undefined;
}

/** Arguments that the reference has and the API has no field for. */
const WITHOUT_FIELD: Record<string, string> = {
  maxBatchSize: "the API has no field for it; the platform chooses the batch size",
  cluster: "the platform chooses the cluster",
};

const DEPLOYMENT_OPTIONS = [
  ...["description", "scaleUpWindow", "scaleDownWindow", "scaleToZeroWindow", "acceleratorType"],
  ...["acceleratorCount", "region", "minReplicaCount", "maxReplicaCount", "replicaCount", "precision"],
  ...["enableAddons", "draftTokenCount", "draftModel", "ngramSpeculationLength", "longPromptOptimized"],
  ...["enableSessionAffinity", "directRouteApiKeys", "directRouteType"],
];
const OTHER_OPTIONS = [
  ...["model", "deploymentType", "deploymentName", "deploymentDisplayName", "baseDeploymentName"],
  ...["temperature", "enableMetrics", "client", "apiKey", "baseURL", "maxRetries"],
];

/** Cheap and quick to go: what is made without being told otherwise. */
export const NEW_DEPLOYMENT: types.Deployment = {
  minReplicaCount: 0,
  autoscalingPolicy: { scaleUpWindow: "1s", scaleDownWindow: "60s", scaleToZeroWindow: "300s" },
};

/** @throws InputError naming the option that is unknown, or goes with no other */
export function checkOptions(options: LLMOptions): void {
  refuseUnknown(options, [...DEPLOYMENT_OPTIONS, ...OTHER_OPTIONS], WITHOUT_FIELD);
  if (typeof options.model !== "string" || options.model === "")
    throw new InputError("model", "model is required.");
  if (!DEPLOYMENT_TYPES.includes(options.deploymentType))
    throw new InputError("deploymentType", `deploymentType must be one of ${DEPLOYMENT_TYPES.join(", ")}.`);
  if (options.deploymentType === "serverless") {
    const names = [...DEPLOYMENT_OPTIONS, "deploymentName", "baseDeploymentName"];
    const given = names.find((name) => options[name as keyof LLMOptions] !== undefined);
    if (given !== undefined) throw new InputError(given, `${given} means nothing with serverless hosting.`);
  }
  if (
    options.replicaCount !== undefined &&
    (options.minReplicaCount ?? options.maxReplicaCount) !== undefined
  )
    throw new InputError("replicaCount", "Give replicaCount, or minReplicaCount and maxReplicaCount.");
  deploymentFields(options);
}

/** @throws InputError naming an argument that can't be honoured */
export function refuseUnknown(
  options: object,
  known: readonly string[],
  reasons: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    throw new InputError(name, `${name} is not supported: ${reasons[name] ?? "there is no such argument"}.`);
  }
}

/** What was asked for, as the API has it; nothing else. */
export function deploymentFields(options: DeploymentOptions): types.Deployment {
  const { scaleUpWindow, scaleDownWindow, scaleToZeroWindow, replicaCount, region, draftModel } = options;
  const { minReplicaCount = replicaCount, maxReplicaCount = replicaCount } = options;
  const windows = Object.entries({ scaleUpWindow, scaleDownWindow, scaleToZeroWindow }).flatMap(
    ([name, span]) => (span === undefined ? [] : [[name, apiDuration(name, span)] as const]),
  );
  const { description, acceleratorType, acceleratorCount, precision, enableAddons } = options;
  const { draftTokenCount, ngramSpeculationLength, enableSessionAffinity } = options;
  const { directRouteApiKeys, directRouteType, longPromptOptimized } = options;
  return given({
    ...{ description, acceleratorType, acceleratorCount, precision, enableAddons },
    ...{ minReplicaCount, maxReplicaCount, draftTokenCount, ngramSpeculationLength, enableSessionAffinity },
    ...{ directRouteApiKeys, directRouteType },
    draftModel: draftModel === undefined ? undefined : libraryName(draftModel),
    placement: region === undefined ? undefined : { region },
    autoTune: longPromptOptimized === undefined ? undefined : { longPrompt: longPromptOptimized },
    autoscalingPolicy: windows.length === 0 ? undefined : Object.fromEntries(windows),
  });
}

/** Without what is undefined. */
export function given<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** An id means one of the library: `x`, `account/x` and `accounts/account/models/x` as full names. */
export function libraryName(model: string): string {
  const parts = model.split("/");
  if (parts.length === 1) return `accounts/fireworks/models/${model}`;
  return parts.length === 2 ? `accounts/${parts[0]}/models/${parts[1]}` : model;
}

/** The name of the script that runs; `sdk` where there is none. */
export function scriptName(): string {
  const { process } = globalThis as { process?: { argv?: readonly string[] } };
  const path = process?.argv?.[1] ?? "";
  return path.split(/[\\/]/).at(-1)?.slice(0, 63) || "sdk";
}

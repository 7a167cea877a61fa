import type { Fireworks } from "../client/client.ts";
import { InputError } from "../client/errors.ts";
import type * as types from "../generated/types.ts";
import { apiDuration } from "./durations.ts";

export type DeploymentType = "serverless" | "on-demand" | "on-demand-lora" | "auto";

const DEPLOYMENT_TYPES: readonly string[] = ["serverless", "on-demand", "on-demand-lora", "auto"];

/** Settings of a deployment. Durations are strings such as `30s` or `1h30m`. */
export interface DeploymentOptions {
  description?: string | undefined;
  /** How long the load must be high before replicas are added. Default `1s`. */
  scaleUpWindow?: string | undefined;
  /** How long the load must be low before replicas are removed. Default `1m`. */
  scaleDownWindow?: string | undefined;
  /** How long there must be no request before the last replica stops. Default `5m`. */
  scaleToZeroWindow?: string | undefined;
  acceleratorType?: types.AcceleratorType | undefined;
  acceleratorCount?: number | undefined;
  region?: types.Region | undefined;
  /** Default 0. */
  minReplicaCount?: number | undefined;
  maxReplicaCount?: number | undefined;
  /** A fixed number of replicas, instead of `minReplicaCount` and `maxReplicaCount`. */
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
  /** A full name, `{account}/{model}`, or an id. An id means a library model; if there is none, a model of the account. */
  model: string;
  /**
   * `auto` uses serverless hosting if the model has it, and otherwise a deployment of its own, or for a LoRA addon a
   * deployment of its base model that other addons share. `on-demand` merges an addon into a deployment of its own;
   * `on-demand-lora` loads the addon onto a shared deployment.
   */
  deploymentType: DeploymentType;
  /** Id or full name. An existing deployment of that name is reused. Default: found by display name and model. */
  deploymentName?: string | undefined;
  /** An existing deployment of that display name and model is reused. Default: the name of the running script. */
  deploymentDisplayName?: string | undefined;
  /** For a LoRA addon: the deployment of its base model to load it on. Default: a suitable one, or a new one. */
  baseDeploymentName?: string | undefined;
  /** Temperature of requests that set none. */
  temperature?: number | undefined;
  /** Measures the time to the last token of requests without `stream`. */
  enableMetrics?: boolean | undefined;
  /** Used instead of `apiKey`, `baseURL` and `maxRetries`. */
  client?: Fireworks | undefined;
  apiKey?: string | undefined;
  baseURL?: string | undefined;
  maxRetries?: number | undefined;
}

/** Arguments of the reference SDK for which the API has no field, with the reason. */
const UNSUPPORTED: Record<string, string> = {
  maxBatchSize: "the API has no field for it; the platform chooses the batch size",
  cluster: "the platform chooses the cluster",
};

const DEPLOYMENT_OPTIONS = [
  "description",
  "scaleUpWindow",
  "scaleDownWindow",
  "scaleToZeroWindow",
  "acceleratorType",
  "acceleratorCount",
  "region",
  "minReplicaCount",
  "maxReplicaCount",
  "replicaCount",
  "precision",
  "enableAddons",
  "draftTokenCount",
  "draftModel",
  "ngramSpeculationLength",
  "longPromptOptimized",
  "enableSessionAffinity",
  "directRouteApiKeys",
  "directRouteType",
];
const OTHER_OPTIONS = [
  "model",
  "deploymentType",
  "deploymentName",
  "deploymentDisplayName",
  "baseDeploymentName",
  "temperature",
  "enableMetrics",
  "client",
  "apiKey",
  "baseURL",
  "maxRetries",
];

/** Defaults of a new deployment: it scales to zero soon, so that an unused deployment costs little. */
export const NEW_DEPLOYMENT: types.Deployment = {
  minReplicaCount: 0,
  autoscalingPolicy: { scaleUpWindow: "1s", scaleDownWindow: "60s", scaleToZeroWindow: "300s" },
};

/** @throws InputError naming an option that is unknown, malformed or conflicts with another one */
export function checkOptions(options: LLMOptions): void {
  refuseUnknown(options, [...DEPLOYMENT_OPTIONS, ...OTHER_OPTIONS], UNSUPPORTED);
  if (typeof options.model !== "string" || options.model === "")
    throw new InputError("model", "model is required.");
  if (!DEPLOYMENT_TYPES.includes(options.deploymentType))
    throw new InputError("deploymentType", `deploymentType must be one of ${DEPLOYMENT_TYPES.join(", ")}.`);
  if (options.deploymentType === "serverless") {
    const names = [...DEPLOYMENT_OPTIONS, "deploymentName", "baseDeploymentName"];
    const unusable = names.find((name) => options[name as keyof LLMOptions] !== undefined);
    if (unusable !== undefined)
      throw new InputError(unusable, `${unusable} has no effect with serverless hosting.`);
  }
  if (
    options.replicaCount !== undefined &&
    (options.minReplicaCount ?? options.maxReplicaCount) !== undefined
  )
    throw new InputError("replicaCount", "Give replicaCount, or minReplicaCount and maxReplicaCount.");
  deploymentFields(options);
}

/** @throws InputError naming the first defined option that is not in `known` */
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

/** The options that are set, as fields of the API; no defaults. */
export function deploymentFields(options: DeploymentOptions): types.Deployment {
  const { scaleUpWindow, scaleDownWindow, scaleToZeroWindow, replicaCount, region, draftModel } = options;
  const { minReplicaCount = replicaCount, maxReplicaCount = replicaCount } = options;
  const windows = Object.entries({ scaleUpWindow, scaleDownWindow, scaleToZeroWindow }).flatMap(
    ([name, span]) => (span === undefined ? [] : [[name, apiDuration(name, span)] as const]),
  );
  const { description, acceleratorType, acceleratorCount, precision, enableAddons } = options;
  const { draftTokenCount, ngramSpeculationLength, enableSessionAffinity } = options;
  const { directRouteApiKeys, directRouteType, longPromptOptimized } = options;
  return definedFields({
    description,
    acceleratorType,
    acceleratorCount,
    precision,
    enableAddons,
    minReplicaCount,
    maxReplicaCount,
    draftTokenCount,
    ngramSpeculationLength,
    enableSessionAffinity,
    directRouteApiKeys,
    directRouteType,
    draftModel: draftModel === undefined ? undefined : libraryName(draftModel),
    placement: region === undefined ? undefined : { region },
    autoTune: longPromptOptimized === undefined ? undefined : { longPrompt: longPromptOptimized },
    autoscalingPolicy: windows.length === 0 ? undefined : Object.fromEntries(windows),
  });
}

/** A copy without the fields that are undefined. */
export function definedFields<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** The full name of a model: an id means a library model, `account/x` means `accounts/account/models/x`. */
export function libraryName(model: string): string {
  const parts = model.split("/");
  if (parts.length === 1) return `accounts/fireworks/models/${model}`;
  return parts.length === 2 ? `accounts/${parts[0]}/models/${parts[1]}` : model;
}

/** The file name of the running script; `sdk` in browsers. */
export function scriptName(): string {
  const { process } = globalThis as { process?: { argv?: readonly string[] } };
  const path = process?.argv?.[1] ?? "";
  return path.split(/[\\/]/).at(-1)?.slice(0, 63) || "sdk";
}

import { checkAnnotations, checkDisplayName, checkText } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { parseTimestamp } from "../../lib/timestamps.ts";
import { checkScaling } from "./autoscaling.ts";
import { checkPlacement } from "./placement.ts";
import type { DeploymentBody, StoredSpec } from "./schema.ts";

const MAX_DESCRIPTION_CHARS = 999;
/** Most LoRA addons of a deployment: all of them stay on the device. */
const MAX_LORAS = 100;

/** Limits of the embedded engine. */
const MAX_DRAFT_TOKENS = 32;
const MAX_NGRAM_LENGTH = 16;

/** Fields of the contract that are not supported: the value that is accepted, and why all others are refused. */
const UNSUPPORTED_FIELDS: Readonly<Record<string, { neutral: unknown; why: string }>> = {
  maxWithRevocableReplicaCount: { neutral: 0, why: "there is no revocable capacity here" },
  deploymentTemplate: { neutral: "", why: "there are no deployment templates here" },
  enableHotLoad: {
    neutral: false,
    why: "weights are not loaded from buckets; load LoRA addons as deployed models",
  },
  hotLoadBucketType: { neutral: "BUCKET_TYPE_UNSPECIFIED", why: "weights are not loaded from buckets" },
  hotLoadBucketUrl: { neutral: "", why: "weights are not loaded from buckets" },
  hotLoadTrainerJob: { neutral: "", why: "weights are not loaded from buckets" },
  activeModelVersion: { neutral: "", why: "models have no versions here" },
  targetModelVersion: { neutral: "", why: "models have no versions here" },
  pricingPlanId: { neutral: "", why: "there are no pricing plans here" },
  isNim: { neutral: false, why: "NIM containers are not run here" },
  enableMtp: { neutral: false, why: "no engine here predicts several tokens at once with the model itself" },
  maxPeftBatchSize: {
    neutral: 0,
    why: "requests with an addon share the places of all others; there is no limit of their own",
  },
};

/**
 * Checks the fields that don't depend on the model; `checkAgainstModel` checks the others.
 * @returns the fields to store.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function checkFields(body: DeploymentBody, hostRegion: string | null): StoredSpec {
  const { baseModel, directRouteApiKeys, ...spec } = body;
  for (const [field, { neutral, why }] of Object.entries(UNSUPPORTED_FIELDS)) {
    const value = spec[field as keyof typeof spec];
    if (value !== undefined && value !== neutral)
      throw badRequest(field, `${field} is not supported: ${why}.`);
    delete spec[field as keyof typeof spec];
  }
  checkDisplayName("displayName", spec.displayName ?? "");
  checkText("description", spec.description ?? "", MAX_DESCRIPTION_CHARS);
  checkAnnotations("annotations", spec.annotations ?? {});
  if (spec.expireTime !== undefined && parseTimestamp(spec.expireTime) === null) {
    throw badRequest("expireTime", "expireTime must be a time such as 2026-01-31T12:00:00Z.");
  }
  if ((spec.numPeftDeviceCached ?? 0) > MAX_LORAS) {
    throw badRequest("numPeftDeviceCached", `numPeftDeviceCached must not be above ${MAX_LORAS}.`);
  }
  checkScaling(spec);
  checkSpeculation(spec);
  checkPlacement(spec, hostRegion);
  checkDirectRoute(spec, directRouteApiKeys ?? []);
  return spec;
}

function checkSpeculation({ draftModel, ngramSpeculationLength, draftTokenCount }: DeploymentBody): void {
  if (draftModel && ngramSpeculationLength) {
    throw badRequest("ngramSpeculationLength", "Set draftModel or ngramSpeculationLength, not both.");
  }
  if ((draftTokenCount ?? 0) > MAX_DRAFT_TOKENS) {
    throw badRequest("draftTokenCount", `draftTokenCount must not be above ${MAX_DRAFT_TOKENS}.`);
  }
  if ((ngramSpeculationLength ?? 0) > MAX_NGRAM_LENGTH) {
    throw badRequest(
      "ngramSpeculationLength",
      `ngramSpeculationLength must not be above ${MAX_NGRAM_LENGTH}.`,
    );
  }
  const chosen = draftModel ? "draftModel" : ngramSpeculationLength ? "ngramSpeculationLength" : null;
  if (chosen !== null && draftTokenCount === undefined) {
    throw badRequest("draftTokenCount", `draftTokenCount is required with ${chosen}.`);
  }
  if (chosen === null && draftTokenCount) {
    throw badRequest("draftTokenCount", "draftTokenCount needs draftModel or ngramSpeculationLength.");
  }
}

const DIRECT_ROUTE_KEY = /^[A-Za-z0-9_-]{8,256}$/;

function checkDirectRoute(
  { directRouteType = NO_DIRECT_ROUTE }: DeploymentBody,
  keys: readonly string[],
): void {
  if (directRouteType !== NO_DIRECT_ROUTE && directRouteType !== "INTERNET") {
    throw badRequest(
      "directRouteType",
      `directRouteType ${directRouteType} is not supported: only INTERNET is.`,
    );
  }
  if (directRouteType === NO_DIRECT_ROUTE && keys.length > 0) {
    throw badRequest("directRouteApiKeys", "directRouteApiKeys needs a directRouteType.");
  }
  if (directRouteType === "INTERNET" && keys.length === 0) {
    throw badRequest("directRouteApiKeys", "A direct route needs at least one key.");
  }
}

export const NO_DIRECT_ROUTE = "DIRECT_ROUTE_TYPE_UNSPECIFIED";

/** @throws AppError BAD_REQUEST for a malformed key; the message doesn't repeat the key. */
export function checkDirectRouteKey(index: number, key: string): void {
  if (DIRECT_ROUTE_KEY.test(key)) return;
  const field = `directRouteApiKeys[${index}]`;
  throw badRequest(field, `${field} must be 8 to 256 letters, digits, hyphens and underscores.`);
}

import type { Fireworks } from "../client/client.ts";
import { FireworksError } from "../client/errors.ts";
import type { CallOptions } from "../client/transport.ts";
import type * as types from "../generated/types.ts";
import { Dataset } from "./dataset.ts";
import { definedFields, refuseUnknown } from "./llm-options.ts";
import { quoted, randomId } from "./signature.ts";

export interface FineTuningOptions {
  epochs?: number | undefined;
  learningRate?: number | undefined;
  loraRank?: number | undefined;
  jinjaTemplate?: string | undefined;
  earlyStop?: boolean | undefined;
  maxContextLength?: number | undefined;
  batchSize?: number | undefined;
  isTurbo?: boolean | undefined;
  region?: types.Region | undefined;
  nodes?: number | undefined;
  evaluationDataset?: Dataset | string | undefined;
  evalAutoCarveout?: boolean | undefined;
  wandbConfig?: types.WandbConfig | undefined;
  /** The id of the job. Default: a random one that begins with the job's name. */
  id?: string | undefined;
  /** Id or full name of the tuned model. */
  outputModel?: string | undefined;
}

/** A job ended without a model. */
export class JobFailedError extends FireworksError {}

const OPTIONS = [
  "epochs",
  "learningRate",
  "loraRank",
  "jinjaTemplate",
  "earlyStop",
  "maxContextLength",
  "batchSize",
  "isTurbo",
  "region",
  "nodes",
  "evaluationDataset",
  "evalAutoCarveout",
  "wandbConfig",
  "id",
  "outputModel",
  "name",
  "llm",
  "datasetOrId",
];

/** Arguments of the reference SDK for which the API has no field, with the reason. */
const UNSUPPORTED = {
  baseModelWeightPrecision: "the API has no field for it; the platform chooses the precision",
  acceleratorType: "the API has no field for it; the platform chooses the hardware",
  acceleratorCount: "the API has no field for it; the platform chooses the hardware",
};

export const DONE_JOB_STATES: readonly string[] = ["JOB_STATE_COMPLETED", "JOB_STATE_EARLY_STOPPED"];
export const FAILED_JOB_STATES: readonly string[] = [
  "JOB_STATE_FAILED",
  "JOB_STATE_CANCELLED",
  "JOB_STATE_EXPIRED",
  "JOB_STATE_DELETING",
  "JOB_STATE_DELETING_CLEANING_UP",
  "JOB_STATE_DELETED",
  "JOB_STATE_DELETING_INCOMPLETE",
  "JOB_STATE_CANCELLING",
];

/** @throws InputError naming an argument that is unknown or that the API has no field for */
export function checkFineTuningOptions(options: object): void {
  refuseUnknown(options, OPTIONS, UNSUPPORTED);
}

/** Returns the newest job of that name and base model that has not failed; creates one if there is none. */
export async function findOrCreateJob(
  client: Fireworks,
  job: { name: string; baseModel: string; dataset: Dataset | string; options: FineTuningOptions },
  call: CallOptions,
): Promise<types.SupervisedFineTuningJob> {
  const { name, baseModel, dataset } = job;
  const filter = `displayName = ${quoted(name)} AND baseModel = ${quoted(baseModel)}`;
  const jobs = client.supervisedFineTuningJobs.list({ filter, orderBy: "createTime desc" }, call);
  for await (const existing of jobs) if (!FAILED_JOB_STATES.includes(existing.state ?? "")) return existing;
  const { id, evaluationDataset, ...fields } = job.options;
  const body = definedFields({
    ...fields,
    displayName: name,
    baseModel,
    dataset: await datasetName(client, dataset, call),
    evaluationDataset:
      evaluationDataset === undefined ? undefined : await datasetName(client, evaluationDataset, call),
  });
  // The client chooses the id, so that it can retry a create request whose response was lost.
  const supervisedFineTuningJobId = id ?? randomId(name);
  return client.supervisedFineTuningJobs.create({ ...body, supervisedFineTuningJobId }, call);
}

/** The full name of a dataset; uploads a `Dataset` first. */
async function datasetName(client: Fireworks, dataset: Dataset | string, call: CallOptions): Promise<string> {
  if (dataset instanceof Dataset) return (await dataset.sync(call)).name ?? "";
  return dataset.includes("/") ? dataset : `accounts/${await client.accountId()}/datasets/${dataset}`;
}

import type { Fireworks } from "../client/client.ts";
import { FireworksError } from "../client/errors.ts";
import { idOf } from "../client/names.ts";
import type { CallOptions } from "../client/transport.ts";
import type * as types from "../generated/types.ts";
import { Dataset } from "./dataset.ts";
import { LLM } from "./llm.ts";
import { given, refuseUnknown } from "./llm-options.ts";
import { poll, type WaitOptions } from "./polling.ts";
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
  /** Default: one that follows from the name. */
  id?: string | undefined;
  /** Id or full name of the model to be made. */
  outputModel?: string | undefined;
}

export interface FineTuningRequest extends FineTuningOptions {
  name: string;
  llm: LLM;
  datasetOrId: Dataset | string;
}

/** A job ended without a model. */
export class JobFailedError extends FireworksError {}

const OPTIONS = [
  ...["epochs", "learningRate", "loraRank", "jinjaTemplate", "earlyStop", "maxContextLength", "batchSize"],
  ...["isTurbo", "region", "nodes", "evaluationDataset", "evalAutoCarveout", "wandbConfig", "id"],
  ...["outputModel", "name", "llm", "datasetOrId"],
];
const WITHOUT_FIELD = {
  baseModelWeightPrecision: "the API has no field for it; the platform chooses the precision",
  acceleratorType: "the API has no field for it; the platform chooses the hardware",
  acceleratorCount: "the API has no field for it; the platform chooses the hardware",
};
const DONE = ["JOB_STATE_COMPLETED", "JOB_STATE_EARLY_STOPPED"];
const FAILED = [
  ...["JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED", "JOB_STATE_DELETING"],
  ...[
    "JOB_STATE_DELETING_CLEANING_UP",
    "JOB_STATE_DELETED",
    "JOB_STATE_DELETING_INCOMPLETE",
    "JOB_STATE_CANCELLING",
  ],
];

/** A job that fine-tunes a model on a dataset. */
export class SupervisedFineTuningJob {
  readonly llm: LLM;
  #job: types.SupervisedFineTuningJob;

  private constructor(llm: LLM, job: types.SupervisedFineTuningJob) {
    this.llm = llm;
    this.#job = job;
  }

  /**
   * Makes a job, its dataset uploaded first; one of the same name and model that has not failed is used again.
   * @throws InputError naming an argument that can't be honoured; ApiError
   */
  static async create(request: FineTuningRequest, call: CallOptions = {}): Promise<SupervisedFineTuningJob> {
    refuseUnknown(request, OPTIONS, WITHOUT_FIELD);
    const { name, llm, datasetOrId, id, evaluationDataset, ...fields } = request;
    const { client } = llm;
    const baseModel = await llm.resolveModel(call);
    const found = await findJob(client, name, baseModel, call);
    if (found !== null) return new SupervisedFineTuningJob(llm, found);
    const body = given({
      ...fields,
      ...{ displayName: name, baseModel },
      dataset: await datasetName(client, datasetOrId, call),
      evaluationDataset:
        evaluationDataset === undefined ? undefined : await datasetName(client, evaluationDataset, call),
    });
    // With an id of its own, the request can be sent again when its answer is lost.
    const supervisedFineTuningJobId = id ?? randomId(name);
    const job = await client.supervisedFineTuningJobs.create({ ...body, supervisedFineTuningJobId }, call);
    return new SupervisedFineTuningJob(llm, job);
  }

  /** A job by its id or full name. */
  static async get(llm: LLM, jobName: string, call: CallOptions = {}): Promise<SupervisedFineTuningJob> {
    return new SupervisedFineTuningJob(llm, await llm.client.supervisedFineTuningJobs.get(jobName, {}, call));
  }

  /** The full name. */
  get name(): string {
    return this.#job.name ?? "";
  }

  get id(): string {
    return idOf(this.name);
  }

  get displayName(): string {
    return this.#job.displayName ?? "";
  }

  /** As last seen. */
  get state(): types.JobState {
    return this.#job.state ?? "JOB_STATE_UNSPECIFIED";
  }

  get createTime(): string | null {
    return this.#job.createTime ?? null;
  }

  get updateTime(): string | null {
    return this.#job.updateTime ?? null;
  }

  get createdBy(): string | null {
    return this.#job.createdBy ?? null;
  }

  /** The full name of the model that comes out; null while it isn't known. */
  get outputModel(): string | null {
    return this.#job.outputModel || null;
  }

  /** The model that comes out, served where the one it was made of is. @throws FireworksError before it is known */
  get outputLlm(): LLM {
    if (this.outputModel === null) throw new FireworksError(`${this.name} has no output model yet.`);
    const { deploymentType, deploymentName, client, deploymentDisplayName } = this.llm;
    // On a deployment of the base model there is room for more: no second one is made.
    const isOnDemand = deploymentType === "on-demand" || deploymentType === "on-demand-lora";
    return new LLM({
      ...{ client, model: this.outputModel, deploymentType: isOnDemand ? "on-demand-lora" : deploymentType },
      ...(deploymentType !== "serverless" && {
        deploymentDisplayName,
        baseDeploymentName: deploymentName ?? undefined,
      }),
    });
  }

  /** Asks for the job's state. */
  async refresh(call: CallOptions = {}): Promise<this> {
    this.#job = await this.llm.client.supervisedFineTuningJobs.get(this.name, {}, call);
    return this;
  }

  /** Waits for the job's end, a day at most unless told otherwise. @throws JobFailedError */
  async waitForCompletion({ signal, timeoutMs = 86_400_000 }: WaitOptions = {}): Promise<this> {
    const look = async (): Promise<this | null> => {
      await this.refresh({ signal });
      if (FAILED.includes(this.state))
        throw new JobFailedError(`${this.name} is ${this.state}. ${this.#job.status?.message ?? ""}`.trim());
      return DONE.includes(this.state) ? this : null;
    };
    return poll(`${this.name} was not done`, look, { signal, timeoutMs });
  }

  async delete(call: CallOptions = {}): Promise<void> {
    await this.llm.client.supervisedFineTuningJobs.delete(this.name, {}, call);
  }
}

async function findJob(
  client: Fireworks,
  name: string,
  baseModel: string,
  call: CallOptions,
): Promise<types.SupervisedFineTuningJob | null> {
  const filter = `displayName = ${quoted(name)} AND baseModel = ${quoted(baseModel)}`;
  const jobs = client.supervisedFineTuningJobs.list({ filter, orderBy: "createTime desc" }, call);
  for await (const job of jobs) if (!FAILED.includes(job.state ?? "")) return job;
  return null;
}

async function datasetName(client: Fireworks, dataset: Dataset | string, call: CallOptions): Promise<string> {
  if (dataset instanceof Dataset) return (await dataset.sync(call)).name ?? "";
  return dataset.includes("/") ? dataset : `accounts/${await client.accountId()}/datasets/${dataset}`;
}

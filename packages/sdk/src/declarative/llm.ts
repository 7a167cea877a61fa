import { Fireworks } from "../client/client.ts";
import { FireworksError, NotFoundError } from "../client/errors.ts";
import { idOf } from "../client/names.ts";
import type { EventStream } from "../client/stream.ts";
import type { CallOptions } from "../client/transport.ts";
import type * as types from "../generated/types.ts";
import type { StreamingMethod } from "../inference/inference.ts";
import type { Dataset } from "./dataset.ts";
import { DeploymentResolver, type ServingLocation } from "./deployment-resolver.ts";
import {
  checkFineTuningOptions,
  DONE_JOB_STATES,
  FAILED_JOB_STATES,
  type FineTuningOptions,
  findOrCreateJob,
  JobFailedError,
} from "./fine-tuning.ts";
import { checkOptions, type DeploymentType, type LLMOptions, scriptName } from "./llm-options.ts";
import { poll, type WaitOptions } from "./polling.ts";
import { Singleflight } from "./singleflight.ts";

/** The parameters of a request of an `LLM`; the `LLM` adds the model. */
type Request<Params> = Omit<Params, "model" | "stream"> & {
  /** Extra headers of this request. */
  extraHeaders?: Readonly<Record<string, string>> | undefined;
};

type Create<Params, Whole, Event> = StreamingMethod<Request<Params>, Whole, Event>;
type CreateChat = Create<
  types.ChatCompletionRequest,
  types.ChatCompletionResponse,
  types.ChatCompletionChunk
>;
type CreateCompletion = Create<types.CompletionRequest, types.CompletionResponse, types.CompletionChunk>;

/**
 * A model and the deployment that serves it. The first request, or `ensureReady`, creates the deployment if it is missing. No
 * earlier call contacts the host.
 */
export class LLM {
  readonly client: Fireworks;
  readonly chat: { readonly completions: { readonly create: CreateChat; readonly acreate: CreateChat } };
  readonly completions: { readonly create: CreateCompletion; readonly acreate: CreateCompletion };
  readonly #options: LLMOptions;
  readonly #preparation = new Singleflight<void>();
  #location: ServingLocation | null = null;
  #isReady = false;
  #lastTokenTimesMs = { count: 0, sum: 0 };

  /** @throws InputError naming the argument that is unknown or can't be honoured */
  constructor(options: LLMOptions) {
    checkOptions(options);
    this.#options = options;
    const { client, apiKey, baseURL, maxRetries } = options;
    this.client = client ?? new Fireworks({ apiKey, baseURL, maxRetries });
    const chat = this.#creator((params, call) => this.client.chat.completions.create(params as never, call));
    const text = this.#creator((params, call) => this.client.completions.create(params as never, call));
    this.chat = { completions: { create: chat as CreateChat, acreate: chat as CreateChat } };
    this.completions = { create: text as CreateCompletion, acreate: text as CreateCompletion };
  }

  /** The model's full name once the host has resolved it; until then the name passed to the constructor. */
  get model(): string {
    return this.#location?.model ?? this.#options.model;
  }

  /** The model name that requests send; null until the host has resolved it. */
  get modelId(): string | null {
    return this.#location?.modelId ?? null;
  }

  /** The full name of the model's own deployment; null if it has none. */
  get deploymentName(): string | null {
    return this.#location?.deploymentName ?? null;
  }

  /** The API address of the deployment; null without a deployment. */
  get deploymentUrl(): string | null {
    return this.deploymentName === null ? null : `${this.client.baseURL}/v1/${this.deploymentName}`;
  }

  get deploymentDisplayName(): string {
    return this.#options.deploymentDisplayName ?? scriptName();
  }

  /** The full name of the base model's deployment that a LoRA addon is loaded on; null for other models. */
  get baseDeploymentName(): string | null {
    return this.#location?.baseDeploymentName ?? null;
  }

  /** The full name of a LoRA addon's base model; null for other models. */
  get peftBaseModel(): string | null {
    return this.#location?.peftBaseModel ?? null;
  }

  /** Whether LoRA addons can be loaded onto the deployment that serves the model. */
  get addonsEnabled(): boolean {
    return this.#location?.addonsEnabled ?? this.#options.enableAddons === true;
  }

  get temperature(): number | null {
    return this.#options.temperature ?? null;
  }

  get deploymentType(): DeploymentType {
    return this.#options.deploymentType;
  }

  /** Creates or updates the deployment that serves the model, without waiting until it is ready. */
  async apply(options: WaitOptions = {}): Promise<this> {
    this.#location = await new DeploymentResolver(this.client, this.#options, options).apply();
    return this;
  }

  /**
   * Creates or updates the deployment and waits until it can serve requests. `timeoutMs` is 30 minutes by default.
   * @throws DeploymentFailedError, InputError, ApiError
   */
  async ensureReady({ signal, timeoutMs }: WaitOptions = {}): Promise<this> {
    const prepare = async (shared: AbortSignal): Promise<void> => {
      const resolver = new DeploymentResolver(this.client, this.#options, { signal: shared, timeoutMs });
      this.#location = await resolver.apply();
      await resolver.waitFor(this.#location);
      this.#isReady = true;
    };
    if (!this.#isReady) await this.#preparation.run(prepare, signal);
    return this;
  }

  /** Asks the host for the model's full name, unless it is known. */
  async resolveModel({ signal }: CallOptions = {}): Promise<string> {
    return (
      this.#location?.model ??
      (await new DeploymentResolver(this.client, this.#options, { signal }).model()).name ??
      ""
    );
  }

  /** The same model and deployment with another default temperature. */
  withTemperature(temperature: number): LLM {
    const other = new LLM({ ...this.#options, client: this.client, temperature });
    other.#location = this.#location;
    other.#isReady = this.#isReady;
    return other;
  }

  /** The same model with another deployment type. */
  withDeploymentType(deploymentType: DeploymentType): LLM {
    return new LLM({ ...this.#options, client: this.client, deploymentType });
  }

  /** Sets the number of replicas; until then autoscaling decides it. */
  async scale(replicaCount: number, call: CallOptions = {}): Promise<void> {
    await this.ensureReady({ signal: call.signal });
    const { deploymentName, baseDeploymentName } = this;
    const name = deploymentName ?? baseDeploymentName;
    if (name !== null) await this.client.deployments.scale(name, { replicaCount }, call);
  }

  /** Stops all replicas. Requests are refused until `scale` starts replicas again. */
  scaleToZero(call: CallOptions = {}): Promise<void> {
    return this.scale(0, call);
  }

  /**
   * Deletes the model's deployment, if it has one. A LoRA addon on a shared deployment is only unloaded. The next request
   * creates the deployment, or loads the addon, again.
   * @param options.ignoreChecks deletes the deployment even if it was used a short time ago
   */
  async deleteDeployment({
    ignoreChecks,
    ...call
  }: { ignoreChecks?: boolean } & CallOptions = {}): Promise<void> {
    const found = this.#location ?? (await new DeploymentResolver(this.client, this.#options, call).find());
    this.#location = null;
    this.#isReady = false;
    if (found.deploymentName !== null)
      await this.client.deployments.delete(found.deploymentName, { ignoreChecks }, call);
    else if (found.deployedModelName !== null)
      await this.client.deployedModels.delete(found.deployedModelName, {}, call);
  }

  /** Mean time to the last token of requests without `stream`, in ms; null without such requests or without `enableMetrics`. */
  getTimeToLastTokenMean(): number | null {
    const { count, sum } = this.#lastTokenTimesMs;
    return count === 0 ? null : sum / count;
  }

  /**
   * Starts a job that fine-tunes the model, or returns a job of the same name and model that has not failed. Resolves once
   * the job is created; `waitForCompletion` waits for its end.
   */
  createSupervisedFineTuningJob(
    name: string,
    datasetOrId: Dataset | string,
    options: FineTuningOptions = {},
  ): Promise<SupervisedFineTuningJob> {
    return SupervisedFineTuningJob.create({ ...options, name, llm: this, datasetOrId });
  }

  #creator(send: (params: object, call: CallOptions) => Promise<unknown>) {
    return async (params: Request<object>, call: CallOptions = {}): Promise<unknown> => {
      const { extraHeaders, ...request } = params;
      await this.ensureReady({ signal: call.signal });
      const startMs = performance.now();
      const { temperature, enableMetrics } = this.#options;
      const result = await send(
        { ...(temperature !== undefined && { temperature }), ...request, model: this.modelId },
        { ...call, headers: { ...call.headers, ...extraHeaders } },
      ).catch((error: unknown) => {
        // The deployment was deleted: the next request creates it again.
        if (error instanceof NotFoundError) this.#isReady = false;
        throw error;
      });
      if (enableMetrics && !isStream(result)) {
        this.#lastTokenTimesMs.count++;
        this.#lastTokenTimesMs.sum += performance.now() - startMs;
      }
      return result;
    };
  }
}

export interface FineTuningRequest extends FineTuningOptions {
  name: string;
  llm: LLM;
  datasetOrId: Dataset | string;
}

/** A job that fine-tunes a model on a dataset. It is in this file because it and `LLM` create each other. */
export class SupervisedFineTuningJob {
  readonly llm: LLM;
  #job: types.SupervisedFineTuningJob;

  private constructor(llm: LLM, job: types.SupervisedFineTuningJob) {
    this.llm = llm;
    this.#job = job;
  }

  /**
   * Creates a job, and uploads its dataset first. Reuses a job of the same name and model that has not failed.
   * @throws InputError naming an argument that can't be honoured; ApiError
   */
  static async create(request: FineTuningRequest, call: CallOptions = {}): Promise<SupervisedFineTuningJob> {
    checkFineTuningOptions(request);
    const { name, llm, datasetOrId, ...options } = request;
    const baseModel = await llm.resolveModel(call);
    const job = await findOrCreateJob(llm.client, { name, baseModel, dataset: datasetOrId, options }, call);
    return new SupervisedFineTuningJob(llm, job);
  }

  /** Reads a job by its id or full name. */
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

  /** The state at the last `create`, `get` or `refresh`. */
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

  /** The full name of the tuned model; null while the server has not chosen it. */
  get outputModel(): string | null {
    return this.#job.outputModel || null;
  }

  /** The tuned model, served where its base model is. @throws FireworksError while `outputModel` is null */
  get outputLlm(): LLM {
    if (this.outputModel === null) throw new FireworksError(`${this.name} has no output model yet.`);
    const { deploymentType, deploymentName, client, deploymentDisplayName } = this.llm;
    // Load the addon onto the deployment of the base model instead of creating a second deployment.
    const isOnDemand = deploymentType === "on-demand" || deploymentType === "on-demand-lora";
    return new LLM({
      client,
      model: this.outputModel,
      deploymentType: isOnDemand ? "on-demand-lora" : deploymentType,
      ...(deploymentType !== "serverless" && {
        deploymentDisplayName,
        baseDeploymentName: deploymentName ?? undefined,
      }),
    });
  }

  /** Reads the job's current state. */
  async refresh(call: CallOptions = {}): Promise<this> {
    this.#job = await this.llm.client.supervisedFineTuningJobs.get(this.name, {}, call);
    return this;
  }

  /** Waits for the job's end. `timeoutMs` is a day by default. @throws JobFailedError, TimeoutError */
  async waitForCompletion({ signal, timeoutMs = 86_400_000 }: WaitOptions = {}): Promise<this> {
    const readWhenDone = async (): Promise<this | null> => {
      await this.refresh({ signal });
      if (FAILED_JOB_STATES.includes(this.state))
        throw new JobFailedError(`${this.name} is ${this.state}. ${this.#job.status?.message ?? ""}`.trim());
      return DONE_JOB_STATES.includes(this.state) ? this : null;
    };
    return poll(`${this.name} was not done`, readWhenDone, { signal, timeoutMs });
  }

  async delete(call: CallOptions = {}): Promise<void> {
    await this.llm.client.supervisedFineTuningJobs.delete(this.name, {}, call);
  }
}

function isStream(result: unknown): result is EventStream<unknown> {
  return typeof result === "object" && result !== null && Symbol.asyncIterator in result;
}

import { Fireworks } from "../client/client.ts";
import { NotFoundError } from "../client/errors.ts";
import type { EventStream } from "../client/stream.ts";
import type { CallOptions } from "../client/transport.ts";
import type * as types from "../generated/types.ts";
import type { StreamingMethod } from "../inference/inference.ts";
import type { Dataset } from "./dataset.ts";
import { type FineTuningOptions, SupervisedFineTuningJob } from "./fine-tuning-job.ts";
import { checkOptions, type DeploymentType, type LLMOptions, scriptName } from "./llm-options.ts";
import { type Place, Placing } from "./placing.ts";
import type { WaitOptions } from "./polling.ts";
import { SharedWork } from "./shared-work.ts";

/** What a request of an `LLM` holds besides its model. */
type Request<Params> = Omit<Params, "model" | "stream"> & {
  /** Headers of this request. */
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
 * A model and where it is served. What is missing is made by the first request, or by `ensureReady`: nothing is asked of the
 * host before.
 */
export class LLM {
  readonly client: Fireworks;
  readonly chat: { readonly completions: { readonly create: CreateChat; readonly acreate: CreateChat } };
  readonly completions: { readonly create: CreateCompletion; readonly acreate: CreateCompletion };
  readonly #options: LLMOptions;
  readonly #placing = new SharedWork<void>();
  #known: Place | null = null;
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

  /** The model's full name, once the host was asked; before, as it was given. */
  get model(): string {
    return this.#known?.model ?? this.#options.model;
  }

  /** What requests call the model; null before the host was asked. */
  get modelId(): string | null {
    return this.#known?.modelId ?? null;
  }

  /** The full name of its deployment; null without one. */
  get deploymentName(): string | null {
    return this.#known?.deploymentName ?? null;
  }

  /** Where the API shows it; null without one. */
  get deploymentUrl(): string | null {
    return this.deploymentName === null ? null : `${this.client.baseURL}/v1/${this.deploymentName}`;
  }

  get deploymentDisplayName(): string {
    return this.#options.deploymentDisplayName ?? scriptName();
  }

  /** Of a LoRA addon that is loaded beside others: the full name of the deployment of its base model. */
  get baseDeploymentName(): string | null {
    return this.#known?.baseDeploymentName ?? null;
  }

  /** Of a LoRA addon: the full name of its base model. */
  get peftBaseModel(): string | null {
    return this.#known?.peftBaseModel ?? null;
  }

  /** Whether LoRA addons can be loaded where it is served. */
  get addonsEnabled(): boolean {
    return this.#known?.addonsEnabled ?? this.#options.enableAddons === true;
  }

  get temperature(): number | null {
    return this.#options.temperature ?? null;
  }

  get deploymentType(): DeploymentType {
    return this.#options.deploymentType;
  }

  /** Makes or changes what is needed to serve the model, without waiting for it. */
  async apply(options: WaitOptions = {}): Promise<this> {
    this.#known = await new Placing(this.client, this.#options, options).apply();
    return this;
  }

  /**
   * Makes what is needed and waits until requests can be served; at most 30 minutes unless told otherwise.
   * @throws DeploymentFailedError, InputError, ApiError
   */
  async ensureReady({ signal, timeoutMs }: WaitOptions = {}): Promise<this> {
    const work = async (shared: AbortSignal): Promise<void> => {
      const placing = new Placing(this.client, this.#options, { signal: shared, timeoutMs });
      this.#known = await placing.apply();
      await placing.waitFor(this.#known);
      this.#isReady = true;
    };
    if (!this.#isReady) await this.#placing.run(work, signal);
    return this;
  }

  /** The model's full name. */
  async resolveModel({ signal }: CallOptions = {}): Promise<string> {
    return (
      this.#known?.model ?? (await new Placing(this.client, this.#options, { signal }).model()).name ?? ""
    );
  }

  /** The same model with another temperature. It shares the deployment. */
  withTemperature(temperature: number): LLM {
    const other = new LLM({ ...this.#options, client: this.client, temperature });
    other.#known = this.#known;
    other.#isReady = this.#isReady;
    return other;
  }

  /** The same model, served in another way. */
  withDeploymentType(deploymentType: DeploymentType): LLM {
    return new LLM({ ...this.#options, client: this.client, deploymentType });
  }

  /** Sets the number of replicas, in place of what the load would decide. */
  async scale(replicaCount: number, call: CallOptions = {}): Promise<void> {
    await this.ensureReady({ signal: call.signal });
    const { deploymentName, baseDeploymentName } = this;
    const name = deploymentName ?? baseDeploymentName;
    if (name !== null) await this.client.deployments.scale(name, { replicaCount }, call);
  }

  /** Ends all replicas. Requests are refused until `scale` gives it some again. */
  scaleToZero(call: CallOptions = {}): Promise<void> {
    return this.scale(0, call);
  }

  /**
   * Deletes its deployment, if there is one; of a LoRA addon that is loaded beside others, only that. The next request makes
   * it again.
   * @param options.ignoreChecks also when it was used a short time ago
   */
  async deleteDeployment({
    ignoreChecks,
    ...call
  }: { ignoreChecks?: boolean } & CallOptions = {}): Promise<void> {
    const found = this.#known ?? (await new Placing(this.client, this.#options, call).find());
    this.#known = null;
    this.#isReady = false;
    if (found.deploymentName !== null)
      await this.client.deployments.delete(found.deploymentName, { ignoreChecks }, call);
    else if (found.deployedModelName !== null)
      await this.client.deployedModels.delete(found.deployedModelName, {}, call);
  }

  /** The mean time to the last token of requests without `stream`, in milliseconds; null without any, or metrics. */
  getTimeToLastTokenMean(): number | null {
    const { count, sum } = this.#lastTokenTimesMs;
    return count === 0 ? null : sum / count;
  }

  /**
   * Starts a job that fine-tunes the model; one of the same name and model that has not failed is used again. Resolves once the
   * job is made: `waitForCompletion` waits for its end.
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
        // Somebody has deleted what served it: the next request makes it again.
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

function isStream(result: unknown): result is EventStream<unknown> {
  return typeof result === "object" && result !== null && Symbol.asyncIterator in result;
}

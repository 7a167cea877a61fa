import type { Fireworks } from "../client/client.ts";
import {
  ConflictError,
  FailedPreconditionError,
  FireworksError,
  InputError,
  NotFoundError,
} from "../client/errors.ts";
import { idOf } from "../client/names.ts";
import { containsFields } from "../client/operation-client.ts";
import type * as types from "../generated/types.ts";
import {
  definedFields,
  deploymentFields,
  type LLMOptions,
  libraryName,
  NEW_DEPLOYMENT,
  scriptName,
} from "./llm-options.ts";
import { poll, type WaitOptions } from "./polling.ts";
import { quoted, signatureId } from "./signature.ts";

/** The deployment that serves a model, and the name that requests send. */
export interface ServingLocation {
  /** Full name of the model. */
  model: string;
  /** The value of `model` in requests. */
  modelId: string;
  /** Full name of a LoRA addon's base model; null for other models. */
  peftBaseModel: string | null;
  /** The model's own deployment; null if it is serverless or an addon on a shared deployment. */
  deploymentName: string | null;
  /** The deployment of the base model that a LoRA addon is loaded on. */
  baseDeploymentName: string | null;
  /** The deployed model of a LoRA addon that is loaded on a deployment. */
  deployedModelName: string | null;
  addonsEnabled: boolean;
}

/** A deployment or a loaded addon failed to start. */
export class DeploymentFailedError extends FireworksError {}

const LIVE = ["CREATING", "READY", "UPDATING"];

/** Finds the deployment that serves a model, and creates, updates or loads what is missing. */
export class DeploymentResolver {
  readonly #client: Fireworks;
  readonly #options: LLMOptions;
  readonly #wait: WaitOptions;

  constructor(client: Fireworks, options: LLMOptions, wait: WaitOptions) {
    this.#client = client;
    this.#options = options;
    this.#wait = wait;
  }

  /** @throws InputError when the model can't be served with the requested deployment type; ApiError */
  async apply(): Promise<ServingLocation> {
    const model = await this.model();
    const name = model.name ?? "";
    const base = model.peftDetails?.baseModel || null;
    const location = {
      model: name,
      modelId: name,
      peftBaseModel: base,
      addonsEnabled: false,
      deploymentName: null,
      baseDeploymentName: null,
      deployedModelName: null,
    };
    switch (await this.#type(model, base)) {
      case "serverless":
        return base === null ? location : this.#loaded(location, null);
      case "on-demand": {
        const deployment = await this.#deployment(name);
        const deploymentName = deployment.name ?? "";
        const addonsEnabled = deployment.enableAddons === true;
        return { ...location, deploymentName, addonsEnabled, modelId: `${name}#${deploymentName}` };
      }
      default:
        return this.#loaded(location, await this.#baseDeployment(base ?? ""));
    }
  }

  /** Finds the existing deployment or deployed model, and creates nothing. */
  async find(): Promise<Pick<ServingLocation, "deploymentName" | "deployedModelName">> {
    const model = await this.model();
    const name = model.name ?? "";
    const base = model.peftDetails?.baseModel || null;
    const type = await this.#type(model, base);
    const deployment = type === "on-demand" ? await this.#existing(name) : null;
    const isLive = LIVE.includes(deployment?.state ?? "");
    const location = { deploymentName: isLive ? (deployment?.name ?? null) : null, deployedModelName: null };
    if (base === null || type === "on-demand") return location;
    const host = type === "serverless" ? null : await this.#existingBase(base);
    if (type !== "serverless" && host === null) return location;
    return { ...location, deployedModelName: (await this.#loadedOn(name, host?.name ?? null))?.name ?? null };
  }

  /** Waits until requests can be served. A deployment that has scaled to zero is ready. @throws DeploymentFailedError */
  async waitFor({ deploymentName, baseDeploymentName, deployedModelName }: ServingLocation): Promise<void> {
    for (const name of [deploymentName, baseDeploymentName]) {
      if (name !== null) await this.#waitUntil(name, ["READY"], () => this.#get(name));
    }
    if (deployedModelName !== null)
      await this.#waitUntil(deployedModelName, ["DEPLOYED"], () =>
        this.#client.deployedModels.get(deployedModelName, {}, this.#call()),
      );
  }

  /** Reads the model. An id means a library model; if there is none, a model of the client's account. */
  async model(): Promise<types.Model> {
    const { model } = this.#options;
    try {
      return await this.#client.models.get(libraryName(model), {}, this.#call());
    } catch (error) {
      if (!(error instanceof NotFoundError) || model.includes("/")) throw error;
      return this.#client.models.get(model, {}, this.#call());
    }
  }

  async #type(model: types.Model, base: string | null): Promise<LLMOptions["deploymentType"]> {
    const { deploymentType: type } = this.#options;
    if (type === "on-demand") return type;
    if (type === "on-demand-lora") {
      if (base !== null) return type;
      throw new InputError(
        "deploymentType",
        `${model.name} is not a LoRA addon, and on-demand-lora is only for LoRA addons.`,
      );
    }
    const isServerless = await this.#isServerless(model, base);
    if (type === "auto") return isServerless ? "serverless" : base === null ? "on-demand" : "on-demand-lora";
    if (isServerless) return type;
    throw new InputError("deploymentType", `${model.name} has no serverless hosting: use on-demand.`);
  }

  /** A LoRA addon is serverless when its base model is, and takes LoRAs. An invisible base model is not serverless. */
  async #isServerless(model: types.Model, base: string | null): Promise<boolean> {
    if (base === null) return model.supportsServerless === true;
    const found = await this.#client.models.get(base, {}, this.#call()).catch((error: unknown) => {
      if (error instanceof NotFoundError) return null;
      throw error;
    });
    return found?.supportsServerless === true && found.supportsLora === true;
  }

  async #deployment(baseModel: string): Promise<types.Deployment> {
    const found = await this.#existing(baseModel);
    return found === null ? this.#create(baseModel, {}) : this.#reuse(found, baseModel, {});
  }

  /** Finds a deployment by `deploymentName`; without one, by display name and model. */
  async #existing(baseModel: string): Promise<types.Deployment | null> {
    const { deploymentName } = this.#options;
    if (deploymentName !== undefined) return this.#getIfThere(deploymentName);
    return this.#newest(`displayName = ${quoted(this.#displayName)} AND baseModel = ${quoted(baseModel)}`);
  }

  async #baseDeployment(baseModel: string): Promise<types.Deployment> {
    const required = { enableAddons: true };
    const found = await this.#existingBase(baseModel);
    return found === null ? this.#create(baseModel, required) : this.#reuse(found, baseModel, required);
  }

  /**
   * Finds a deployment of the base model: by `baseDeploymentName`; else by display name and model; else any deployment that
   * takes addons and already has all requested fields.
   */
  async #existingBase(baseModel: string): Promise<types.Deployment | null> {
    const { baseDeploymentName } = this.#options;
    if (baseDeploymentName !== undefined) return this.#get(baseDeploymentName);
    const isBase = `baseModel = ${quoted(baseModel)}`;
    const own = await this.#newest(`${isBase} AND displayName = ${quoted(this.#displayName)}`);
    if (own !== null) return own;
    const other = await this.#newest(`${isBase} AND enableAddons = true`);
    return other !== null && containsFields(other, deploymentFields(this.#options)) ? other : null;
  }

  async #newest(filter: string): Promise<types.Deployment | null> {
    const states = LIVE.map((state) => `state = ${state}`).join(" OR ");
    const request = { filter: `${filter} AND (${states})`, orderBy: "createTime desc", pageSize: 1 };
    const { items } = await this.#client.deployments.list(request, this.#call()).page();
    return items[0] ?? null;
  }

  /** Derives the id from display name and model, so that two processes that create it at once get one deployment. */
  async #create(baseModel: string, required: types.Deployment): Promise<types.Deployment> {
    const { deploymentName } = this.#options;
    const displayName = this.#displayName;
    const deploymentId =
      deploymentName === undefined
        ? await signatureId(displayName, [displayName, baseModel])
        : idOf(deploymentName);
    const requested = deploymentFields(this.#options);
    const autoscalingPolicy = { ...NEW_DEPLOYMENT.autoscalingPolicy, ...requested.autoscalingPolicy };
    const fields = { ...NEW_DEPLOYMENT, ...requested, ...required, autoscalingPolicy };
    const request = { ...fields, deploymentId, baseModel, displayName };
    try {
      return await this.#client.deployments.create(request, this.#call());
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return this.#reuse(await this.#get(deploymentId), baseModel, required);
    }
  }

  /** Undeletes a deployment if it is deleted, and updates the fields that differ from the options. */
  async #reuse(
    found: types.Deployment,
    baseModel: string,
    required: types.Deployment,
  ): Promise<types.Deployment> {
    const name = found.name ?? "";
    if (found.baseModel !== baseModel)
      throw new InputError("deploymentName", `${name} deploys ${found.baseModel}, not ${baseModel}.`);
    if (found.state === "DELETING")
      await poll(
        `${name} was still being deleted`,
        async () => ((await this.#get(name)).state === "DELETING" ? null : true),
        this.#wait,
      );
    const live = LIVE.includes(found.state ?? "")
      ? found
      : await this.#client.deployments.undelete(name, {}, this.#call());
    const { deploymentName, deploymentDisplayName } = this.#options;
    // A deployment found by its display name has that name already.
    const displayName = deploymentName === undefined ? undefined : deploymentDisplayName;
    const fields = definedFields({ ...deploymentFields(this.#options), ...required, displayName });
    // The API never returns keys, so they can't be compared: always send them.
    if (containsFields(live, fields) && fields.directRouteApiKeys === undefined) return live;
    return this.#client.deployments.update(name, fields, this.#call());
  }

  /** Loads an addon. @param deployment null: the serverless deployment of the base model */
  async #loaded(location: ServingLocation, deployment: types.Deployment | null): Promise<ServingLocation> {
    const name = deployment?.name ?? null;
    const request = { model: location.model, deployment: name ?? undefined };
    const loaded =
      (await this.#loadedOn(location.model, name)) ??
      (await this.#client.deployedModels.create(request, this.#call()).catch(async (error: unknown) => {
        const other =
          error instanceof FailedPreconditionError ? await this.#loadedOn(location.model, name) : null;
        if (other === null) throw error;
        return other;
      }));
    const deployedModelName = loaded.name ?? "";
    return {
      ...location,
      deployedModelName,
      modelId: deployedModelName,
      addonsEnabled: true,
      baseDeploymentName: name,
    };
  }

  async #loadedOn(model: string, deployment: string | null): Promise<types.DeployedModel | null> {
    const where = deployment === null ? "serverless = true" : `deployment = ${quoted(deployment)}`;
    const filter = `model = ${quoted(model)} AND ${where} AND state != UNDEPLOYING`;
    const { items } = await this.#client.deployedModels.list({ filter, pageSize: 1 }, this.#call()).page();
    return items[0] ?? null;
  }

  #get(name: string): Promise<types.Deployment> {
    return this.#client.deployments.get(name, {}, this.#call());
  }

  #getIfThere(name: string): Promise<types.Deployment | null> {
    return this.#get(name).catch((error: unknown) => {
      if (error instanceof NotFoundError) return null;
      throw error;
    });
  }

  async #waitUntil(
    name: string,
    states: readonly string[],
    read: () => Promise<{ state?: string | undefined; status?: types.Status | undefined }>,
  ): Promise<void> {
    const step = async (): Promise<true | null> => {
      const { state = "", status } = await read();
      if (states.includes(state)) return true;
      const hasFailed = !["CREATING", "UPDATING", "DEPLOYING"].includes(state);
      if (hasFailed) throw new DeploymentFailedError(`${name} is ${state}. ${status?.message ?? ""}`.trim());
      return null;
    };
    await poll(`${name} was not ready`, step, this.#wait);
  }

  get #displayName(): string {
    return this.#options.deploymentDisplayName ?? scriptName();
  }

  #call(): { signal?: AbortSignal | undefined } {
    return { signal: this.#wait.signal };
  }
}

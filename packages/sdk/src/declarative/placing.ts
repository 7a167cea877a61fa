import { holds } from "../client/caller.ts";
import type { Fireworks } from "../client/client.ts";
import {
  ConflictError,
  FailedPreconditionError,
  FireworksError,
  InputError,
  NotFoundError,
} from "../client/errors.ts";
import { idOf } from "../client/names.ts";
import type * as types from "../generated/types.ts";
import {
  deploymentFields,
  given,
  type LLMOptions,
  libraryName,
  NEW_DEPLOYMENT,
  scriptName,
} from "./llm-options.ts";
import { poll, type WaitOptions } from "./polling.ts";
import { quoted, signatureId } from "./signature.ts";

/** Where a model is served, and by which name it is called. */
export interface Place {
  /** Full name of the model. */
  model: string;
  /** What a request calls `model`. */
  modelId: string;
  /** Of a LoRA addon. */
  peftBaseModel: string | null;
  /** The deployment of its own. */
  deploymentName: string | null;
  /** The deployment of the base model that a LoRA addon is loaded on. */
  baseDeploymentName: string | null;
  /** A LoRA addon that is loaded onto a deployment. */
  deployedModelName: string | null;
  addonsEnabled: boolean;
}

/** A deployment or a loaded addon failed to start. */
export class DeploymentFailedError extends FireworksError {}

const LIVE = ["CREATING", "READY", "UPDATING"];

/** Finds where models are served, and brings about what is missing. */
export class Placing {
  readonly #client: Fireworks;
  readonly #options: LLMOptions;
  readonly #wait: WaitOptions;

  constructor(client: Fireworks, options: LLMOptions, wait: WaitOptions) {
    this.#client = client;
    this.#options = options;
    this.#wait = wait;
  }

  /** @throws InputError when the model can't be served in the way that is asked for; ApiError */
  async apply(): Promise<Place> {
    const model = await this.model();
    const name = model.name ?? "";
    const base = model.peftDetails?.baseModel || null;
    const place = {
      ...{ model: name, modelId: name, peftBaseModel: base, addonsEnabled: false },
      ...{ deploymentName: null, baseDeploymentName: null, deployedModelName: null },
    };
    switch (await this.#type(model, base)) {
      case "serverless":
        return base === null ? place : this.#loaded(place, null);
      case "on-demand": {
        const deployment = await this.#deployment(name);
        const deploymentName = deployment.name ?? "";
        const addonsEnabled = deployment.enableAddons === true;
        return { ...place, deploymentName, addonsEnabled, modelId: `${name}#${deploymentName}` };
      }
      default:
        return this.#loaded(place, await this.#baseDeployment(base ?? ""));
    }
  }

  /** What exists of it already; nothing is made. */
  async find(): Promise<Pick<Place, "deploymentName" | "deployedModelName">> {
    const model = await this.model();
    const name = model.name ?? "";
    const base = model.peftDetails?.baseModel || null;
    const type = await this.#type(model, base);
    const found = type === "on-demand" ? await this.#existing(name) : null;
    const isLive = LIVE.includes(found?.state ?? "");
    const place = { deploymentName: isLive ? (found?.name ?? null) : null, deployedModelName: null };
    if (base === null || type === "on-demand") return place;
    const host = type === "serverless" ? null : await this.#existingBase(base);
    if (type !== "serverless" && host === null) return place;
    return { ...place, deployedModelName: (await this.#loadedOn(name, host?.name ?? null))?.name ?? null };
  }

  /** Waits until requests can be served; a deployment that has scaled to zero counts. @throws DeploymentFailedError */
  async waitFor({ deploymentName, baseDeploymentName, deployedModelName }: Place): Promise<void> {
    for (const name of [deploymentName, baseDeploymentName]) {
      if (name !== null) await this.#waitUntil(name, ["READY"], () => this.#get(name));
    }
    if (deployedModelName !== null)
      await this.#waitUntil(deployedModelName, ["DEPLOYED"], () =>
        this.#client.deployedModels.get(deployedModelName, {}, this.#call()),
      );
  }

  /** The library's, else the own account's for an id. */
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
      throw new InputError("deploymentType", `${model.name} is no LoRA addon: on-demand-lora is for those.`);
    }
    const isServerless = await this.#isServerless(model, base);
    if (type === "auto") return isServerless ? "serverless" : base === null ? "on-demand" : "on-demand-lora";
    if (isServerless) return type;
    throw new InputError("deploymentType", `${model.name} has no serverless hosting; on-demand has.`);
  }

  /** An addon is served where its base model is. One that can't be seen is not. */
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

  /** By its name, else by the signature: display name and model. */
  async #existing(baseModel: string): Promise<types.Deployment | null> {
    const { deploymentName } = this.#options;
    if (deploymentName !== undefined) return this.#getIfThere(deploymentName);
    return this.#newest(`displayName = ${quoted(this.#displayName)} AND baseModel = ${quoted(baseModel)}`);
  }

  async #baseDeployment(baseModel: string): Promise<types.Deployment> {
    const wanted = { enableAddons: true };
    const found = await this.#existingBase(baseModel);
    return found === null ? this.#create(baseModel, wanted) : this.#reuse(found, baseModel, wanted);
  }

  /** By its name, else by the signature; else one with room for addons that is already what is asked for. */
  async #existingBase(baseModel: string): Promise<types.Deployment | null> {
    const { baseDeploymentName } = this.#options;
    if (baseDeploymentName !== undefined) return this.#get(baseDeploymentName);
    const isBase = `baseModel = ${quoted(baseModel)}`;
    const own = await this.#newest(`${isBase} AND displayName = ${quoted(this.#displayName)}`);
    if (own !== null) return own;
    const other = await this.#newest(`${isBase} AND enableAddons = true`);
    return other !== null && holds(other, deploymentFields(this.#options)) ? other : null;
  }

  async #newest(filter: string): Promise<types.Deployment | null> {
    const states = LIVE.map((state) => `state = ${state}`).join(" OR ");
    const request = { filter: `${filter} AND (${states})`, orderBy: "createTime desc", pageSize: 1 };
    const { items } = await this.#client.deployments.list(request, this.#call()).page();
    return items[0] ?? null;
  }

  /** The id follows from the signature, so that two processes at once make one deployment. */
  async #create(baseModel: string, wanted: types.Deployment): Promise<types.Deployment> {
    const { deploymentName } = this.#options;
    const displayName = this.#displayName;
    const deploymentId =
      deploymentName === undefined
        ? await signatureId(displayName, [displayName, baseModel])
        : idOf(deploymentName);
    const asked = deploymentFields(this.#options);
    const autoscalingPolicy = { ...NEW_DEPLOYMENT.autoscalingPolicy, ...asked.autoscalingPolicy };
    const fields = { ...NEW_DEPLOYMENT, ...asked, ...wanted, autoscalingPolicy };
    const request = { ...fields, deploymentId, baseModel, displayName };
    try {
      return await this.#client.deployments.create(request, this.#call());
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return this.#reuse(await this.#get(deploymentId), baseModel, wanted);
    }
  }

  /** Brings a deployment to what is asked for. */
  async #reuse(
    found: types.Deployment,
    baseModel: string,
    wanted: types.Deployment,
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
    // Found by its name, it may be called otherwise.
    const displayName = deploymentName === undefined ? undefined : deploymentDisplayName;
    const fields = given({ ...deploymentFields(this.#options), ...wanted, displayName });
    // Keys are not shown: whether they are the same can't be told.
    if (holds(live, fields) && fields.directRouteApiKeys === undefined) return live;
    return this.#client.deployments.update(name, fields, this.#call());
  }

  /** @param deployment null: the serverless one of the base model */
  async #loaded(place: Place, deployment: types.Deployment | null): Promise<Place> {
    const name = deployment?.name ?? null;
    const request = { model: place.model, deployment: name ?? undefined };
    const loaded =
      (await this.#loadedOn(place.model, name)) ??
      (await this.#client.deployedModels.create(request, this.#call()).catch(async (error: unknown) => {
        const other =
          error instanceof FailedPreconditionError ? await this.#loadedOn(place.model, name) : null;
        if (other === null) throw error;
        return other;
      }));
    const deployedModelName = loaded.name ?? "";
    return {
      ...place,
      ...{ deployedModelName, modelId: deployedModelName, addonsEnabled: true, baseDeploymentName: name },
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
    look: () => Promise<{ state?: string | undefined; status?: types.Status | undefined }>,
  ): Promise<void> {
    const step = async (): Promise<true | null> => {
      const { state = "", status } = await look();
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

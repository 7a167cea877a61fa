import { canSee, notFound, type Principal } from "../control/accounts/service.ts";
import { startTenants, type Tenants } from "../control/api-keys/testing.ts";
import { deployedModelRoutes } from "../control/deployed-models/routes.ts";
import {
  createDeployedModels,
  type DeployedModels,
  deployedModelHooks,
  nameServerlessDeployments,
} from "../control/deployed-models/service.ts";
import type { ShapePreset } from "../control/deployment-shapes/service.ts";
import { deploymentRoutes } from "../control/deployments/routes.ts";
import { createDeployments, type Deployments } from "../control/deployments/service.ts";
import type { DeployableModel, ModelCatalog, ModelEntry } from "../control/models/service.ts";
import type {
  DeploymentSpec,
  DeploymentStatus,
  Fleet,
  ReplicaStage,
  ReplicaStatus,
} from "../fleet/service.ts";
import { alwaysOnSpec } from "../fleet/service.ts";
import { AppError } from "../lib/errors.ts";
import { fullModelName, parseModelName } from "../lib/resource-names.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { Orchestrator } from "./service.ts";

type Listener = (id: string) => void;

/** A fleet that runs nothing: what is applied is ready at once, unless the test says otherwise. */
export class FakeFleet implements Pick<Fleet, "apply" | "remove" | "observe" | "onChange"> {
  readonly specs = new Map<string, DeploymentSpec>();
  readonly removed: string[] = [];
  /** What a new replica is at first. */
  stage: ReplicaStage = "ready";
  loraState: "loading" | "loaded" | "failed" = "loaded";
  loraMessage: string | null = null;
  readonly #observations = new Map<string, DeploymentStatus>();
  readonly #listeners = new Set<Listener>();

  apply(spec: DeploymentSpec): void {
    const before = this.specs.get(spec.id);
    this.specs.set(spec.id, spec);
    const isNew = before?.revision !== spec.revision;
    const seen = this.#observations.get(spec.id);
    const desired = spec.fixedReplicas ?? Math.max(spec.minReplicas, Math.min(1, spec.maxReplicas));
    const adapters = Object.fromEntries(
      spec.loras.map(({ id }) => [
        id,
        seen?.loras[id] ?? { state: this.loraState, message: this.loraMessage },
      ]),
    );
    this.set(spec.id, {
      desiredReplicas: desired,
      loras: adapters,
      replicas:
        isNew || seen === undefined || seen.replicas.length !== desired
          ? Array.from({ length: desired }, (_, i) => this.replica(spec, i, this.stage))
          : seen.replicas,
    });
  }

  async remove(id: string): Promise<void> {
    this.removed.push(id);
    this.specs.delete(id);
    this.#observations.delete(id);
  }

  observe(id: string): DeploymentStatus | null {
    return this.#observations.get(id) ?? null;
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is seen of a deployment from now on. */
  set(id: string, seen: Partial<DeploymentStatus>): void {
    const none = { desiredReplicas: 0, replicas: [], loras: {}, lastRequestAtMs: null, message: null };
    this.#observations.set(id, { ...none, ...this.#observations.get(id), ...seen });
    for (const listener of this.#listeners) listener(id);
  }

  replica(
    { id, model, revision }: DeploymentSpec,
    index: number,
    stage: ReplicaStage,
    more: Partial<ReplicaStatus> = {},
  ): ReplicaStatus {
    return {
      ...{ id: `${id}/replicas/${index}`, model, deployment: id, revision, stage, message: null },
      state: stage === "ready" ? "ready" : "starting",
      ...{ outstanding: 0, restarts: 0, pid: null, accelerators: null },
      ...more,
    };
  }
}

/** The library's model that is served, one that is not, and what the tests add. */
export const SERVED = "accounts/fireworks/models/served";
export const LIBRARY = "accounts/fireworks/models/library";

export class FakeModels {
  readonly all = new Map<string, DeployableModel>();

  constructor() {
    this.add(SERVED);
    this.add(LIBRARY);
  }

  /** @param more an addon has a `baseModel`. */
  add(name: string, more: Partial<DeployableModel> = {}): string {
    this.all.set(name, {
      ...{ name, uid: name, kind: more.baseModel ? "addon" : "base", baseModel: null, displayName: name },
      ...{ isPublic: name.startsWith("accounts/fireworks/"), state: "READY", supportsLora: true },
      ...{ contextLength: 4096, modelType: "llama", parameterCount: 1_000_000n, precisions: ["FP16", "FP8"] },
      ...{ defaultDraftModel: null, defaultDraftTokenCount: null, supportsChat: true, supportsTools: false },
      ...{
        supportsImageInput: false,
        chatTemplate: null,
        createTime: "2025-01-01T00:00:00Z",
        engine: "fake",
      },
      fetch: async () => "/nowhere",
      ...more,
    });
    return name;
  }

  deployable = async (principal: Principal, name: string): Promise<DeployableModel> => {
    const read = parseModelName(name);
    const model = read === null ? undefined : this.all.get(fullModelName(read));
    if (model === undefined || !canSee(principal, read!.accountId, model.isPublic))
      throw notFound(`Model ${name}`);
    if (model.state === "UPLOADING") throw new AppError("FAILED_PRECONDITION", `Model ${name} is not ready.`);
    return model;
  };
}

/** A library with one served model, the alias `gpt` for it, and no fallback. */
function fakeLibrary(): ModelCatalog {
  const served = { id: SERVED, object: "model", created: 0, owned_by: "fireworks" } as ModelEntry;
  const names = [SERVED, "fireworks/served", "gpt"];
  const missing = (name: string) => new AppError("NOT_FOUND", `Model not found: ${name}`, { param: "model" });
  return {
    resolve(name) {
      if (!names.includes(name)) throw missing(name);
      return { model: { name: SERVED } as never, requestedName: name, fallbackUsed: false };
    },
    list: () => [served],
    get(name) {
      if (!names.includes(name)) throw missing(name);
      return served;
    },
    serverless: () => [],
  };
}

export interface OrchestrationTest extends Tenants {
  fleet: FakeFleet;
  models: FakeModels;
  /** Accounts that are suspended. */
  suspended: Set<string>;
  /** By name; those called draft are not validated. */
  shapes: Map<string, ShapePreset>;
  deployments: Deployments;
  deployedModels: DeployedModels;
  orchestrator: Orchestrator;
  /** Another process on the same database, with a fleet of its own; not started. */
  another(fleet: FakeFleet): Orchestrator;
  /** Takes all steps that are due, and what they bring about. */
  settle(): Promise<void>;
}

/** Deployments and deployed models over HTTP on a fresh database; only the fleet and the models are fakes. */
export async function startOrchestration(hostRegion: string | null = null): Promise<OrchestrationTest> {
  const fleet = new FakeFleet();
  const models = new FakeModels();
  const shapes: OrchestrationTest["shapes"] = new Map();
  const suspended = new Set<string>();
  let parts!: { deployments: Deployments; deployedModels: DeployedModels; orchestrator: Orchestrator };
  let another!: OrchestrationTest["another"];
  const tenants = await startTenants(async ({ database, clock, tokenSecret, accounts, users }) => {
    const common = { database, clock, tokenSecret, accounts, users, models };
    const make = (own: FakeFleet) => {
      const deployments = createDeployments({
        ...common,
        keySecret: tokenSecret,
        shapes: {
          async resolve(_principal, name, skipValidation) {
            const preset = shapes.get(name) ?? shapes.get(name.replace(/\/versions\/1$/, ""));
            if (preset === undefined) throw notFound(`Shape ${name}`);
            if (name.includes("draft") && !skipValidation) {
              throw new AppError("FAILED_PRECONDITION", "It is not validated.", { param: "deploymentShape" });
            }
            return { version: name.includes("/versions/") ? name : `${name}/versions/1`, preset };
          },
        },
        checkSize: () => {},
        hooks: deployedModelHooks(() => 100),
        hostRegion,
        observe: (name) => own.observe(name),
        requestMetrics: async () => ({
          ...{ requests: 4, errors: 1, promptTokens: 40, cachedPromptTokens: 10, generatedTokens: 80 },
          ...{ timeToFirstTokenMeanMs: 50, durationMeanMs: null },
        }),
      });
      const serverless = nameServerlessDeployments([SERVED]);
      const deployedModels = createDeployedModels({ ...common, deployments, serverless });
      const orchestrator = new Orchestrator({
        ...{ database, clock, deployments, deployedModels, log: createLog("silent"), fleet: own },
        library: fakeLibrary(),
        describe: models.deployable,
        isSuspended: (accountId) => suspended.has(accountId),
        serverless: [alwaysOnSpec(SERVED, { kind: "fake", weights: null, options: () => ({}) })],
        fetchModel: () => async () => "/nowhere",
        fetchUpload: () => async () => "/nowhere",
        engineFor: (workload) => ({
          engine: { kind: "fake", weights: null, options: () => workload },
          concurrency: 8,
        }),
      });
      return { deployments, deployedModels, orchestrator };
    };
    parts = make(fleet);
    another = (own) => make(own).orchestrator;
    await parts.deployedModels.syncServerless([SERVED]);
    return [...deploymentRoutes(parts.deployments), ...deployedModelRoutes(parts.deployedModels)];
  });
  await parts.orchestrator.refresh();
  return {
    ...tenants,
    ...parts,
    ...{ fleet, models, shapes, another, suspended },
    async settle() {
      await parts.orchestrator.refresh();
      while ((await parts.orchestrator.tick()) > 0) await parts.orchestrator.refresh();
    },
    async close() {
      await parts.orchestrator.close();
      await tenants.close();
    },
  };
}

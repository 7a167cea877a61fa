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
import { createDeployments, type Deployments, type Workload } from "../control/deployments/service.ts";
import {
  type DeployableModel,
  type ModelCatalog,
  type ModelEntry,
  modelNotFound,
} from "../control/models/service.ts";
import { createFakeEngine, type FakeEngine } from "../engine/fake-engine.ts";
import { fixtureKind } from "../fleet/launchers/fixture-kind.ts";
import { type ProcessExit, processExit } from "../fleet/launchers/process-exit.ts";
import {
  alwaysOnSpec,
  createFleet,
  type DeploymentSpec,
  type Fleet,
  type RemoveOptions,
} from "../fleet/service.ts";
import type { RunningEngine } from "../fleet/types.ts";
import { FakeClock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { fullModelName, parseModelName } from "../lib/resource-names.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { Orchestrator } from "./service.ts";

/**
 * The real fleet over fake engines in this process. Starts succeed at once unless a test holds them or makes them fail.
 * It has a clock of its own: hours of the control plane's clock would be millions of samples of the autoscaler.
 */
export class TestFleet
  implements Pick<Fleet, "apply" | "remove" | "observe" | "diagnostics" | "onChange" | "route" | "close">
{
  readonly clock = new FakeClock();
  /** The specs as they were applied last. */
  readonly specs = new Map<string, DeploymentSpec>();
  /** Models whose deployments ask for an engine that this host doesn't have. */
  readonly modelsWithoutEngine = new Set<string>();
  /** Where new replicas wait until `release`; null: nowhere. */
  holdAt: "downloading" | "loading" | null = null;
  /** The error of every start of a process; null: starts succeed. */
  startError: Error | null = null;
  /** Whether addons wait until `release` before they are loaded. */
  holdLoras = false;
  /** The error of every load of an addon; null: loads succeed. */
  loraError: Error | null = null;
  readonly #fleet: Fleet;
  readonly #engines: { engine: FakeEngine; crash(exit: ProcessExit): void }[] = [];
  #released = deferred();

  constructor() {
    this.#fleet = createFleet({
      kinds: { fake: fixtureKind },
      launcher: () => (_path, _env, signal) => this.#launch(signal),
      openServer: () => createFakeEngine(),
      cacheDir: "/nowhere",
      hubEndpoint: "http://127.0.0.1:9",
      env: {},
      log: createLog("silent"),
      clock: this.clock,
      random: () => 0,
    });
  }

  /** Restores the defaults that a test has changed. */
  async reset(): Promise<void> {
    this.startError = null;
    this.loraError = null;
    this.modelsWithoutEngine.clear();
    await this.release();
  }

  /** Lets held starts and loads continue, and waits until no replica is starting. */
  async release(): Promise<void> {
    this.holdAt = null;
    this.holdLoras = false;
    this.#released.resolve();
    this.#released = deferred();
    while (this.#fleet.status().some(({ state }) => state === "starting")) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Moves the fleet's clock forward and runs everything that becomes due. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= 250) {
      this.clock.advance(Math.min(250, leftMs));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Ends the process of every engine that runs. */
  crashAll(exit: ProcessExit): void {
    for (const running of this.#engines.splice(0)) running.crash(exit);
  }

  engineFor(workload: Workload): Required<Pick<DeploymentSpec, "engine" | "concurrency">> {
    const kind = this.modelsWithoutEngine.has(workload.model) ? "missing" : "fake";
    // The fleet reads the size of fetched files from the disk, so a start with weights takes real time.
    const weights = this.holdAt === "downloading" ? { fetch: workload.weights } : null;
    return { engine: { kind, weights, options: () => workload }, concurrency: 8 };
  }

  /** Gets the weights of any model. */
  async fetchModel(signal: AbortSignal, onPhase: (message: string) => void): Promise<string> {
    if (this.holdAt === "downloading") {
      onPhase("The weights are being fetched: 40 %.");
      await this.#untilReleased(signal);
    }
    return "/nowhere";
  }

  apply(spec: DeploymentSpec): void {
    this.#fleet.apply(spec);
    this.specs.set(spec.id, spec);
  }

  async remove(id: string, options: RemoveOptions): Promise<void> {
    this.specs.delete(id);
    await this.#fleet.remove(id, options);
  }

  observe = (id: string) => this.#fleet.observe(id);
  diagnostics = (id: string) => this.#fleet.diagnostics(id);
  onChange = (listener: (id: string) => void) => this.#fleet.onChange(listener);
  route: Fleet["route"] = (request, signal) => this.#fleet.route(request, signal);
  close = (graceMs: number) => this.#fleet.close(graceMs);

  async #launch(signal: AbortSignal): Promise<RunningEngine> {
    if (this.holdAt === "loading") await this.#untilReleased(signal);
    if (this.startError !== null) throw this.startError;
    const engine = createFakeEngine({
      onLoadLora: async () => {
        if (this.holdLoras) await this.#released.promise;
        if (this.loraError !== null) throw this.loraError;
      },
    });
    const lost = deferred();
    let exit = processExit(0, null);
    this.#engines.push({
      engine,
      crash(how) {
        exit = how;
        lost.resolve();
      },
    });
    return {
      engine,
      pid: 1,
      lost: lost.promise,
      outputTail: () => ["terminated at /opt/engine/main.cpp:7"],
      async stop() {
        lost.resolve();
        return exit;
      },
    };
  }

  #untilReleased(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    return Promise.race([this.#released.promise, aborted]);
  }
}

function deferred(): { promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The library's model that is served. */
export const SERVED = "accounts/fireworks/models/served";
/** The library's model that is not served. */
export const LIBRARY = "accounts/fireworks/models/library";

/** Models that can be deployed: the library's two, and those that a test adds. */
export class FakeModels {
  readonly all = new Map<string, DeployableModel>();

  constructor() {
    this.add(SERVED);
    this.add(LIBRARY);
  }

  /** @param fields a model with a `baseModel` is a LoRA addon. */
  add(name: string, fields: Partial<DeployableModel> = {}): string {
    this.all.set(name, {
      name,
      uid: name,
      kind: fields.baseModel ? "addon" : "base",
      baseModel: null,
      displayName: name,
      isPublic: name.startsWith("accounts/fireworks/"),
      state: "READY",
      supportsLora: true,
      contextLength: 4096,
      modelType: "llama",
      parameterCount: 1_000_000n,
      precisions: ["FP16", "FP8"],
      defaultDraftModel: null,
      defaultDraftTokenCount: null,
      supportsChat: true,
      supportsTools: false,
      supportsImageInput: false,
      chatTemplate: null,
      createTime: "2025-01-01T00:00:00Z",
      engine: "fake",
      fetch: async () => "/nowhere",
      ...fields,
    });
    return name;
  }

  deployable = async (principal: Principal, name: string): Promise<DeployableModel> => {
    const parsed = parseModelName(name);
    const model = parsed === null ? undefined : this.all.get(fullModelName(parsed));
    if (model === undefined || !canSee(principal, parsed!.accountId, model.isPublic))
      throw notFound(`Model ${name}`);
    if (model.state === "UPLOADING") throw new AppError("FAILED_PRECONDITION", `Model ${name} is not ready.`);
    return model;
  };
}

/** Models of the fake library that are not served: the fallback is a model that the account `acme` may deploy. */
export const UNSERVED = "accounts/fireworks/models/unserved";
export const OWN_FALLBACK = "accounts/acme/models/fallback";

/** A library with one served model, the alias `gpt` for it, and one that is not served. */
function fakeLibrary(): ModelCatalog {
  const served = { id: SERVED, object: "model", created: 0, owned_by: "fireworks" } as ModelEntry;
  const names = [SERVED, "fireworks/served", "gpt"];
  return {
    isFallbackLenient: true,
    resolve(name) {
      if (name === UNSERVED) {
        return { model: { name: OWN_FALLBACK }, requestedName: name, fallbackUsed: true };
      }
      if (!names.includes(name)) throw modelNotFound(name);
      return { model: { name: SERVED } as never, requestedName: name, fallbackUsed: false };
    },
    list: () => [served],
    get(name) {
      if (!names.includes(name)) throw modelNotFound(name);
      return served;
    },
    serverless: () => [],
  };
}

export interface OrchestrationTest extends Tenants {
  fleet: TestFleet;
  models: FakeModels;
  /** Ids of suspended accounts. */
  suspended: Set<string>;
  /** By name; those called draft are not validated. */
  shapes: Map<string, ShapePreset>;
  deployments: Deployments;
  deployedModels: DeployedModels;
  orchestrator: Orchestrator;
  /** Another process on the same database, with a fleet of its own; not started. */
  another(fleet: TestFleet): Orchestrator;
  /** Takes all steps that are due, and the steps that these cause. */
  settle(): Promise<void>;
}

interface Parts {
  deployments: Deployments;
  deployedModels: DeployedModels;
  orchestrator: Orchestrator;
}

/** Deployments and deployed models over HTTP on a fresh database, and the real fleet. Only engines and models are fakes. */
export async function startOrchestration(hostRegion: string | null = null): Promise<OrchestrationTest> {
  const fleet = new TestFleet();
  const models = new FakeModels();
  const shapes: OrchestrationTest["shapes"] = new Map();
  const suspended = new Set<string>();
  const fleets = [fleet];
  let parts!: Parts;
  let another!: OrchestrationTest["another"];
  const tenants = await startTenants(async ({ database, clock, tokenSecret, accounts, users }) => {
    const createParts = (ownFleet: TestFleet): Parts => {
      const deployments = createDeployments({
        database,
        clock,
        tokenSecret,
        accounts,
        users,
        models,
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
        observe: (name) => ownFleet.observe(name),
        requestMetrics: async () => ({
          requests: 4,
          errors: 1,
          promptTokens: 40,
          cachedPromptTokens: 10,
          generatedTokens: 80,
          timeToFirstTokenMeanMs: 50,
          durationMeanMs: null,
        }),
      });
      const deployedModels = createDeployedModels({
        database,
        clock,
        tokenSecret,
        users,
        models,
        deployments,
        serverless: nameServerlessDeployments([SERVED]),
      });
      const orchestrator = new Orchestrator({
        database,
        clock,
        deployments,
        deployedModels,
        log: createLog("silent"),
        fleet: ownFleet,
        library: fakeLibrary(),
        describe: models.deployable,
        isSuspended: (accountId) => suspended.has(accountId),
        serverless: [alwaysOnSpec(SERVED, { kind: "fake", weights: null, options: () => ({}) })],
        fetchModel: () => (signal, onPhase) => ownFleet.fetchModel(signal, onPhase),
        fetchUpload: () => async () => "/nowhere",
        engineFor: (workload) => ownFleet.engineFor(workload),
      });
      return { deployments, deployedModels, orchestrator };
    };
    parts = createParts(fleet);
    another = (ownFleet) => {
      fleets.push(ownFleet);
      return createParts(ownFleet).orchestrator;
    };
    await parts.deployedModels.syncServerless([SERVED]);
    return [...deploymentRoutes(parts.deployments), ...deployedModelRoutes(parts.deployedModels)];
  });
  await parts.orchestrator.refresh();
  return {
    ...tenants,
    ...parts,
    fleet,
    models,
    shapes,
    another,
    suspended,
    async settle() {
      await parts.orchestrator.refresh();
      while ((await parts.orchestrator.tick()) > 0) await parts.orchestrator.refresh();
    },
    async close() {
      await parts.orchestrator.close();
      await Promise.all(fleets.map((one) => one.close(0)));
      await tenants.close();
    },
  };
}

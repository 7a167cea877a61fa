import type { Principal } from "../control/accounts/service.ts";
import {
  DEPLOYED_MODEL_WORK,
  type DeployedModelRow,
  type DeployedModels,
  deployedModelName,
  fleetIdOf,
  stepDeployedModel,
} from "../control/deployed-models/service.ts";
import {
  DEPLOYMENT_CHANGES_CHANNEL,
  DEPLOYMENT_WORK,
  type DeploymentRow,
  type Deployments,
  deploymentName,
  stepDeployment,
} from "../control/deployments/service.ts";
import {
  type ModelCatalog,
  type ModelEntry,
  type ModelInfo,
  modelNotFound,
} from "../control/models/service.ts";
import type { Fleet } from "../fleet/service.ts";
import { AppError } from "../lib/errors.ts";
import { type RefreshLoop, startRefreshLoop } from "../lib/refresh-loop.ts";
import type { Database } from "../platform/db/database.ts";
import { addWork, Reconciler, type WorkItem } from "../platform/reconcile/reconciler.ts";
import { FleetSync, type FleetSyncDeps } from "./fleet-sync.ts";
import { LastUsedTracker } from "./last-used-tracker.ts";
import { ModelInfoCache } from "./model-info-cache.ts";
import { directRouteModelName } from "./model-name-variants.ts";
import { type CallableModel, type ModelRoute, RouteTable } from "./route-table.ts";

export type { ModelRoute } from "./route-table.ts";

export interface OrchestratorDeps extends Omit<FleetSyncDeps, "fleet"> {
  database: Database;
  fleet: Pick<Fleet, "apply" | "remove" | "observe" | "diagnostics" | "onChange">;
  deployments: Deployments;
  deployedModels: DeployedModels;
  /** The library's served models, aliases and fallback. */
  library: ModelCatalog;
  describe(principal: Principal, name: string): Promise<ModelInfo>;
}

/** A request to a deployment's direct route. */
export interface DirectRouteRequest {
  principal: Principal;
  /** The path without the prefix that names the deployment. */
  path: string;
}

/** Interval of full refreshes, which make up for lost notifications. */
const REFRESH_MS = 15_000;
const FLUSH_MS = 60_000;
/** Changes of replicas wake the reconcilers at most this often. */
const WAKE_UP_DELAY_MS = 250;
const DIRECT_ROUTE_PATH = /^\/direct\/([^/]{1,63})\/([^/]{1,63})(\/.*)$/;

/**
 * Applies deployments and deployed models to the fleet of this process, and resolves the model names of requests to routes.
 * Routes are in memory, so that no request waits for the database.
 */
export class Orchestrator {
  readonly #deps: OrchestratorDeps;
  readonly #fleetSync: FleetSync;
  readonly #modelInfo: ModelInfoCache;
  readonly #lastUsed: LastUsedTracker;
  readonly #reconcilers: Reconciler[];
  readonly #refreshLoop: RefreshLoop;
  /** Descriptions of the models that the library serves, by id. */
  readonly #served: ReadonlyMap<string, ModelEntry>;
  /** Routes to serverless models, by model and whether it is the fallback. */
  readonly #serverless = new Map<string, ModelRoute>();
  readonly #changedIds = new Set<string>();
  #table: RouteTable;
  /** Accounts that have changed since their rows were loaded; null: all. */
  #stale: Set<string> | null = null;
  /** By full name. */
  #deployments: ReadonlyMap<string, DeploymentRow> = new Map();
  #deployedModels: readonly DeployedModelRow[] = [];
  #stops: (() => unknown)[] = [];
  #cancelFlush = (): void => {};
  #cancelWakeUp = (): void => {};

  constructor(deps: OrchestratorDeps) {
    const { clock, log, database } = deps;
    this.#deps = deps;
    this.#fleetSync = new FleetSync(deps);
    this.#modelInfo = new ModelInfoCache(deps.describe, clock);
    this.#lastUsed = new LastUsedTracker(deps.deployedModels.store, deps.deployments.store);
    this.#served = new Map(deps.library.list().map((entry) => [entry.id, entry]));
    this.#table = this.#buildTable();
    const onFailure = (err: unknown) =>
      log.warn({ err }, "deployments not refreshed; the last known state stays");
    this.#refreshLoop = startRefreshLoop(() => this.#load(), { everyMs: REFRESH_MS, clock, onFailure });
    const common = { database, clock, log };
    this.#reconcilers = [
      // Deletions wait for running requests; other steps must not wait for deletions.
      new Reconciler({
        ...common,
        kind: DEPLOYMENT_WORK,
        concurrency: 16,
        step: (item) => this.#stepDeployment(item),
      }),
      new Reconciler({ ...common, kind: DEPLOYED_MODEL_WORK, step: (item) => this.#stepDeployedModel(item) }),
    ];
    for (const resource of [deps.deployments, deps.deployedModels]) {
      resource.onChange((accountId) => this.refresh(accountId));
    }
  }

  /** Applies all deployments, then follows their changes. */
  async start(): Promise<void> {
    const { database, clock, fleet, deployedModels, serverless } = this.#deps;
    await deployedModels.syncServerless(serverless.map(({ id }) => id));
    await this.refresh();
    this.#stops.push(
      await database.listen(DEPLOYMENT_CHANGES_CHANNEL, (accountId) => {
        this.#markStale(accountId);
        this.#refreshLoop.refreshInBackground();
      }),
    );
    this.#stops.push(fleet.onChange((id) => this.#scheduleWakeUp(id)));
    this.#scheduleFlush();
    const nowMs = clock.now();
    await addWork(database.db, DEPLOYMENT_WORK, workKeys([...this.#deployments.values()]), nowMs);
    await addWork(database.db, DEPLOYED_MODEL_WORK, workKeys(this.#deployedModels), nowMs);
    for (const reconciler of this.#reconcilers) await reconciler.start();
  }

  /** Loads changed rows and applies them. @param accountId the account that has changed; empty: any account. */
  refresh(accountId = ""): Promise<void> {
    this.#markStale(accountId);
    return this.#refreshLoop.refresh();
  }

  /** @param accountId empty: any account. */
  #markStale(accountId: string): void {
    if (accountId === "") this.#stale = null;
    else this.#stale?.add(accountId);
  }

  /**
   * The route of a request. `name` is a model on a deployment, a deployed model, a model, an alias, or replaced by the
   * fallback.
   * @throws AppError NOT_FOUND, also for private models of other accounts; FAILED_PRECONDITION with the reason for a model
   * that could not be loaded; UNAVAILABLE with the reason for a deployment that this process could not apply.
   */
  resolve(principal: Principal, name: string): ModelRoute {
    const { clock, library } = this.#deps;
    if (principal.deployment !== undefined)
      return this.#resolveOnDirectRoute(principal, principal.deployment, name);
    const route = this.#table.find(principal, name, clock);
    if (route !== null) return this.#assertApplied(route);
    if (name.includes("#") || name.includes("/deployedModels/")) throw modelNotFound(name);
    const { model, fallbackUsed } = library.resolve(name);
    return fallbackUsed && !this.#served.has(model.name)
      ? this.#ownFallbackRoute(principal, model.name)
      : this.#serverlessRoute(model.name, fallbackUsed);
  }

  /** The route to a fallback that a user has deployed. @throws AppError NOT_FOUND when the principal may not call it. */
  #ownFallbackRoute(principal: Principal, name: string): ModelRoute {
    const { clock, library } = this.#deps;
    const route = this.#table.find(principal, name, clock);
    if (route === null) {
      const message = "Neither this model nor the fallback model that stands in for it is deployed here.";
      throw new AppError("NOT_FOUND", message, { param: "model" });
    }
    const { isFallbackLenient } = library;
    return { ...this.#assertApplied(route), fallbackUsed: true, dropsUnsupported: isFallbackLenient };
  }

  /** Number of parameters of a route's model; null: unknown. */
  parameterCountOf(model: string): number | null {
    const hash = model.indexOf("#");
    const name = hash === -1 ? model : model.slice(0, hash);
    return Number(this.#modelInfo.get(name)?.parameterCount ?? 0) || null;
  }

  /** The models that the principal may call, sorted by name. */
  callable(principal: Principal): ModelEntry[] {
    const deployed = this.#table.callable(principal).map((one) => this.#toModelEntry(one));
    const all = new Map([...deployed, ...this.#served.values()].map((entry) => [entry.id, entry]));
    return [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** One of these models, by any of its names. @throws AppError NOT_FOUND with param `model`. */
  describe(principal: Principal, name: string): ModelEntry {
    const known = this.#table.describe(principal, name);
    return known === null ? this.#deps.library.get(name) : this.#toModelEntry(known);
  }

  /**
   * The principal and the path of a request on a direct route; null for any other path.
   * @throws AppError UNAUTHORIZED, also for a deployment without a direct route.
   */
  resolveDirectRoute(path: string, authorization: string | undefined): DirectRouteRequest | null {
    const [, accountId, id, rest] = DIRECT_ROUTE_PATH.exec(path) ?? [];
    if (accountId === undefined || id === undefined || rest === undefined) return null;
    const deployment = deploymentName({ accountId, id });
    const row = this.#deployments.get(deployment);
    const key = /^Bearer (\S{1,300})$/i.exec(authorization ?? "")?.[1] ?? "";
    const isOpen = row !== undefined && row.state !== "DELETING";
    const isKey = this.#deps.deployments.keys.matchesAny(key, isOpen ? row.directRouteKeys : []);
    if (!isKey) throw new AppError("UNAUTHORIZED", "The API key is missing or not valid.");
    const principal = {
      accountId,
      keyId: "direct-route",
      userId: "",
      role: "inference-user",
      isOperator: false,
    } as const;
    return { principal: { ...principal, deployment }, path: rest };
  }

  /** Takes every reconcile step that is due; for tests. */
  async tick(): Promise<number> {
    let steps = 0;
    for (const reconciler of this.#reconcilers) steps += await reconciler.tick();
    return steps;
  }

  /** Stops the reconcilers. The replicas go on until the fleet is closed. */
  async close(): Promise<void> {
    this.#refreshLoop.stop();
    this.#cancelFlush();
    this.#cancelWakeUp();
    for (const stop of this.#stops.splice(0)) await stop();
    for (const reconciler of this.#reconcilers) await reconciler.close();
    await this.#lastUsed.flush();
  }

  /** Reloads the changed accounts; all accounts if none is known to have changed, as a notification may have been lost. */
  async #load(): Promise<void> {
    const stale = this.#stale?.size ? this.#stale : undefined;
    this.#stale = new Set();
    try {
      await this.#loadRows(stale);
    } catch (error) {
      this.#stale = null;
      throw error;
    }
    // Sync the fleet first: loading the descriptions of models may take a moment.
    this.#fleetSync.sync([...this.#deployments.values()], this.#deployedModels);
    await this.#modelInfo.refresh(new Set(this.#deployedModels.map(({ model }) => model)));
    this.#lastUsed.retain(new Set(this.#deployedModels.map(deployedModelName)));
    this.#table = this.#buildTable();
  }

  /** @param accounts absent: all. */
  async #loadRows(accounts: ReadonlySet<string> | undefined): Promise<void> {
    const { deployments, deployedModels } = this.#deps;
    const [live, loaded] = await Promise.all([
      deployments.store.live(accounts),
      deployedModels.store.live(accounts),
    ]);
    const isOther = ({ accountId }: { accountId: string }): boolean => accounts?.has(accountId) === false;
    const kept = [...this.#deployments.values()].filter(isOther);
    this.#deployments = new Map([...kept, ...live].map((row) => [deploymentName(row), row]));
    this.#deployedModels = [...this.#deployedModels.filter(isOther), ...loaded];
  }

  #buildTable(): RouteTable {
    return new RouteTable({
      deployments: this.#deployments,
      deployedModels: this.#deployedModels,
      served: new Set(this.#served.keys()),
      chatTemplates: this.#modelInfo.chatTemplates(),
      lastUses: this.#lastUsed.all,
    });
  }

  #resolveOnDirectRoute(principal: Principal, deployment: string, name: string): ModelRoute {
    const route = this.#table.find(principal, directRouteModelName(name, deployment), this.#deps.clock);
    if (route?.deployment === deployment) return this.#assertApplied(route);
    throw modelNotFound(name);
  }

  /** @throws AppError UNAVAILABLE with the reason when the fleet could not apply the route's deployment and runs nothing of it. */
  #assertApplied(route: ModelRoute): ModelRoute {
    const reason = this.#fleetSync.applyError(route.deployment);
    if (reason === null || this.#deps.fleet.observe(route.deployment) !== null) return route;
    throw new AppError("UNAVAILABLE", reason, { retryAfterS: REFRESH_MS / 1000 });
  }

  #serverlessRoute(model: string, fallbackUsed: boolean): ModelRoute {
    const key = `${model}\n${fallbackUsed}`;
    const known = this.#serverless.get(key);
    if (known !== undefined) return known;
    const isolation = "account" as const;
    const route = {
      model,
      deployment: model,
      isolation,
      sessionAffinity: false,
      fallbackUsed,
      dropsUnsupported: fallbackUsed && this.#deps.library.isFallbackLenient,
      chatTemplate: null,
    };
    this.#serverless.set(key, route);
    return route;
  }

  #toModelEntry({ name, model }: CallableModel): ModelEntry {
    const served = this.#served.get(name);
    if (served !== undefined) return served;
    const known = this.#modelInfo.get(model);
    return {
      id: name,
      object: "model",
      created: known === undefined ? 0 : Math.floor(Date.parse(known.createTime) / 1000),
      owned_by: model.split("/")[1] ?? "",
      kind: known?.kind === "addon" ? "HF_PEFT_ADDON" : "HF_BASE_MODEL",
      supports_chat: known?.supportsChat ?? true,
      supports_image_input: known?.supportsImageInput ?? false,
      supports_tools: known?.supportsTools ?? false,
      context_length: known?.contextLength ?? null,
    };
  }

  #stepDeployment({ key, signal }: WorkItem): Promise<number | null> {
    const { clock, fleet, deployments } = this.#deps;
    const [accountId, id] = key.split("/") as [string, string];
    return stepDeployment(
      {
        store: deployments.store,
        clock,
        observe: (name) => fleet.observe(name),
        diagnostics: (name) => fleet.diagnostics(name),
        applyError: (name) => this.#fleetSync.applyError(name),
        remove: (name, options) => unlessAborted(signal, fleet.remove(name, options)),
        syncFleet: () => this.refresh(accountId),
        flushLastUsed: () => this.#lastUsed.flush(),
      },
      accountId,
      id,
    );
  }

  #stepDeployedModel({ key }: WorkItem): Promise<number | null> {
    const { clock, fleet, deployments, deployedModels } = this.#deps;
    const [accountId, id] = key.split("/") as [string, string];
    return stepDeployedModel(
      {
        store: deployedModels.store,
        clock,
        observe: (name) => fleet.observe(name),
        syncFleet: () => this.refresh(accountId),
        flushLastUsed: () => this.#lastUsed.flush(),
        isLive: (name) => deployments.isLive(name),
        addDeploymentEvent: (name, message) => deployments.addEvent(name, message),
      },
      accountId,
      id,
    );
  }

  /** Wakes the reconcilers, after a delay, for the rows of a deployment whose replicas have changed. */
  #scheduleWakeUp(id: string): void {
    if (this.#changedIds.size === 0) {
      this.#cancelWakeUp = this.#deps.clock.after(WAKE_UP_DELAY_MS, () => void this.#wakeReconcilers());
    }
    this.#changedIds.add(id);
  }

  async #wakeReconcilers(): Promise<void> {
    const { database, clock, log } = this.#deps;
    const ids = new Set(this.#changedIds);
    this.#changedIds.clear();
    const deployments = [...ids].flatMap((id) => this.#deployments.get(id) ?? []);
    const addons = this.#deployedModels.filter((row) => row.isAddon && ids.has(fleetIdOf(row)));
    try {
      await addWork(database.db, DEPLOYMENT_WORK, workKeys(deployments), clock.now());
      await addWork(database.db, DEPLOYED_MODEL_WORK, workKeys(addons), clock.now());
    } catch (err) {
      log.warn({ err }, "reconcilers not woken; the next scheduled step handles the change");
    }
  }

  #scheduleFlush(): void {
    const { clock, log } = this.#deps;
    this.#cancelFlush = clock.after(FLUSH_MS, () => {
      this.#lastUsed.flush().catch((err) => log.warn({ err }, "times of last use not stored"));
      this.#scheduleFlush();
    });
  }
}

/** Waits for `work` until the signal fires. @throws the signal's reason. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let leave = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

function workKeys(rows: readonly { accountId: string; id: string }[]): string[] {
  return rows.map(({ accountId, id }) => `${accountId}/${id}`);
}

import type { DeploymentStatus as FleetDeploymentStatus } from "../../fleet/service.ts";
import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery as Query } from "../../platform/db/listing.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import { heldAccelerators, withinAcceleratorQuota } from "./accelerator-quota.ts";
import type { ShapeSource } from "./apply-shape.ts";
import { replicaBounds } from "./autoscaling.ts";
import { assertNotDeleted, createDeployment, updateDeployment } from "./create-update.ts";
import { DirectRouteKeys } from "./direct-route-keys.ts";
import {
  eventView,
  metricsView,
  type RequestMetrics,
  shardViews,
  terminationView,
  timeRangeMs,
} from "./events.ts";
import { changeDeployment, findDeployment } from "./find-change.ts";
import { stateEvent } from "./lifecycle.ts";
import type { ModelSource, SizeCheck, WeightsFormatFor } from "./model-compatibility.ts";
import { deploymentName, parseDeploymentName, titleOf } from "./names.ts";
import type {
  CreateQuery,
  DeleteQuery,
  DeploymentBody,
  ListQuery,
  ScaleBody,
  UpdateQuery,
} from "./schema.ts";
import { type DeploymentChange, type DeploymentHooks, type DeploymentRow, deploymentStore } from "./store.ts";
import type { AcceleratorQuota, DeploymentOperationDeps } from "./types.ts";
import { deploymentView, observedStatus, statusView } from "./view.ts";

export { minReplicasAt } from "./autoscaling.ts";
export { DirectRouteKeys } from "./direct-route-keys.ts";
export {
  type FetchFile,
  type FleetSpecDeps,
  fleetSpec,
  type Workload,
} from "./fleet-spec.ts";
export { failedError, stepDeployment } from "./lifecycle.ts";
export { type ModelSource, modelNameOf } from "./model-compatibility.ts";
export { deploymentName, parseDeploymentName } from "./names.ts";
export { MULTI_REGIONS, REGIONS } from "./schema.ts";
export {
  DEPLOYMENT_CHANGES_CHANNEL,
  DEPLOYMENT_WORK,
  type DeploymentHooks,
  type DeploymentRow,
  type DeploymentStore,
} from "./store.ts";

/**
 * All methods but `list` throw NOT_FOUND for a deployment that doesn't exist or is another account's. Methods that write
 * throw FORBIDDEN by role. `origin` is the address of the platform as the client used it, `https://host`; responses repeat
 * it in URLs.
 */
export interface Deployments {
  /** With `validateOnly`, returns the deployment without creating it. @throws AppError see createDeployment. */
  create(
    principal: Principal,
    accountId: string,
    query: CreateQuery,
    body: DeploymentBody,
    origin: string,
  ): Promise<object>;
  get(principal: Principal, accountId: string, id: string, origin: string): Promise<object>;
  list(principal: Principal, accountId: string, query: ListQuery, origin: string): Promise<object>;
  /** @throws AppError see updateDeployment. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    query: UpdateQuery,
    body: DeploymentBody,
    origin: string,
  ): Promise<object>;
  /**
   * Sets the number of replicas until the bounds are set again.
   * @throws AppError BAD_REQUEST above maxReplicaCount, FAILED_PRECONDITION when deleted.
   */
  scale(principal: Principal, accountId: string, id: string, body: ScaleBody): Promise<void>;
  /**
   * Drains and deletes the deployment. `undelete` restores it within a week, unless it was deleted with `hard`. Idempotent.
   * @throws AppError FAILED_PRECONDITION, unless ignoreChecks, for the default deployment of a model that others serve too.
   */
  delete(principal: Principal, accountId: string, id: string, query: DeleteQuery): Promise<void>;
  /** Starts a DELETED or FAILED deployment again. @throws AppError FAILED_PRECONDITION in any other state. */
  undelete(principal: Principal, accountId: string, id: string, origin: string): Promise<object>;
  metrics(
    principal: Principal,
    accountId: string,
    id: string,
    timeRange: string | undefined,
  ): Promise<object>;
  /** @throws AppError BAD_REQUEST for a filter, an order or a page token, as there is one shard. */
  shards(principal: Principal, accountId: string, id: string, query: Query): Promise<object>;
  /** Why the deployment or its replicas fail; an empty message when nothing fails. The operator gets details. */
  terminationMessage(principal: Principal, accountId: string, id: string): Promise<object>;
  /** Weights that were hot-loaded. Hot loading is not supported: always empty. */
  ledger(principal: Principal, accountId: string, id: string): Promise<object>;
  /** Clears the ledger, which is empty. */
  resetLedger(principal: Principal, accountId: string, id: string): Promise<void>;
  /** The newest 200 events, oldest first. */
  events(principal: Principal, accountId: string, id: string): Promise<object>;
  /** @throws AppError NOT_FOUND. */
  find(principal: Principal, accountId: string, id: string): Promise<DeploymentRow>;
  /** Whether a deployment of any account needs the model. */
  inUse(model: string): Promise<boolean>;
  /** Whether the deployment exists and is neither DELETING nor DELETED. @param name full. */
  isLive(name: string): Promise<boolean>;
  /** Why the deployment serves no requests; null when nothing is wrong with it, or when it doesn't exist. @param name full. */
  problemOf(name: string): Promise<{ code: string; message: string } | null>;
  /** Adds an event about a model on the deployment to its timeline. @param name full. */
  addEvent(name: string, message: string): Promise<void>;
  /** Calls `listener` with the account after every change made here, before the change's promise settles. */
  onChange(listener: (accountId: string) => Promise<void>): void;
  /** The accelerators that the account's deployments hold or may grow to, by type. */
  acceleratorsOf(accountId: string): Promise<ReadonlyMap<string, number>>;
  store: ReturnType<typeof deploymentStore>;
  keys: DirectRouteKeys;
}

export interface DeploymentsDeps {
  database: Pick<Database, "db">;
  clock: Clock;
  tokenSecret: Buffer;
  /** Keys the HMAC digests of direct-route keys. */
  keySecret: Buffer;
  accounts: { exists(accountId: string): Promise<boolean> };
  users: { emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> };
  models: ModelSource;
  shapes: ShapeSource;
  checkSize: SizeCheck;
  /** Absent: the embedded engine everywhere. */
  weightsFormatFor?: WeightsFormatFor;
  hooks: DeploymentHooks;
  hostRegion: string | null;
  /** The deployment's state in the fleet of this process; null: the fleet does not run it. */
  observe(name: string): FleetDeploymentStatus | null;
  /** Metrics of the requests since `sinceMs` on replicas whose ids start with the prefix. */
  requestMetrics(replicaPrefix: string, sinceMs: number): Promise<RequestMetrics>;
  /** Absent: no quota. */
  acceleratorQuota?: AcceleratorQuota;
  /** @throws AppError when the account may not run more than it does. Absent: accounts always may. */
  checkGrowth?: (accountId: string) => void;
}

const MAX_EVENTS = 200;

export function createDeployments(deps: DeploymentsDeps): Deployments {
  const { clock, users, observe, hostRegion } = deps;
  const store = deploymentStore(deps.database, deps.tokenSecret, deps.hooks);
  const keys = new DirectRouteKeys(deps.keySecret);
  const listeners: ((accountId: string) => Promise<void>)[] = [];
  const context: DeploymentOperationDeps = {
    store,
    clock,
    keys,
    hostRegion,
    accounts: deps.accounts,
    models: deps.models,
    shapes: deps.shapes,
    checkSize: deps.checkSize,
    weightsFormatFor: deps.weightsFormatFor ?? (() => "embedded"),
    acceleratorQuota: deps.acceleratorQuota,
    checkGrowth: deps.checkGrowth ?? (() => {}),
    async notifyChanged(accountId) {
      for (const listener of listeners) await listener(accountId);
    },
  };

  async function answer(
    accountId: string,
    rows: readonly DeploymentRow[],
    origin: string,
  ): Promise<object[]> {
    const emails = await users.emailsOf(
      accountId,
      rows.map(({ createdBy }) => createdBy),
    );
    const host = origin.replace(/^https?:\/\//, "");
    return rows.map((row) => {
      const observation = observe(deploymentName(row));
      return deploymentView(row, {
        observation,
        host,
        hostRegion,
        createdBy: emails.get(row.createdBy) ?? "",
      });
    });
  }

  async function answerOne(row: DeploymentRow, origin: string): Promise<object> {
    return (await answer(row.accountId, [row], origin))[0] as object;
  }

  function find(principal: Principal, accountId: string, id: string): Promise<DeploymentRow> {
    return findDeployment(context, principal, accountId, id, "read");
  }

  return {
    create: async (principal, accountId, query, body, origin) =>
      answerOne(await createDeployment(context, principal, accountId, query, body), origin),
    get: async (principal, accountId, id, origin) => answerOne(await find(principal, accountId, id), origin),
    async list(principal, accountId, query, origin) {
      authorize(principal, accountId, "read", `Account accounts/${accountId}`);
      const page = await store.list(query, accountId, query.showDeleted ?? false);
      const { nextPageToken, totalSize } = page;
      return { deployments: await answer(accountId, page.rows, origin), nextPageToken, totalSize };
    },
    update: async (principal, accountId, id, query, body, origin) =>
      answerOne(await updateDeployment(context, principal, accountId, id, query, body), origin),
    scale: (principal, accountId, id, body) => scale(context, principal, accountId, id, body),
    delete: (principal, accountId, id, query) => remove(context, principal, accountId, id, query),
    undelete: async (principal, accountId, id, origin) =>
      answerOne(await undelete(context, principal, accountId, id), origin),
    ...detailsOf(context, deps),
    find,
    inUse: (model) => store.isUsed(model),
    async isLive(name) {
      const key = parseDeploymentName(name);
      const row = key === null ? null : await store.get(key.accountId, key.id);
      return row !== null && row.state !== "DELETING" && row.state !== "DELETED";
    },
    async problemOf(name) {
      const key = parseDeploymentName(name);
      const row = key === null ? null : await store.get(key.accountId, key.id);
      if (row === null) return null;
      const observation = observe(name);
      const status = statusView(row, observation === null ? row.observed : observedStatus(observation));
      return status.code === "OK" ? null : status;
    },
    async addEvent(name, message) {
      const key = parseDeploymentName(name);
      if (key === null) return;
      const events = [{ type: "MODEL", message }];
      await store.change(key.accountId, key.id, new Date(clock.now()), (row) => ({
        row,
        events,
        quiet: true,
      }));
    },
    acceleratorsOf: (accountId) => heldAccelerators(store, accountId),
    onChange(listener) {
      listeners.push(listener);
    },
    store,
    keys,
  };
}

type Details = "metrics" | "shards" | "terminationMessage" | "ledger" | "resetLedger" | "events";

/** The methods that read details of one deployment. */
function detailsOf(
  context: DeploymentOperationDeps,
  { clock, observe, requestMetrics }: DeploymentsDeps,
): Pick<Deployments, Details> {
  function find(principal: Principal, accountId: string, id: string): Promise<DeploymentRow> {
    return findDeployment(context, principal, accountId, id, "read");
  }

  return {
    async metrics(principal, accountId, id, timeRange) {
      const rangeMs = timeRangeMs(timeRange);
      const name = deploymentName(await find(principal, accountId, id));
      return metricsView(await requestMetrics(`${name}/`, clock.now() - rangeMs), rangeMs);
    },
    async shards(principal, accountId, id, query) {
      for (const field of ["filter", "orderBy", "pageToken"] as const) {
        if (query[field]) throw badRequest(field, `${field} is not supported: a deployment has one shard.`);
      }
      const row = await find(principal, accountId, id);
      const shards = shardViews(row, observe(deploymentName(row)));
      return { deploymentShards: shards, nextPageToken: "", totalSize: shards.length };
    },
    async terminationMessage(principal, accountId, id) {
      const row = await find(principal, accountId, id);
      return terminationView(row, observe(deploymentName(row)), principal.isOperator);
    },
    async ledger(principal, accountId, id) {
      await find(principal, accountId, id);
      return { ledger: [] };
    },
    async resetLedger(principal, accountId, id) {
      await findDeployment(context, principal, accountId, id, "write");
    },
    async events(principal, accountId, id) {
      await find(principal, accountId, id);
      return { events: (await context.store.events(accountId, id, MAX_EVENTS)).map(eventView) };
    },
  };
}

async function scale(
  context: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  id: string,
  { replicaCount = 0 }: ScaleBody,
): Promise<void> {
  const found = await findDeployment(context, principal, accountId, id, "write");
  await changeDeployment(context, found, (row, now) => {
    assertNotDeleted(row);
    const { min, max } = replicaBounds(row.spec);
    if (replicaCount > (row.fixedReplicas ?? min)) context.checkGrowth(accountId);
    if (replicaCount > max) {
      throw badRequest("replicaCount", `replicaCount must not be above maxReplicaCount, ${max}.`);
    }
    const message = `Set to ${replicaCount} replicas.`;
    return {
      row: { ...row, fixedReplicas: replicaCount, updateTime: now },
      events: [{ type: "SCALING", message }],
    };
  });
}

async function remove(
  context: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  id: string,
  { hard = false, ignoreChecks = false }: DeleteQuery,
): Promise<void> {
  const found = await findDeployment(context, principal, accountId, id, "write");
  await changeDeployment(context, found, (row, now) => {
    const isGoing = row.state === "DELETING" || row.state === "DELETED";
    if (isGoing && !hard) return null;
    const purgeTime = hard ? now : row.purgeTime;
    if (isGoing) return { row: { ...row, purgeTime, updateTime: now } };
    const next = {
      ...row,
      state: "DELETING" as const,
      statusCode: "",
      statusMessage: "",
      purgeTime,
      updateTime: now,
    };
    const event = { type: "DELETED", message: `Deleted by ${principal.userId}.` };
    return { row: next, events: [event, stateEvent(next)], checkDeletable: !ignoreChecks };
  });
}

async function undelete(
  context: DeploymentOperationDeps,
  principal: Principal,
  accountId: string,
  id: string,
): Promise<DeploymentRow> {
  const found = await findDeployment(context, principal, accountId, id, "write");
  const change = (row: DeploymentRow, now: Date): DeploymentChange => {
    const isPurged = row.purgeTime !== null && row.purgeTime <= now;
    if ((row.state !== "DELETED" && row.state !== "FAILED") || isPurged) {
      const message = `${titleOf(accountId, id)} is ${row.state}; only what is DELETED or FAILED is undeleted.`;
      throw new AppError("FAILED_PRECONDITION", message);
    }
    const next: DeploymentRow = {
      ...row,
      state: "CREATING",
      statusCode: "",
      statusMessage: "",
      deleteTime: null,
      purgeTime: null,
      // Counts as used now; otherwise it would be deleted as unused at once.
      updateTime: now,
      lastUsedTime: now,
    };
    const event = { type: "UNDELETED", message: `Undeleted by ${principal.userId}.` };
    return { row: next, events: [event, stateEvent(next)] };
  };
  return withinAcceleratorQuota(context, found, found, () => changeDeployment(context, found, change));
}

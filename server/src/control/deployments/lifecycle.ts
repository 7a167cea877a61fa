import type { DeploymentStatus as FleetDeploymentStatus, ReplicaDiagnostics } from "../../fleet/service.ts";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { unusedAutoDeleteMs } from "./autoscaling.ts";
import { revisionOf } from "./fleet-spec.ts";
import { deploymentName } from "./names.ts";
import { EMPTY_STATUS, type ObservedStatus, type StoredFailure } from "./schema.ts";
import type { DeploymentChange, DeploymentRow, DeploymentStore } from "./store.ts";
import { observedStatus } from "./view.ts";

export interface DeploymentLifecycleDeps {
  store: DeploymentStore;
  clock: Clock;
  /** Applies the deployments of the database to the fleet of this process. */
  syncFleet(): Promise<void>;
  /** Why the fleet of this process could not apply the deployment, in a public sentence; null when it could. */
  applyError(name: string): string | null;
  /** The deployment's state in the fleet of this process; null: the fleet does not run it. */
  observe(name: string): FleetDeploymentStatus | null;
  /** The failures of its replicas with the output of their processes; for the operator only. */
  diagnostics(name: string): readonly ReplicaDiagnostics[];
  /** Stores when deployments were used last, as far as this process knows. */
  flushLastUsed(): Promise<void>;
  /**
   * Lets running requests finish for at most `graceMs`, then ends all replicas. Requests that wait for one fail with `error`;
   * absent: as the deployment is being deleted.
   */
  remove(name: string, options: { graceMs: number; error?: AppError }): Promise<void>;
}

const DAY_MS = 86_400_000;
/** How long a deleted deployment can be undeleted. Fireworks' documentation names no time. */
const PURGE_AFTER_MS = 7 * DAY_MS;
const DRAIN_MS = 30_000;
/** Time to the next step of a deployment whose replicas don't change. */
const RECHECK_MS = 5 * 60_000;
/** The fleet's change events wake the reconciler; these intervals only make up for lost events. */
const SOON_MS = 1_000;
const WAIT_MS = 10_000;
/** A deployment that is not READY becomes FAILED when a replica has failed this many times in a row. */
const MAX_FAILURES = 5;

/**
 * Takes one step from a deployment's actual state to its desired one. Idempotent.
 * @returns milliseconds to the next step; null when nothing is left to do.
 */
export async function stepDeployment(
  deps: DeploymentLifecycleDeps,
  accountId: string,
  id: string,
): Promise<number | null> {
  const row = await deps.store.get(accountId, id);
  if (row === null) return null;
  switch (row.state) {
    case "CREATING":
    case "UPDATING":
    case "READY":
      return stepLive(deps, row);
    case "FAILED":
      await deps.remove(deploymentName(row), { graceMs: 0, error: failedError(row) });
      return null;
    case "DELETING":
      return finishDeletion(deps, row);
    case "DELETED":
      return purgeWhenDue(deps, row);
  }
}

/** The error of requests to a FAILED deployment: its reason. */
export function failedError({ statusMessage }: Pick<DeploymentRow, "statusMessage">): AppError {
  return new AppError("FAILED_PRECONDITION", statusMessage, { param: "model" });
}

async function stepLive(deps: DeploymentLifecycleDeps, row: DeploymentRow): Promise<number | null> {
  const leftMs = timeLeft(row, deps.clock.now());
  if (row.state === "READY" && leftMs <= 0) {
    await deps.flushLastUsed();
    return (await deleteUnused(deps, row)) ? 0 : SOON_MS;
  }
  const name = deploymentName(row);
  if (deps.observe(name) === null) await deps.syncFleet();
  const status = deps.observe(name);
  const applyError = deps.applyError(name);
  // Another process runs it, or it was deleted a moment ago.
  if (status === null && applyError === null) return SOON_MS;
  const after = await recordObservation(deps, row, status, applyError);
  if (after?.state === "FAILED") return 0;
  if (applyError !== null) return RECHECK_MS;
  if (row.state === "READY") return Math.min(RECHECK_MS, leftMs);
  // A replica may wait for accelerators for hours.
  return status?.replicas.every(({ stage }) => stage === "pending") ? WAIT_MS : SOON_MS;
}

/** Milliseconds until the deployment is deleted because nobody uses it. */
function timeLeft({ spec, lastUsedTime }: DeploymentRow, nowMs: number): number {
  const unusedMs = unusedAutoDeleteMs(spec);
  return unusedMs === null ? Number.POSITIVE_INFINITY : lastUsedTime.getTime() + unusedMs - nowMs;
}

/** Stores what the fleet runs, and the state that follows from it. */
async function recordObservation(
  deps: DeploymentLifecycleDeps,
  { accountId, id }: DeploymentRow,
  status: FleetDeploymentStatus | null,
  applyError: string | null,
): Promise<DeploymentRow | null> {
  const now = new Date(deps.clock.now());
  const lastFailure = latestFailure(deps.diagnostics(deploymentName({ accountId, id })));
  return deps.store.change(accountId, id, now, (row) => {
    const observed: ObservedStatus = {
      ...(status === null ? EMPTY_STATUS : observedStatus(status)),
      ...(applyError === null ? {} : { message: applyError }),
      ...(lastFailure === null ? {} : { lastFailure }),
    };
    const seen = { ...row, observed, ...stateAfter(row, status, applyError) };
    const events = eventsBetween(row, seen);
    const next = seen.state === "FAILED" ? { ...seen, observed: withoutReplicas(observed) } : seen;
    const isSame =
      events.length === 0 &&
      row.observed.message === observed.message &&
      row.observed.lastFailure?.time === lastFailure?.time;
    const isQuiet = next.state === row.state && next.statusMessage === row.statusMessage;
    return isSame && isQuiet ? null : { row: next, events, quiet: isQuiet };
  });
}

/** The observation of a deployment whose replicas are ended: its last failure stays. */
function withoutReplicas({ lastFailure }: ObservedStatus): ObservedStatus {
  return lastFailure === undefined ? EMPTY_STATUS : { ...EMPTY_STATUS, lastFailure };
}

function latestFailure(failures: readonly ReplicaDiagnostics[]): StoredFailure | null {
  const [latest] = [...failures].sort((a, b) => b.atMs - a.atMs);
  if (latest === undefined) return null;
  const { atMs, ...rest } = latest;
  return { ...rest, time: new Date(atMs).toISOString() };
}

function stateAfter(
  row: DeploymentRow,
  status: FleetDeploymentStatus | null,
  applyError: string | null,
): Pick<DeploymentRow, "state" | "statusCode" | "statusMessage"> {
  const { state } = row;
  if (status === null || applyError !== null) {
    // A new spec that can't be applied leaves the replicas of the old one in service. A READY deployment comes back
    // when the server is started with the settings that it needs.
    const isFailed = state === "CREATING" || (state === "UPDATING" && status === null);
    return {
      state: isFailed ? "FAILED" : state,
      statusCode: "FAILED_PRECONDITION",
      statusMessage: applyError ?? "Nothing of it runs.",
    };
  }
  const isReady = status.desiredReplicas === 0 || status.replicas.some(({ stage }) => stage === "ready");
  const crashing = status.replicas.filter(
    ({ failures, stage }) => failures >= MAX_FAILURES && stage !== "ready",
  );
  if (state !== "READY" && !isReady && crashing.length > 0) {
    const reason = crashing.find(({ lastFailure }) => lastFailure !== null)?.lastFailure?.message;
    return {
      state: "FAILED",
      statusCode: "FAILED_PRECONDITION",
      statusMessage: reason ?? status.message ?? "Its replicas don't start.",
    };
  }
  const isUpdated = state === "UPDATING" && isReady && isRolledOut(row, status);
  const isCreated = state === "CREATING" && isReady;
  return { state: isCreated || isUpdated ? "READY" : state, statusCode: "", statusMessage: "" };
}

/** Whether no replica of an earlier revision is left, and one of the new revision is ready unless none is desired. */
function isRolledOut(row: DeploymentRow, { replicas, desiredReplicas }: FleetDeploymentStatus): boolean {
  const revision = revisionOf(row);
  const ready = replicas.filter((replica) => replica.revision === revision && replica.stage === "ready");
  return (
    replicas.every((replica) => replica.revision === revision) && ready.length >= Math.min(1, desiredReplicas)
  );
}

/** The events of the deployment's timeline that a change of its row causes. */
function eventsBetween(before: DeploymentRow, after: DeploymentRow): NonNullable<DeploymentChange["events"]> {
  const events: { type: string; message: string }[] = [];
  const [old, now] = [before.observed, after.observed];
  if (old.desiredReplicas !== now.desiredReplicas) {
    const message = `Replicas wanted: ${now.desiredReplicas} instead of ${old.desiredReplicas}.`;
    events.push({ type: "SCALING", message });
  }
  if (countsOf(old) !== countsOf(now) || withoutCounts(old.message) !== withoutCounts(now.message)) {
    events.push({ type: "REPLICAS", message: [countsOf(now), now.message].filter(Boolean).join(" ") });
  }
  if (before.state !== after.state) events.push(stateEvent(after));
  return events;
}

export function stateEvent({ state, statusMessage }: DeploymentRow): { type: string; message: string } {
  return { type: "STATE", message: statusMessage === "" ? state : `${state}: ${statusMessage}` };
}

function countsOf({ pending, downloading, initializing, ready }: ObservedStatus): string {
  const stages = { pending, downloading, initializing, ready };
  const present = Object.entries(stages).filter(([, count]) => count > 0);
  if (present.length === 0) return "No replica runs.";
  return `${present.map(([stage, count]) => `${count} ${stage}`).join(", ")}.`;
}

/** The message without progress and attempts: neither each percent of a download nor each restart is an event. */
function withoutCounts(message: string): string {
  return message.replaceAll(/\d+ ?%/g, "").replace(/ It failed \d+ times in a row\.$/, "");
}

/** Returns false when a request used the deployment in the meantime. */
async function deleteUnused(
  { store, clock }: DeploymentLifecycleDeps,
  { accountId, id }: DeploymentRow,
): Promise<boolean> {
  const now = new Date(clock.now());
  const after = await store.change(accountId, id, now, (row) => {
    if (row.state !== "READY" || timeLeft(row, now.getTime()) > 0) return null;
    const next = { ...row, state: "DELETING" as const, updateTime: now };
    return {
      row: next,
      events: [{ type: "UNUSED", message: "It was not used for long." }, stateEvent(next)],
    };
  });
  return after?.state === "DELETING";
}

async function finishDeletion(
  deps: DeploymentLifecycleDeps,
  { accountId, id }: DeploymentRow,
): Promise<number | null> {
  await deps.remove(deploymentName({ accountId, id }), { graceMs: DRAIN_MS });
  const now = new Date(deps.clock.now());
  const row = await deps.store.change(accountId, id, now, (before) => {
    if (before.state !== "DELETING") return null;
    const purgeTime = before.purgeTime ?? new Date(now.getTime() + PURGE_AFTER_MS);
    const next = { ...before, state: "DELETED" as const, deleteTime: now, purgeTime, observed: EMPTY_STATUS };
    return { row: next, events: [stateEvent(next)] };
  });
  return row === null ? null : purgeWhenDue(deps, row);
}

async function purgeWhenDue(
  { store, clock }: DeploymentLifecycleDeps,
  row: DeploymentRow,
): Promise<number | null> {
  if (row.state !== "DELETED" || row.purgeTime === null) return 0;
  const waitMs = row.purgeTime.getTime() - clock.now();
  if (waitMs > 0) return waitMs;
  await store.purge(row.accountId, row.id);
  return null;
}

import type { DeploymentStatus as FleetDeploymentStatus } from "../../fleet/service.ts";
import type { Clock } from "../../lib/clock.ts";
import { unusedAutoDeleteMs } from "./autoscaling.ts";
import { revisionOf } from "./fleet-spec.ts";
import { deploymentName } from "./names.ts";
import { EMPTY_STATUS, type ObservedStatus } from "./schema.ts";
import type { DeploymentChange, DeploymentRow, DeploymentStore } from "./store.ts";
import { observedStatus } from "./view.ts";

export interface DeploymentLifecycleDeps {
  store: DeploymentStore;
  clock: Clock;
  /** Brings what the database wants to the fleet of this process. */
  syncFleet(): Promise<void>;
  observe(name: string): FleetDeploymentStatus | null;
  /** Writes down when deployments were used last, as far as this process knows. */
  flushLastUsed(): Promise<void>;
  /** Lets running requests finish, then ends all replicas. */
  remove(name: string, graceMs: number): Promise<void>;
}

const DAY_MS = 86_400_000;
/** How long a deleted deployment may be had back. The sources name no time. */
export const PURGE_AFTER_MS = 7 * DAY_MS;
const DRAIN_MS = 30_000;
/** How often a deployment is looked at without a change of its replicas. */
const LOOK_MS = 5 * 60_000;
/** The fleet tells of what it does; these only make up for what was missed. */
const SOON_MS = 1_000;
const WAIT_MS = 10_000;
/** Starts after the first after which a deployment that never served counts as failed. */
const MAX_RESTARTS = 4;

/**
 * One step of a deployment towards what is wanted. Idempotent: everything it does may be done again.
 * @returns milliseconds to the next look; null when nothing is left to do.
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
      await deps.remove(deploymentName(row), 0);
      return null;
    case "DELETING":
      return finishDeletion(deps, row);
    case "DELETED":
      return purgeWhenDue(deps, row);
  }
}

async function stepLive(deps: DeploymentLifecycleDeps, row: DeploymentRow): Promise<number | null> {
  const leftMs = timeLeft(row, deps.clock.now());
  if (row.state === "READY" && leftMs <= 0) {
    await deps.flushLastUsed();
    return (await deleteUnused(deps, row)) ? 0 : SOON_MS;
  }
  const name = deploymentName(row);
  if (deps.observe(name) === null) await deps.syncFleet();
  const seen = deps.observe(name);
  // Another process has it, or it was deleted a moment ago.
  if (seen === null) return SOON_MS;
  await recordObservation(deps, row, seen);
  if (row.state === "READY") return Math.min(LOOK_MS, leftMs);
  // What waits for room on the host may wait for long.
  return seen.replicas.every(({ stage }) => stage === "pending") ? WAIT_MS : SOON_MS;
}

/** Milliseconds until it goes because nobody uses it. */
function timeLeft({ spec, lastUsedTime }: DeploymentRow, nowMs: number): number {
  const unusedMs = unusedAutoDeleteMs(spec);
  return unusedMs === null ? Number.POSITIVE_INFINITY : lastUsedTime.getTime() + unusedMs - nowMs;
}

/** Writes down what is seen, and the state that follows from it. */
async function recordObservation(
  deps: DeploymentLifecycleDeps,
  { accountId, id }: DeploymentRow,
  seen: FleetDeploymentStatus,
): Promise<void> {
  const now = new Date(deps.clock.now());
  await deps.store.change(accountId, id, now, (row) => {
    const observed = observedStatus(seen);
    const next = { ...row, observed, ...stateAfter(row, seen) };
    const events = eventsBetween(row, next);
    const isSame = events.length === 0 && row.observed.message === observed.message;
    const isQuiet = next.state === row.state && next.statusMessage === row.statusMessage;
    return isSame && isQuiet ? null : { row: next, events, quiet: isQuiet };
  });
}

function stateAfter(
  row: DeploymentRow,
  seen: FleetDeploymentStatus,
): Pick<DeploymentRow, "state" | "statusCode" | "statusMessage"> {
  const { state, statusCode, statusMessage } = row;
  const isReady = seen.desiredReplicas === 0 || seen.replicas.some(({ stage }) => stage === "ready");
  if (state === "CREATING" && isReady) return { state: "READY", statusCode: "", statusMessage: "" };
  const keepsFailing = seen.replicas.some(
    ({ restarts, stage }) => restarts >= MAX_RESTARTS && stage !== "ready",
  );
  if (state !== "READY" && !isReady && keepsFailing) {
    return {
      state: "FAILED",
      statusCode: "FAILED_PRECONDITION",
      statusMessage: seen.message ?? "Its replicas don't start.",
    };
  }
  if (state === "UPDATING" && isReady && isRolledOut(row, seen)) {
    return { state: "READY", statusCode: "", statusMessage: "" };
  }
  return { state, statusCode, statusMessage };
}

/** No replica of an earlier revision is left, and all that are wanted are ready. */
function isRolledOut(row: DeploymentRow, { replicas, desiredReplicas }: FleetDeploymentStatus): boolean {
  const revision = revisionOf(row);
  const ready = replicas.filter((replica) => replica.revision === revision && replica.stage === "ready");
  return (
    replicas.every((replica) => replica.revision === revision) && ready.length >= Math.min(1, desiredReplicas)
  );
}

/** What a timeline tells of a change of what is seen. */
function eventsBetween(before: DeploymentRow, after: DeploymentRow): NonNullable<DeploymentChange["events"]> {
  const events: { type: string; message: string }[] = [];
  const [old, now] = [before.observed, after.observed];
  if (old.desiredReplicas !== now.desiredReplicas) {
    const message = `Replicas wanted: ${now.desiredReplicas} instead of ${old.desiredReplicas}.`;
    events.push({ type: "SCALING", message });
  }
  if (countsOf(old) !== countsOf(now) || withoutPercent(old.message) !== withoutPercent(now.message)) {
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
  const some = Object.entries(stages).filter(([, count]) => count > 0);
  if (some.length === 0) return "No replica runs.";
  return `${some.map(([stage, count]) => `${count} ${stage}`).join(", ")}.`;
}

/** The progress of a download is shown while it lasts; each percent of it is no event. */
function withoutPercent(message: string): string {
  return message.replaceAll(/\d+ ?%/g, "");
}

/** False when it was used after all. */
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
  await deps.remove(deploymentName({ accountId, id }), DRAIN_MS);
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

/** Decides which replicas to add and to drain to reach a number and a revision. Pure functions. */

/** A replica as the rollout sees it. */
export interface RolloutReplica {
  readonly revision: string;
  readonly isRoutable: boolean;
  /** Whether it waits for accelerators that other replicas hold. */
  readonly isBlocked: boolean;
  readonly isDraining: boolean;
  readonly load: number;
}

export interface RolloutStep<M extends RolloutReplica> {
  drain: M[];
  /** Draining replicas that are needed again. */
  revive: M[];
  /** Replicas to create. */
  add: number;
}

/**
 * The next step of a rolling update. Replicas of another revision are replaced one by one: a new replica is started beside
 * them, and when it serves, an old one drains. Idempotent: without a change of the replicas the step is empty.
 */
export function nextRolloutStep<M extends RolloutReplica>(
  members: readonly M[],
  target: number,
  revision: string,
): RolloutStep<M> {
  const isOld = (member: M) => member.revision !== revision;
  const live = members.filter((member) => !member.isDraining);
  const current = live.filter((member) => !isOld(member));
  const old = live.filter(isOld);
  const oldServing = leastUseful(old.filter((member) => member.isRoutable));
  const kept = Math.max(0, target - current.filter((member) => member.isRoutable).length);
  const surplus = Math.max(0, oldServing.length - kept);
  // When the accelerators don't suffice for both, one old replica drains first; the next drains when the new one serves.
  const isLeaving = members.some((member) => member.isDraining && isOld(member));
  const waiting = current.filter((member) => !member.isRoutable);
  const isStuck = waiting.length > 0 && waiting.every((member) => member.isBlocked);
  const makesWay = surplus === 0 && isStuck && !isLeaving ? 1 : 0;
  const drain = [
    ...old.filter((member) => !member.isRoutable),
    ...oldServing.slice(0, surplus + makesWay),
    ...leastUseful(current).slice(0, Math.max(0, current.length - target)),
  ];
  const staying = live.length - drain.length;
  const isRolling = old.some((member) => !drain.includes(member));
  const missing = Math.max(0, Math.min(target - current.length, (isRolling ? target + 1 : target) - staying));
  const revive = members.filter((member) => member.isDraining && !isOld(member)).slice(0, missing);
  return { drain, revive, add: missing - revive.length };
}

/** Sorts by usefulness, ascending: replicas that don't serve, then by load, then newest first. */
function leastUseful<M extends RolloutReplica>(members: readonly M[]): M[] {
  return [...members]
    .reverse()
    .sort((a, b) => Number(a.isRoutable) - Number(b.isRoutable) || a.load - b.load);
}

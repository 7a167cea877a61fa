/** Which replicas come and go, so that a deployment gets from what it has to what it should have. Pure. */

/** What counts of a replica. */
export interface RolloutReplica {
  readonly revision: string;
  readonly isRoutable: boolean;
  /** It can't start because other replicas have the accelerators it needs. */
  readonly isBlocked: boolean;
  readonly isDraining: boolean;
  readonly load: number;
}

export interface RolloutStep<M extends RolloutReplica> {
  drain: M[];
  /** Replicas that were to go but are of use again. */
  revive: M[];
  /** Replicas to create. */
  add: number;
}

/**
 * The next step. Replicas of another revision are replaced one by one: a new one is started beside them, and as soon as it
 * serves, an old one drains. Called again after every change; without one it asks for nothing new.
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
  // Without accelerators for both, an old one makes way first; the next when the new one serves.
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

/** Those that don't serve first, then by their load, then the newest. */
function leastUseful<M extends RolloutReplica>(members: readonly M[]): M[] {
  return [...members]
    .reverse()
    .sort((a, b) => Number(a.isRoutable) - Number(b.isRoutable) || a.load - b.load);
}

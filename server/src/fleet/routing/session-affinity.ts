import { hashText, murmurFinalize } from "./hash.ts";

/** A replica as routing sees it. */
export interface ReplicaLoad {
  readonly id: string;
  /** Generations that run on it or are about to. */
  readonly load: number;
}

/** A session's replica may have this many times the average load before the session goes elsewhere. */
const MAX_LOAD_FACTOR = 1.25;

/**
 * The replica of a session: of every key each replica has its own rank, and the highest wins (rendezvous hashing, Thaler
 * and Ravishankar 1998), so that only the keys of a replica that comes or goes move. A replica that is full and has more than its
 * share of the load is passed over, so that one busy session can't drown it (bounded loads, Mirrokni et al. 2018).
 * @param replicas at least one. @param slots what a replica computes at the same time.
 */
export function pickReplicaForSession<R extends ReplicaLoad>(
  replicas: readonly R[],
  key: string,
  slots: number,
): R {
  const keyHash = hashText(key);
  const total = replicas.reduce((sum, replica) => sum + replica.load, 0);
  const bound = Math.max(slots, Math.ceil((MAX_LOAD_FACTOR * (total + 1)) / replicas.length));
  let best: R | null = null;
  let bestRank = -1;
  for (const replica of replicas) {
    const rank = murmurFinalize(keyHash ^ murmurFinalize(hashText(replica.id)));
    if (replica.load < bound && rank > bestRank) {
      best = replica;
      bestRank = rank;
    }
  }
  // One of them is always below the average.
  return best!;
}

import { hashText, murmurFinalize } from "./hash.ts";

/** A replica as routing sees it. */
export interface ReplicaLoad {
  readonly id: string;
  /** Work that runs on it or is about to. */
  readonly load: number;
}

/** A session leaves its replica when the replica's load is above this multiple of the average load. */
const MAX_LOAD_FACTOR = 1.25;

/**
 * Picks the replica of a session by rendezvous hashing (Thaler and Ravishankar 1998): each replica ranks every key, and the
 * highest rank wins. When a replica comes or goes, only its own keys move. A replica that is full and above its share of the
 * load is skipped, so that one busy session can't overload it (bounded loads, Mirrokni et al. 2018).
 * @param replicas at least one. @param slots requests that a replica computes at the same time.
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
  // At least one replica is below the bound, as the bound is above the average load.
  return best!;
}

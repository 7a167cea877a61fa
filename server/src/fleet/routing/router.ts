import type { Engine } from "../../engine/engine.ts";
import { PrefixIndex, type PromptPrefix, prefixBlockHashes } from "./prefix-index.ts";
import { pickReplicaForSession, type ReplicaLoad } from "./session-affinity.ts";

/** Properties of a request that routing takes into account. */
export interface RoutingHints {
  lora?: string | undefined;
  sessionKey?: string | undefined;
  promptPrefix?: PromptPrefix | undefined;
  /** In the queue, the request comes after all others. */
  priority?: "low" | undefined;
}

export interface RoutableReplica extends ReplicaLoad {
  /** Null when no request may be routed to the replica. */
  readonly engine: Engine | null;
}

export interface RouterPolicy {
  /** Requests that a replica computes at the same time. */
  slots: number;
  /** Whether requests with one session key go to one replica. */
  sessionAffinity: boolean;
}

/** Picks one of several replicas for each request: by session, by the longest cached prompt prefix, or the least busy. */
export class Router {
  #nextFirst = 0;
  /** By engine, because a restarted engine has an empty prompt cache. */
  readonly #prefixIndexes = new WeakMap<Engine, PrefixIndex>();

  /** @param replicas at least one. */
  pick<R extends RoutableReplica>(replicas: readonly R[], hints: RoutingHints, policy: RouterPolicy): R {
    if (replicas.length === 1) return replicas[0]!;
    if (policy.sessionAffinity && hints.sessionKey !== undefined) {
      return pickReplicaForSession(replicas, hints.sessionKey, policy.slots);
    }
    const leastBusy = this.#leastBusy(replicas);
    if (hints.promptPrefix === undefined) return leastBusy;
    const blocks = prefixBlockHashes(hints.promptPrefix, hints.lora ?? "");
    if (blocks.length === 0) return leastBusy;
    const picked = this.#bestPrefixMatch(replicas, blocks, leastBusy, policy.slots);
    this.#prefixIndexOf(picked).add(blocks);
    return picked;
  }

  /** Picks the least loaded replica; equally loaded replicas take turns (round robin). */
  #leastBusy<R extends RoutableReplica>(replicas: readonly R[]): R {
    const first = this.#nextFirst++ % replicas.length;
    let best = replicas[first]!;
    for (let i = 1; i < replicas.length; i++) {
      const replica = replicas[(first + i) % replicas.length]!;
      if (replica.load < best.load) best = replica;
    }
    return best;
  }

  /** Picks the replica with the longest known prefix among those whose load is at most half its slots above the least busy one. */
  #bestPrefixMatch<R extends RoutableReplica>(
    replicas: readonly R[],
    blocks: readonly number[],
    leastBusy: R,
    slots: number,
  ): R {
    let best = leastBusy;
    let known = this.#prefixIndexOf(leastBusy).match(blocks);
    for (const replica of replicas) {
      if (replica.load - leastBusy.load > slots / 2) continue;
      const count = this.#prefixIndexOf(replica).match(blocks);
      if (count > known || (count === known && replica.load < best.load)) {
        best = replica;
        known = count;
      }
    }
    return best;
  }

  #prefixIndexOf({ engine }: RoutableReplica): PrefixIndex {
    let index = this.#prefixIndexes.get(engine!);
    if (index === undefined) {
      index = new PrefixIndex();
      this.#prefixIndexes.set(engine!, index);
    }
    return index;
  }
}

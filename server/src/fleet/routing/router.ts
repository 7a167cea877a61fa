import type { Engine } from "../../engine/engine.ts";
import { PrefixIndex, type PromptPrefix, prefixBlockHashes } from "./prefix-index.ts";
import { pickReplicaForSession, type ReplicaLoad } from "./session-affinity.ts";

/** What routing may take into account of a request. */
export interface RoutingHints {
  lora?: string | undefined;
  sessionKey?: string | undefined;
  promptPrefix?: PromptPrefix | undefined;
  /** Of those that wait, it comes after the others. */
  priority?: "low" | undefined;
}

export interface RoutableReplica extends ReplicaLoad {
  /** Not null while it may be routed to. */
  readonly engine: Engine | null;
}

export interface RouterPolicy {
  /** What a replica computes at the same time. */
  slots: number;
  /** Keep the requests with one session key together. */
  sessionAffinity: boolean;
}

/** Gives each request one of several replicas. */
export class Router {
  #nextFirst = 0;
  /** By engine: one that is started anew has forgotten its prompts. */
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

  /** Those that are equal take turns. */
  #leastBusy<R extends RoutableReplica>(replicas: readonly R[]): R {
    const first = this.#nextFirst++ % replicas.length;
    let best = replicas[first]!;
    for (let i = 1; i < replicas.length; i++) {
      const replica = replicas[(first + i) % replicas.length]!;
      if (replica.load < best.load) best = replica;
    }
    return best;
  }

  /** The replica that knows the most of the prompt, unless it is much busier than the least busy one. */
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
    let memory = this.#prefixIndexes.get(engine!);
    if (memory === undefined) {
      memory = new PrefixIndex();
      this.#prefixIndexes.set(engine!, memory);
    }
    return memory;
  }
}

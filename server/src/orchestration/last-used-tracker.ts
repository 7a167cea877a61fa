import type { DeployedModelStore } from "../control/deployed-models/service.ts";
import { type DeploymentStore, parseDeploymentName } from "../control/deployments/service.ts";
import type { LastUse } from "./route-table.ts";

/** Stores when deployed models and their deployments were used last. */
export class LastUsedTracker {
  /** By the full name of the deployed model. */
  readonly all = new Map<string, LastUse>();
  readonly #flushed = new Map<string, number>();
  readonly #deployedModels: Pick<DeployedModelStore, "touch">;
  readonly #deployments: Pick<DeploymentStore, "touch">;
  #flushing: Promise<void> | null = null;

  constructor(
    deployedModels: Pick<DeployedModelStore, "touch">,
    deployments: Pick<DeploymentStore, "touch">,
  ) {
    this.#deployedModels = deployedModels;
    this.#deployments = deployments;
  }

  /** Forgets deployed models that are not in `names`. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.all.keys()) {
      if (names.has(name)) continue;
      this.all.delete(name);
      this.#flushed.delete(name);
    }
  }

  /** Stores all new times. Concurrent calls share one run (singleflight). */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    for (const [name, { accountId, deployment, usedAtMs }] of this.all) {
      if (usedAtMs <= (this.#flushed.get(name) ?? 0)) continue;
      const usedAt = new Date(usedAtMs);
      await this.#deployedModels.touch(accountId, name.slice(name.lastIndexOf("/") + 1), usedAt);
      const key = deployment === null ? null : parseDeploymentName(deployment);
      if (key !== null) await this.#deployments.touch(key.accountId, key.id, usedAt);
      this.#flushed.set(name, usedAtMs);
    }
  }
}

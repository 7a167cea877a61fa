import { PLATFORM, type Principal } from "../control/accounts/service.ts";
import type { ModelInfo } from "../control/models/service.ts";
import type { Clock } from "../lib/clock.ts";

/** A changed display name or chat template of a model takes effect at most this late. */
const MAX_AGE_MS = 60_000;

/** Caches the descriptions of deployed models. */
export class ModelInfoCache {
  readonly #describe: (principal: Principal, name: string) => Promise<ModelInfo>;
  readonly #clock: Clock;
  readonly #cached = new Map<string, { info: ModelInfo; atMs: number }>();

  constructor(describe: (principal: Principal, name: string) => Promise<ModelInfo>, clock: Clock) {
    this.#describe = describe;
    this.#clock = clock;
  }

  /** Looks up new and outdated models, and forgets models that are not in `names`. A model that no longer exists has no entry. */
  async refresh(names: ReadonlySet<string>): Promise<void> {
    const nowMs = this.#clock.now();
    for (const name of this.#cached.keys()) if (!names.has(name)) this.#cached.delete(name);
    const stale = [...names].filter((name) => nowMs - (this.#cached.get(name)?.atMs ?? 0) >= MAX_AGE_MS);
    for (const name of stale) {
      // Access was checked when the model was deployed.
      const info = await this.#describe(PLATFORM, name).catch(() => null);
      if (info !== null) this.#cached.set(name, { info, atMs: nowMs });
    }
  }

  get(name: string): ModelInfo | undefined {
    return this.#cached.get(name)?.info;
  }

  /** The chat templates of the models that have one, by model. */
  chatTemplates(): Map<string, string> {
    const templates = [...this.#cached].flatMap(([name, { info }]) =>
      info.chatTemplate === null ? [] : [[name, info.chatTemplate] as const],
    );
    return new Map(templates);
  }
}

import { PLATFORM, type Principal } from "../control/accounts/service.ts";
import type { ModelInfo } from "../control/models/service.ts";
import type { Clock } from "../lib/clock.ts";

/** Owners change what a model is called or which chat template it brings; that late it is noticed. */
const MAX_AGE_MS = 60_000;

/** What is known of the models that are deployed. */
export class ModelInfoCache {
  readonly #describe: (principal: Principal, name: string) => Promise<ModelInfo>;
  readonly #clock: Clock;
  readonly #cached = new Map<string, { description: ModelInfo; atMs: number }>();

  constructor(describe: (principal: Principal, name: string) => Promise<ModelInfo>, clock: Clock) {
    this.#describe = describe;
    this.#clock = clock;
  }

  /** Looks up those of the models that are new or were looked up long ago. A model that is gone is left out. */
  async refresh(names: ReadonlySet<string>): Promise<void> {
    const nowMs = this.#clock.now();
    for (const name of this.#cached.keys()) if (!names.has(name)) this.#cached.delete(name);
    const stale = [...names].filter((name) => nowMs - (this.#cached.get(name)?.atMs ?? 0) >= MAX_AGE_MS);
    for (const name of stale) {
      // Whoever deployed a model was allowed to see it then, so that no further check is needed.
      const description = await this.#describe(PLATFORM, name).catch(() => null);
      if (description !== null) this.#cached.set(name, { description, atMs: nowMs });
    }
  }

  get(name: string): ModelInfo | undefined {
    return this.#cached.get(name)?.description;
  }

  /** By model, of those that bring one. */
  chatTemplates(): Map<string, string> {
    const templates = [...this.#cached].flatMap(([name, { description }]) =>
      description.chatTemplate === null ? [] : [[name, description.chatTemplate] as const],
    );
    return new Map(templates);
  }
}

import type { LoraSource } from "../../../engine/engine.ts";
import { EngineError } from "../../../engine/errors.ts";

export interface LoraRegistryOptions {
  /** Checks a file and loads it. Resolves to the LoRA's key. @throws EngineError `invalid` with a public message. */
  load(source: LoraSource): Promise<number>;
  /** Frees the LoRA with this key. */
  free(key: number): Promise<void>;
  /** Most LoRAs in memory, ≥ 0. */
  limit: number;
}

interface LoadedLora {
  source: LoraSource;
  loading: Promise<number>;
  /** Null while it is loading. */
  loadedKey: number | null;
  /** Running requests that use it. */
  users: number;
  unloaded: boolean;
}

/** LoRAs by id with a count of their users: an unloaded LoRA stays in memory until its last request ends. */
export class LoraRegistry {
  readonly #options: LoraRegistryOptions;
  readonly #byId = new Map<string, LoadedLora>();
  readonly #inMemory = new Set<LoadedLora>();
  readonly #byRequest = new Map<number, LoadedLora>();

  constructor(options: LoraRegistryOptions) {
    this.#options = options;
  }

  /** @throws EngineError `invalid` for a bad file or an id in use for another one; `overloaded` at the limit. */
  async load(source: LoraSource): Promise<void> {
    const known = this.#byId.get(source.id);
    if (known !== undefined) {
      const { path, scale = 1 } = known.source;
      if (path !== source.path || scale !== (source.scale ?? 1)) {
        throw new EngineError("invalid", `Another LoRA is loaded as "${source.id}".`);
      }
      await known.loading;
      return;
    }
    const { limit } = this.#options;
    if (this.#inMemory.size >= limit) {
      throw new EngineError("overloaded", `The engine already holds ${limit} LoRAs, the most it can.`);
    }
    const loaded: LoadedLora = {
      source,
      loading: this.#options.load(source),
      loadedKey: null,
      users: 0,
      unloaded: false,
    };
    this.#byId.set(source.id, loaded);
    this.#inMemory.add(loaded);
    try {
      loaded.loadedKey = await loaded.loading;
    } catch (error) {
      this.#inMemory.delete(loaded);
      if (this.#byId.get(source.id) === loaded) this.#byId.delete(source.id);
      throw error;
    }
    await this.#freeUnused(loaded);
  }

  /** New requests can't use the LoRA from now on. Its memory is freed when the last running request has ended. */
  async unload(id: string): Promise<void> {
    const loaded = this.#byId.get(id);
    if (loaded === undefined) return;
    this.#byId.delete(id);
    loaded.unloaded = true;
    await this.#freeUnused(loaded);
  }

  /** Counts a request as a user and returns the LoRA's key. The caller must `release` it. @throws EngineError `invalid`. */
  acquire(request: number, id: string): number {
    const loaded = this.#byId.get(id);
    if (loaded === undefined || loaded.loadedKey === null) {
      throw new EngineError("invalid", `No LoRA "${id}" is loaded.`);
    }
    loaded.users++;
    this.#byRequest.set(request, loaded);
    return loaded.loadedKey;
  }

  /** Ends the request's use. Ignores requests without a LoRA. */
  release(request: number): void {
    const loaded = this.#byRequest.get(request);
    if (loaded === undefined) return;
    this.#byRequest.delete(request);
    loaded.users--;
    this.#freeUnused(loaded).catch(() => {});
  }

  async #freeUnused(loaded: LoadedLora): Promise<void> {
    const { users, unloaded, loadedKey } = loaded;
    if (users > 0 || !unloaded || loadedKey === null || !this.#inMemory.has(loaded)) return;
    this.#inMemory.delete(loaded);
    await this.#options.free(loadedKey);
  }
}

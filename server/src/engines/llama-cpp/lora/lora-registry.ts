import type { LoraSource } from "../../../engine/engine.ts";
import { EngineError } from "../../../engine/errors.ts";

export interface LoraRegistryOptions {
  /** Checks a file and loads it. @throws EngineError `invalid` with a public message. */
  load(source: LoraSource): Promise<number>;
  /** Frees what `load` gave. */
  free(key: number): Promise<void>;
  /** Most adapters in memory. */
  limit: number;
}

interface LoadedLora {
  source: LoraSource;
  loading: Promise<number>;
  /** Set when it is loaded. */
  loadedKey: number | null;
  /** Requests that run with it. */
  users: number;
  unloaded: boolean;
}

/** The adapters by the ids they were given, and who uses them: one that is unloaded stays until its last request ends. */
export class LoraRegistry {
  readonly #options: LoraRegistryOptions;
  readonly #byId = new Map<string, LoadedLora>();
  readonly #inMemory = new Set<LoadedLora>();
  readonly #byRequest = new Map<number, LoadedLora>();

  constructor(options: LoraRegistryOptions) {
    this.#options = options;
  }

  /** @throws EngineError: `invalid`: the file, or its id has another; `overloaded`: there are too many. */
  async load(source: LoraSource): Promise<void> {
    const known = this.#byId.get(source.id);
    if (known !== undefined) {
      const { path, scale = 1 } = known.source;
      if (path !== source.path || scale !== (source.scale ?? 1)) {
        throw new EngineError("invalid", `Another adapter is loaded as "${source.id}".`);
      }
      await known.loading;
      return;
    }
    const { limit } = this.#options;
    if (this.#inMemory.size >= limit) {
      throw new EngineError("overloaded", `The engine holds at most ${limit} adapters, and has as many.`);
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

  /** Resolves when no new request gets it; its memory is freed when the last that has it is over. */
  async unload(id: string): Promise<void> {
    const loaded = this.#byId.get(id);
    if (loaded === undefined) return;
    this.#byId.delete(id);
    loaded.unloaded = true;
    await this.#freeUnused(loaded);
  }

  /** A request begins. Gives its adapter's key; every `enter` that succeeds is followed by a `leave`. @throws EngineError. */
  acquire(request: number, id: string): number {
    const loaded = this.#byId.get(id);
    if (loaded === undefined || loaded.loadedKey === null) {
      throw new EngineError("invalid", `No adapter "${id}" is loaded.`);
    }
    loaded.users++;
    this.#byRequest.set(request, loaded);
    return loaded.loadedKey;
  }

  /** The request is over, if it had an adapter. */
  release(request: number): void {
    const loaded = this.#byRequest.get(request);
    if (loaded === undefined) return;
    this.#byRequest.delete(request);
    loaded.users--;
    this.#freeUnused(loaded).catch(() => {});
  }

  async #freeUnused(loaded: LoadedLora): Promise<void> {
    const { users, unloaded, loadedKey: loadedAs } = loaded;
    if (users > 0 || !unloaded || loadedAs === null || !this.#inMemory.has(loaded)) return;
    this.#inMemory.delete(loaded);
    await this.#options.free(loadedAs);
  }
}

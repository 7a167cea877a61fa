import { type Engine, EngineError } from "../engine/port.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { backoffMs } from "./backoff.ts";
import type { AdapterSpec } from "./spec.ts";
import { reasonOf } from "./weights/errors.ts";

export interface AdapterStatus {
  /** `loaded`: by at least one replica, or by the last that ran. */
  state: "loading" | "loaded" | "failed";
  /** Why it failed, safe to show; else null. */
  message: string | null;
}

export interface AdaptersOptions {
  clock: Clock;
  /** 0–1, for the jitter of retries. */
  random: () => number;
  log: Log;
  /** Called when an adapter is loaded, has failed or is gone. */
  onChange: () => void;
}

/** Adapters fetched or loaded at the same time for one replica. */
const MAX_BUSY = 4;
const RETRY = { baseMs: 5_000, capMs: 60_000 };

/** An adapter that should be on every replica. */
class Wanted {
  readonly spec: AdapterSpec;
  readonly gone = new AbortController();
  status: AdapterStatus = { state: "loading", message: null };
  failures = 0;
  /** A failure is final for this file, or has a retry coming. */
  isHeld = false;
  cancelRetry = () => {};
  #path: Promise<string> | null = null;

  constructor(spec: AdapterSpec) {
    this.spec = spec;
  }

  /** Fetched once for all replicas; again after a failure. */
  fetch(): Promise<string> {
    this.#path ??= this.spec
      .fetch(this.gone.signal, () => {})
      .catch((error) => {
        this.#path = null;
        throw error;
      });
    return this.#path;
  }
}

/** What one engine has. */
interface Holding {
  loaded: Set<string>;
  busy: Set<string>;
}

/** Brings the adapters of a deployment onto each of its engines. A failure is kept with its adapter and harms no other. */
export class Adapters {
  readonly #options: AdaptersOptions;
  readonly #wanted = new Map<string, Wanted>();
  /** By engine: one that is started anew has none. */
  readonly #holdings = new WeakMap<Engine, Holding>();
  #engines: readonly Engine[] = [];

  constructor(options: AdaptersOptions) {
    this.#options = options;
  }

  /** The adapters that every engine should have from now on. True when some are new. */
  want(specs: readonly AdapterSpec[]): boolean {
    const ids = new Set(specs.map((spec) => spec.id));
    for (const [id, wanted] of this.#wanted) {
      if (ids.has(id)) continue;
      wanted.gone.abort();
      wanted.cancelRetry();
      this.#wanted.delete(id);
    }
    const added = specs.filter((spec) => !this.#wanted.has(spec.id));
    for (const spec of added) this.#wanted.set(spec.id, new Wanted(spec));
    this.#syncAll();
    return added.length > 0;
  }

  /** Gives those that failed another chance: the engine will be another one. */
  forgive(): void {
    for (const wanted of this.#wanted.values()) {
      wanted.cancelRetry();
      wanted.isHeld = false;
      wanted.failures = 0;
      if (wanted.status.state === "failed") wanted.status = { state: "loading", message: null };
    }
  }

  /** The engines that serve now. */
  attach(engines: readonly Engine[]): void {
    this.#engines = engines;
    this.#syncAll();
  }

  isLoaded(engine: Engine, id: string): boolean {
    return this.#holdings.get(engine)?.loaded.has(id) === true && this.#wanted.has(id);
  }

  /** @throws AppError FAILED_PRECONDITION when no replica will have it. */
  check(id: string): void {
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) throw new AppError("FAILED_PRECONDITION", `${id} is not loaded here.`);
    const { state, message } = wanted.status;
    if (state === "failed")
      throw new AppError("FAILED_PRECONDITION", `${id} could not be loaded: ${message}`);
  }

  statuses(): Record<string, AdapterStatus> {
    return Object.fromEntries([...this.#wanted].map(([id, { status }]) => [id, status]));
  }

  close(): void {
    this.#engines = [];
    this.want([]);
  }

  #syncAll(): void {
    for (const engine of this.#engines) this.#sync(engine);
  }

  #sync(engine: Engine): void {
    const holding = this.#holdings.get(engine) ?? { loaded: new Set(), busy: new Set() };
    this.#holdings.set(engine, holding);
    const run = (id: string, work: Promise<void>) => {
      holding.busy.add(id);
      void work.finally(() => {
        holding.busy.delete(id);
        this.#options.onChange();
        if (this.#engines.includes(engine)) this.#sync(engine);
      });
    };
    for (const id of holding.loaded) {
      if (!this.#wanted.has(id) && !holding.busy.has(id)) run(id, this.#unload(engine, holding, id));
    }
    for (const [id, wanted] of this.#wanted) {
      if (holding.busy.size >= MAX_BUSY) return;
      if (holding.busy.has(id) || wanted.isHeld) continue;
      if (holding.loaded.has(id)) {
        wanted.status = { state: "loaded", message: null };
        continue;
      }
      run(id, this.#load(engine, holding, wanted));
    }
  }

  async #load(engine: Engine, holding: Holding, wanted: Wanted): Promise<void> {
    const { id, scale } = wanted.spec;
    try {
      if (engine.loadLora === undefined) {
        throw new EngineError("unsupported", "The engine of this model takes no adapters.");
      }
      const path = await wanted.fetch();
      if (wanted.gone.signal.aborted) return;
      await engine.loadLora({ id, path, ...(scale === undefined ? {} : { scale }) });
      holding.loaded.add(id);
      wanted.status = { state: "loaded", message: null };
      wanted.failures = 0;
    } catch (error) {
      if (!wanted.gone.signal.aborted) this.#fail(wanted, error);
    }
  }

  async #unload(engine: Engine, holding: Holding, id: string): Promise<void> {
    try {
      await engine.unloadLora?.(id);
    } catch (error) {
      this.#options.log.error({ adapter: id, reason: reasonOf(error) }, "adapter not unloaded");
    }
    holding.loaded.delete(id);
  }

  #fail(wanted: Wanted, error: unknown): void {
    const { clock, random, log } = this.#options;
    log.error({ adapter: wanted.spec.id, reason: reasonOf(error) }, "adapter failed");
    // An engine that is gone says nothing about the adapter, nor does a failure what another replica has done.
    const isVerdict = !(error instanceof EngineError && error.retryable);
    if (isVerdict && wanted.status.state !== "loaded") {
      const isPublic = error instanceof EngineError || error instanceof AppError;
      wanted.status = { state: "failed", message: isPublic ? error.message : "The adapter can't be had." };
    }
    wanted.isHeld = true;
    if (isFinal(error)) return;
    wanted.cancelRetry = clock.after(backoffMs(++wanted.failures, RETRY, random()), () => {
      wanted.isHeld = false;
      this.#syncAll();
    });
  }
}

/** The file itself is at fault: trying it again changes nothing. */
function isFinal(error: unknown): boolean {
  if (error instanceof EngineError) return error.code === "invalid" || error.code === "unsupported";
  return error instanceof AppError && error.status < 500;
}

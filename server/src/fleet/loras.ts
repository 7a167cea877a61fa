import type { Engine } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { backoffMs } from "./backoff.ts";
import type { LoraSpec } from "./spec.ts";
import { errorReason } from "./weights/errors.ts";

export interface LoraStatus {
  /** `loaded`: by at least one running replica or, when none runs, by the last one. */
  state: "loading" | "loaded" | "failed";
  /** Why it failed, in public words; else null. */
  message: string | null;
}

export interface DeploymentLorasOptions {
  clock: Clock;
  /** 0–1, for the jitter of retries. */
  random: () => number;
  log: Log;
  /** Called when a LoRA was loaded, has failed or was unloaded. */
  onChange: () => void;
}

/** LoRAs fetched or loaded at the same time for one replica. */
const MAX_CONCURRENT_LOADS = 4;
const RETRY = { baseMs: 5_000, capMs: 60_000 };

/** A LoRA that every replica should have. */
class DesiredLora {
  readonly spec: LoraSpec;
  readonly removed = new AbortController();
  status: LoraStatus = { state: "loading", message: null };
  failures = 0;
  /** Whether it is not loaded for now: its failure is final for this file, or a retry is scheduled. */
  isOnHold = false;
  cancelRetry = () => {};
  #path: Promise<string> | null = null;

  constructor(spec: LoraSpec) {
    this.spec = spec;
  }

  /** Fetches the file once for all replicas, and again after a failure. */
  fetch(): Promise<string> {
    this.#path ??= this.spec
      .fetch(this.removed.signal, () => {})
      .catch((error) => {
        this.#path = null;
        throw error;
      });
    return this.#path;
  }
}

/** The LoRAs of one engine. */
interface EngineLoras {
  loaded: Set<string>;
  pending: Set<string>;
}

/** Loads the LoRAs of a deployment on each of its engines. The failure of one LoRA harms no other. */
export class DeploymentLoras {
  readonly #options: DeploymentLorasOptions;
  readonly #desired = new Map<string, DesiredLora>();
  /** By engine, because a restarted engine has no LoRAs. */
  readonly #byEngine = new WeakMap<Engine, EngineLoras>();
  #engines: readonly Engine[] = [];

  constructor(options: DeploymentLorasOptions) {
    this.#options = options;
  }

  /** Sets the LoRAs that every engine should have. Returns whether some are new. */
  setDesired(specs: readonly LoraSpec[]): boolean {
    const ids = new Set(specs.map((spec) => spec.id));
    for (const [id, wanted] of this.#desired) {
      if (ids.has(id)) continue;
      wanted.removed.abort();
      wanted.cancelRetry();
      this.#desired.delete(id);
    }
    const added = specs.filter((spec) => !this.#desired.has(spec.id));
    for (const spec of added) this.#desired.set(spec.id, new DesiredLora(spec));
    this.#syncAll();
    return added.length > 0;
  }

  /** Tries failed LoRAs again, because a new revision may run another engine. */
  resetFailures(): void {
    for (const wanted of this.#desired.values()) {
      wanted.cancelRetry();
      wanted.isOnHold = false;
      wanted.failures = 0;
      if (wanted.status.state === "failed") wanted.status = { state: "loading", message: null };
    }
  }

  /** The engines that serve now. */
  setEngines(engines: readonly Engine[]): void {
    this.#engines = engines;
    this.#syncAll();
  }

  isLoaded(engine: Engine, id: string): boolean {
    return this.#byEngine.get(engine)?.loaded.has(id) === true && this.#desired.has(id);
  }

  /** @throws AppError FAILED_PRECONDITION when the LoRA is unknown or its file can't be loaded. */
  assertAvailable(id: string): void {
    const wanted = this.#desired.get(id);
    if (wanted === undefined) throw new AppError("FAILED_PRECONDITION", `${id} is not loaded here.`);
    const { state, message } = wanted.status;
    if (state === "failed")
      throw new AppError("FAILED_PRECONDITION", `${id} could not be loaded: ${message}`);
  }

  statuses(): Record<string, LoraStatus> {
    return Object.fromEntries([...this.#desired].map(([id, { status }]) => [id, status]));
  }

  close(): void {
    this.#engines = [];
    this.setDesired([]);
  }

  #syncAll(): void {
    for (const engine of this.#engines) this.#sync(engine);
  }

  #sync(engine: Engine): void {
    const holding = this.#byEngine.get(engine) ?? { loaded: new Set(), pending: new Set() };
    this.#byEngine.set(engine, holding);
    const run = (id: string, work: Promise<void>) => {
      holding.pending.add(id);
      void work.finally(() => {
        holding.pending.delete(id);
        this.#options.onChange();
        if (this.#engines.includes(engine)) this.#sync(engine);
      });
    };
    for (const id of holding.loaded) {
      if (!this.#desired.has(id) && !holding.pending.has(id)) run(id, this.#unload(engine, holding, id));
    }
    for (const [id, wanted] of this.#desired) {
      if (holding.pending.size >= MAX_CONCURRENT_LOADS) return;
      if (holding.pending.has(id) || wanted.isOnHold) continue;
      if (holding.loaded.has(id)) {
        wanted.status = { state: "loaded", message: null };
        continue;
      }
      run(id, this.#load(engine, holding, wanted));
    }
  }

  async #load(engine: Engine, holding: EngineLoras, wanted: DesiredLora): Promise<void> {
    const { id, scale } = wanted.spec;
    try {
      if (engine.loadLora === undefined) {
        throw new EngineError("unsupported", "The engine of this model does not support LoRAs.");
      }
      const path = await wanted.fetch();
      if (wanted.removed.signal.aborted) return;
      await engine.loadLora({ id, path, ...(scale === undefined ? {} : { scale }) });
      holding.loaded.add(id);
      wanted.status = { state: "loaded", message: null };
      wanted.failures = 0;
    } catch (error) {
      if (!wanted.removed.signal.aborted) this.#fail(wanted, error);
    }
  }

  async #unload(engine: Engine, holding: EngineLoras, id: string): Promise<void> {
    try {
      await engine.unloadLora?.(id);
    } catch (error) {
      this.#options.log.error({ lora: id, reason: errorReason(error) }, "A LoRA could not be unloaded");
    }
    holding.loaded.delete(id);
  }

  #fail(wanted: DesiredLora, error: unknown): void {
    const { clock, random, log } = this.#options;
    log.error({ lora: wanted.spec.id, reason: errorReason(error) }, "A LoRA could not be loaded");
    // The end of an engine says nothing about the LoRA, and a LoRA that another replica has loaded is not broken.
    const isAboutLora = !(error instanceof EngineError && error.retryable);
    if (isAboutLora && wanted.status.state !== "loaded") {
      const isPublic = error instanceof EngineError || error instanceof AppError;
      wanted.status = {
        state: "failed",
        message: isPublic ? error.message : "The LoRA can't be fetched or loaded.",
      };
    }
    wanted.isOnHold = true;
    if (isFinal(error)) return;
    wanted.cancelRetry = clock.after(backoffMs(++wanted.failures, RETRY, random()), () => {
      wanted.isOnHold = false;
      this.#syncAll();
    });
  }
}

/** Whether the file itself is at fault, so that a retry changes nothing. */
function isFinal(error: unknown): boolean {
  if (error instanceof EngineError) return error.code === "invalid" || error.code === "unsupported";
  return error instanceof AppError && error.status < 500;
}

import { stat } from "node:fs/promises";
import type { Engine } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type { DeviceAllocator, DeviceLease, PlacementProblem } from "./device-allocator.ts";
import { createLauncher, type Launch, type LaunchOptions } from "./launch.ts";
import type { MemoryAllocator, MemoryLease } from "./memory-allocator.ts";
import type { CommandEngine, DeploymentSpec, ProcessEngine } from "./spec.ts";
import type { Boot, RunningEngine, StartupPhase } from "./types.ts";
import { ensureWeights, type WeightsProgress } from "./weights/ensure-weights.ts";

export interface BootOptions extends LaunchOptions {
  /** Where weights are kept: outside the data folder, shared by every server of the user. */
  cacheDir: string;
  /** Base address of the hub that `hf:` sources mean. */
  hubEndpoint: string;
  deviceAllocator: DeviceAllocator;
  memoryAllocator: MemoryAllocator;
  onProgress: (model: string, progress: WeightsProgress) => void;
  /** Starts processes. Default: `createLauncher`. */
  launcher?: (engine: ProcessEngine | CommandEngine, options: LaunchOptions) => Launch;
}

type OnPhase = (phase: StartupPhase) => void;

/**
 * How a replica of a spec is started: accelerators, weights, memory, process, model, in this order. Accelerators and memory
 * are released when the engine has ended.
 */
export function bootOf(spec: DeploymentSpec, options: BootOptions): Boot {
  const { engine, accelerators = null } = spec;
  if ("attach" in engine) return attachedBoot(() => engine.attach());
  const { deviceAllocator, memoryAllocator, launcher = createLauncher } = options;
  const launch = launcher(engine, options);
  return async (signal, onPhase) => {
    const shortage = accelerators === null ? null : deviceAllocator.shortage(accelerators);
    if (shortage !== null) await waitUnplaceable(shortage, signal, onPhase);
    const lease = await deviceAllocator.acquire(accelerators, signal, (problem) =>
      onPhase({ step: "pending", ...problem }),
    );
    let memory: MemoryLease | null = null;
    try {
      onPhase({ step: "initializing", message: "The model is starting." });
      const path = await fetchWeights(spec.model, engine.weights, options, signal, onPhase);
      const sizeBytes = path === null ? 0 : await sizeOf(path);
      const memoryShortage = shortageOfMemory(sizeBytes, deviceAllocator);
      if (memoryShortage !== null) {
        lease.release();
        await waitUnplaceable(memoryShortage, signal, onPhase);
      }
      // With accelerators the weights are in the accelerators' memory.
      if (path !== null && accelerators === null) {
        memory = await memoryAllocator.acquire({ path, sizeBytes }, signal, (freeBytes) =>
          onPhase({
            step: "pending",
            message: `Waiting for ${inGb(sizeBytes)} of memory; ${inGb(freeBytes)} of this host's are free.`,
          }),
        );
      }
      signal.throwIfAborted();
      onPhase({ step: "initializing", message: "The model is being loaded." });
      return releaseOnStop(await launch(path, lease.env, signal), [lease, memory]);
    } catch (error) {
      lease.release();
      memory?.release();
      throw error;
    }
  };
}

/** Connects to an engine that the platform does not run. */
function attachedBoot(open: () => Engine): Boot {
  return async () => {
    const engine = open();
    try {
      await engine.health();
    } catch (error) {
      await engine.close();
      throw new EngineError("unavailable", "The model's server does not answer.", error);
    }
    const stop = async () => {
      await engine.close();
      return null;
    };
    return { engine, pid: null, lost: new Promise(() => {}), outputTail: () => [], stop };
  };
}

/**
 * Waits until the signal aborts: a host never gains devices or memory, so only another spec ends the wait.
 * @throws the signal's reason.
 */
function waitUnplaceable(problem: PlacementProblem, signal: AbortSignal, onPhase: OnPhase): Promise<never> {
  onPhase({ step: "unplaceable", ...problem });
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Fetches the weights to this host and returns their path; null for an engine without weights. */
async function fetchWeights(
  model: string,
  weights: ProcessEngine["weights"],
  { cacheDir, hubEndpoint, env, log, clock, onProgress }: BootOptions,
  signal: AbortSignal,
  onPhase: OnPhase,
): Promise<string | null> {
  if (weights === null) return null;
  const onDownloading = (message: string) => onPhase({ step: "downloading", message });
  if ("fetch" in weights) return weights.fetch(signal, onDownloading);
  const { path } = await ensureWeights(weights, {
    cacheDir,
    hubEndpoint,
    env,
    log,
    clock,
    signal,
    onProgress(progress) {
      const percent = Math.floor((progress.receivedBytes / progress.totalBytes) * 100);
      onDownloading(`The model's weights are being fetched: ${percent} % so far.`);
      onProgress(model, progress);
    },
  });
  return path;
}

/**
 * Why this host can never hold the weights; null when it can. Weights larger than the memory would
 * make the whole machine swap.
 */
function shortageOfMemory(sizeBytes: number, deviceAllocator: DeviceAllocator): PlacementProblem | null {
  const { memoryBytes } = deviceAllocator.status();
  if (sizeBytes <= memoryBytes) return null;
  const need = `The model needs more than ${inGb(sizeBytes)} of memory`;
  return {
    message: `${need}; this host has ${inGb(memoryBytes)}.`,
    requestMessage: `${need}, which this host lacks.`,
  };
}

/** Size of a file in bytes; 0 when the file can't be read, because the engine then reports the reason. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

function inGb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** The engine, which gives back what it holds when it has been stopped. */
function releaseOnStop(
  running: RunningEngine,
  leases: readonly (DeviceLease | MemoryLease | null)[],
): RunningEngine {
  return {
    ...running,
    async stop(graceMs) {
      const exit = await running.stop(graceMs);
      for (const lease of leases) lease?.release();
      return exit;
    },
  };
}

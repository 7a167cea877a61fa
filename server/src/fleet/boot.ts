import { stat } from "node:fs/promises";
import type { Engine } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import { AppError } from "../lib/errors.ts";
import type { DeviceAllocator, DeviceLease } from "./device-allocator.ts";
import { createLauncher, type LaunchOptions } from "./launch.ts";
import type { Boot, RunningEngine, StartupPhase } from "./replica.ts";
import type { Accelerators, DeploymentSpec, Fetchable } from "./spec.ts";
import { ensureWeights, type Weights, type WeightsProgress } from "./weights/ensure-weights.ts";

export interface BootOptions extends LaunchOptions {
  /** For weights: outside the data folder, shared by every server of the user. */
  cacheDir: string;
  /** Base address of the hub that `hf:` sources mean. */
  hubEndpoint: string;
  deviceAllocator: DeviceAllocator;
  onProgress: (model: string, progress: WeightsProgress) => void;
}

type OnPhase = (phase: StartupPhase) => void;

/**
 * How a replica of a spec is brought up: accelerators, weights, process, model, in this order. The accelerators are given
 * back when it has ended.
 */
export function bootOf(spec: DeploymentSpec, options: BootOptions): Boot {
  const { engine, accelerators = null } = spec;
  if ("attach" in engine) return attachedBoot(() => engine.attach());
  const launch = createLauncher(engine, options);
  return async (signal, onPhase) => {
    const grant = await acquireDevices(accelerators, options.deviceAllocator, signal, onPhase);
    try {
      onPhase({ step: "initializing", message: "The model is starting." });
      const path = await fetchWeights(spec.model, engine.weights, options, signal, onPhase);
      if (path !== null) await checkMemory(path, options.deviceAllocator);
      signal.throwIfAborted();
      onPhase({ step: "initializing", message: "The model is being loaded." });
      return releaseOnStop(await launch(path, grant.env, signal), grant);
    } catch (error) {
      grant.release();
      throw error;
    }
  };
}

/** An engine that somebody else runs. */
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
      return "detached";
    };
    return { engine, pid: null, lost: new Promise(() => {}), stop };
  };
}

/** Waits for the accelerators, for ever where this host can't have them: only another spec helps. */
async function acquireDevices(
  accelerators: Accelerators | null,
  inventory: DeviceAllocator,
  signal: AbortSignal,
  onPhase: OnPhase,
): Promise<DeviceLease> {
  const lack = accelerators === null ? null : inventory.shortage(accelerators);
  if (lack !== null) {
    onPhase({ step: "unplaceable", message: lack });
    await new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }
  return inventory.acquire(accelerators, signal, (message) => onPhase({ step: "pending", message }));
}

async function fetchWeights(
  model: string,
  weights: Fetchable | Weights | null,
  { cacheDir, hubEndpoint, env, log, clock, onProgress }: BootOptions,
  signal: AbortSignal,
  onPhase: OnPhase,
): Promise<string | null> {
  if (weights === null) return null;
  const tell = (message: string) => onPhase({ step: "downloading", message });
  if ("fetch" in weights) return weights.fetch(signal, tell);
  const { path } = await ensureWeights(weights, {
    ...{ cacheDir, hubEndpoint, env, log, clock, signal },
    onProgress(progress) {
      const percent = Math.floor((progress.receivedBytes / progress.totalBytes) * 100);
      tell(`The model's weights are being fetched: ${percent} % so far.`);
      onProgress(model, progress);
    },
  });
  return path;
}

/** A file of weights larger than the memory would only make the whole machine crawl. */
async function checkMemory(path: string, inventory: DeviceAllocator): Promise<void> {
  const { memoryBytes } = inventory.status();
  const stats = await stat(path).catch(() => null);
  if (stats === null || stats.size <= memoryBytes) return;
  const inGb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const message = `The model needs more than ${inGb(stats.size)} of memory; this host has ${inGb(memoryBytes)}.`;
  throw new AppError("FAILED_PRECONDITION", message);
}

function releaseOnStop(running: RunningEngine, grant: DeviceLease): RunningEngine {
  return {
    ...running,
    async stop(graceMs) {
      const reason = await running.stop(graceMs);
      grant.release();
      return reason;
    },
  };
}

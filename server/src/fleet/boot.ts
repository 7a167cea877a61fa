import { type Engine, EngineError, type ProcessEngineKind } from "../engine/port.ts";
import type { Clock } from "../lib/clock.ts";
import { type LocalProcess, launchLocalProcess } from "./launchers/local-process.ts";
import type { Boot, Running } from "./replica.ts";
import { ensureWeights, type Weights, type WeightsOptions, type WeightsProgress } from "./weights/ensure.ts";

export interface ProcessBootOptions {
  kind: ProcessEngineKind<never>;
  /** The kind's options, once the weights lie at `weightsPath`; null for a model without weights. */
  options: (weightsPath: string | null) => unknown;
  weights: Weights | null;
  weightsOptions: Omit<WeightsOptions, "signal" | "onProgress"> & { clock: Clock };
  onProgress: (progress: WeightsProgress) => void;
  /** Longest time from the start of the process to the loaded model. */
  loadTimeoutMs: number;
}

/** Gets the weights, starts the process, loads the model. */
export function processBoot(boot: ProcessBootOptions): Boot {
  const { kind, weights, weightsOptions } = boot;
  return async (signal, onPhase) => {
    let path: string | null = null;
    if (weights !== null) {
      const onProgress = (progress: WeightsProgress) => {
        const percent = Math.floor((progress.receivedBytes / progress.totalBytes) * 100);
        onPhase(`The model's weights are being fetched: ${percent} % so far.`);
        boot.onProgress(progress);
      };
      ({ path } = await ensureWeights(weights, { ...weightsOptions, signal, onProgress }));
    }
    signal.throwIfAborted();
    onPhase("The model is being loaded.");
    const child = launchLocalProcess(kind, weightsOptions);
    try {
      const engine = await loaded(
        child,
        kind.connect(child.channel, boot.options(path) as never),
        boot,
        signal,
      );
      return running(child, engine);
    } catch (error) {
      await child.stop(0);
      throw error;
    }
  };
}

/** An engine that somebody else runs: always there, its failures are told by each request. */
export function attachedBoot(open: () => Engine): Boot {
  return async () => {
    const engine = open();
    const stop = async () => {
      await engine.close();
      return "detached";
    };
    return { engine, pid: null, lost: new Promise(() => {}), stop };
  };
}

/** Waits for the hand-shake, but not longer than the process, the time and the wish for it last. */
async function loaded(
  child: LocalProcess,
  connecting: Promise<Engine>,
  boot: ProcessBootOptions,
  signal: AbortSignal,
): Promise<Engine> {
  let onAbort = () => {};
  let cancel = () => {};
  const given = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timeout = () => reject(new EngineError("timeout", "The model took too long to load."));
    cancel = boot.weightsOptions.clock.after(boot.loadTimeoutMs, timeout);
    child.exited.then((reason) => {
      reject(new EngineError("unavailable", "The model's engine ended while loading.", new Error(reason)));
    });
  });
  try {
    return await Promise.race([connecting, given]);
  } finally {
    cancel();
    signal.removeEventListener("abort", onAbort);
  }
}

function running(child: LocalProcess, engine: Engine): Running {
  return {
    engine,
    pid: child.pid ?? null,
    lost: new Promise((resolve) => child.channel.onClose(() => resolve())),
    async stop(graceMs) {
      await child.stop(graceMs);
      return child.exited;
    },
  };
}

import type { Engine } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type { ProcessEngineKind } from "../engine/process.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { EngineStartError } from "./failure.ts";
import { launchCommand, releasePort, reservePort } from "./launchers/command-process.ts";
import { fillCommandTemplate } from "./launchers/command-template.ts";
import { launchLocalProcess } from "./launchers/local-process.ts";
import type { ProcessExit } from "./launchers/process-exit.ts";
import { readProcessUse } from "./launchers/process-use.ts";
import type { CommandEngine, ProcessEngine } from "./spec.ts";
import type { RunningEngine } from "./types.ts";

/** Opens an engine on an OpenAI-compatible server. */
export type OpenServer = (options: {
  baseUrl: string;
  upstreamModel: string;
  features?: readonly string[];
  contextLength?: number;
}) => Engine;

export interface LaunchOptions {
  kinds: Readonly<Record<string, ProcessEngineKind<never>>>;
  openServer: OpenServer;
  /** The server's environment; `childEnv` picks the variables that engines get. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  clock: Clock;
  /** Longest time from the start of a process to its loaded model. */
  loadTimeoutMs: number;
}

/** Starts a process and waits until its engine serves. @param env variables added to the process's environment. */
export type Launch = (
  path: string | null,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<RunningEngine>;

const HEALTH_POLL_MS = 200;

export function createLauncher(engine: ProcessEngine | CommandEngine, options: LaunchOptions): Launch {
  return "kind" in engine ? processLauncher(engine, options) : commandLauncher(engine, options);
}

/** Launches a process that speaks through a message channel. */
function processLauncher(engine: ProcessEngine, options: LaunchOptions): Launch {
  const kind = options.kinds[engine.kind]!;
  return async (path, env, signal) => {
    const child = launchLocalProcess({ ...kind, env: { ...kind.env, ...env } }, options);
    let hasEnded = false;
    child.channel.onClose(() => {
      hasEnded = true;
    });
    try {
      const connecting = kind.connect(child.channel, engine.options(path) as never);
      return {
        engine: await waitUntilLoaded(connecting, child.exited, options, signal),
        pid: child.pid ?? null,
        readUse: () => (child.pid === undefined ? null : readProcessUse(child.pid)),
        lost: new Promise((resolve) => child.channel.onClose(() => resolve())),
        outputTail: child.outputTail,
        async stop(graceMs) {
          await child.stop(graceMs);
          return child.exited;
        },
      };
    } catch (error) {
      // An exit that our own SIGKILL causes is not the reason of the failure.
      const endedByItself = hasEnded;
      await child.stop(0);
      throw startError(error, endedByItself ? await child.exited : null, child.outputTail());
    }
  };
}

/** Launches a program that serves the OpenAI API on a port. */
function commandLauncher(command: CommandEngine, options: LaunchOptions): Launch {
  const { upstreamModel, features, contextLength } = command;
  const { clock, openServer } = options;
  return async (path, extraEnv, signal) => {
    const port = await reservePort();
    const argv = fillCommandTemplate(command.command, {
      port: String(port),
      model: path,
      name: upstreamModel,
    });
    const child = launchCommand(argv, { ...options, extraEnv });
    void child.exited.then(() => releasePort(port));
    const engine = openServer({
      baseUrl: `http://127.0.0.1:${port}/v1`,
      upstreamModel,
      ...(features === undefined ? {} : { features }),
      ...(contextLength === undefined ? {} : { contextLength }),
    });
    let exit = null as ProcessExit | null;
    void child.exited.then((ended) => {
      exit = ended;
    });
    const polling = new AbortController();
    try {
      await waitUntilLoaded(waitUntilHealthy(engine, clock, polling.signal), child.exited, options, signal);
      child.stopRecordingOutput();
      return {
        engine,
        pid: child.pid ?? null,
        readUse: () => (child.pid === undefined ? null : readProcessUse(child.pid)),
        lost: child.exited.then(() => {}),
        outputTail: child.outputTail,
        async stop(graceMs) {
          await child.stop(graceMs);
          return child.exited;
        },
      };
    } catch (error) {
      polling.abort();
      const exitByItself = exit;
      await Promise.all([engine.close(), child.stop(0)]);
      throw startError(error, exitByItself, child.outputTail());
    }
  };
}

/** Adds the process's exit and the end of its output to the error. */
function startError(error: unknown, exit: ProcessExit | null, outputTail: readonly string[]): unknown {
  return error instanceof EngineError ? new EngineStartError(error, exit, outputTail) : error;
}

/** Polls the server until it answers or `signal` fires. */
async function waitUntilHealthy(engine: Engine, clock: Clock, signal: AbortSignal): Promise<Engine> {
  while (!signal.aborted) {
    try {
      await engine.health();
      return engine;
    } catch {
      await new Promise<void>((resolve) => void clock.after(HEALTH_POLL_MS, resolve));
    }
  }
  return engine;
}

/**
 * Waits for the engine.
 * @throws EngineError `unavailable` when the process ends first, `timeout` after `loadTimeoutMs`; the signal's reason.
 */
async function waitUntilLoaded(
  connecting: Promise<Engine>,
  exited: Promise<ProcessExit>,
  { clock, loadTimeoutMs }: LaunchOptions,
  signal: AbortSignal,
): Promise<Engine> {
  let onAbort = () => {};
  let cancel = () => {};
  const failed = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timeout = () => reject(new EngineError("timeout", "The model took too long to load."));
    cancel = clock.after(loadTimeoutMs, timeout);
    exited.then(() => reject(new EngineError("unavailable", "The model's engine ended while loading.")));
  });
  try {
    return await Promise.race([connecting, failed]);
  } finally {
    cancel();
    signal.removeEventListener("abort", onAbort);
  }
}

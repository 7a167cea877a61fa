import type { Engine } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type { ProcessEngineKind } from "../engine/process.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { launchCommand, releasePort, reservePort } from "./launchers/command-process.ts";
import { fillCommandTemplate } from "./launchers/command-template.ts";
import { launchLocalProcess } from "./launchers/local-process.ts";
import type { RunningEngine } from "./replica.ts";
import type { CommandEngine, ProcessEngine } from "./spec.ts";

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
  /** The server's environment; engines get the harmless part of it. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  clock: Clock;
  /** Longest time from the start of a process to its loaded model. */
  loadTimeoutMs: number;
}

/** Starts a process and waits until its engine serves. @param env what the process gets besides. */
type Launch = (
  path: string | null,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<RunningEngine>;

const HEALTH_POLL_MS = 200;

export function createLauncher(engine: ProcessEngine | CommandEngine, options: LaunchOptions): Launch {
  return "kind" in engine ? processLauncher(engine, options) : commandLauncher(engine, options);
}

/** A process that speaks through a message channel. */
function processLauncher(engine: ProcessEngine, options: LaunchOptions): Launch {
  const kind = options.kinds[engine.kind]!;
  return async (path, env, signal) => {
    const child = launchLocalProcess({ ...kind, env: { ...kind.env, ...env } }, options);
    try {
      const connecting = kind.connect(child.channel, engine.options(path) as never);
      return {
        engine: await waitUntilLoaded(connecting, child.exited, options, signal),
        pid: child.pid ?? null,
        lost: new Promise((resolve) => child.channel.onClose(() => resolve())),
        async stop(graceMs) {
          await child.stop(graceMs);
          return child.exited;
        },
      };
    } catch (error) {
      await child.stop(0);
      throw error;
    }
  };
}

/** A program that serves the OpenAI API on a port. */
function commandLauncher(command: CommandEngine, options: LaunchOptions): Launch {
  const { upstreamModel, features, contextLength } = command;
  const { log, clock, openServer } = options;
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
    const over = new AbortController();
    try {
      await waitUntilLoaded(waitUntilHealthy(engine, clock, over.signal), child.exited, options, signal);
      child.stopRecordingOutput();
      return {
        engine,
        pid: child.pid ?? null,
        lost: child.exited.then(() => {}),
        async stop(graceMs) {
          await child.stop(graceMs);
          return child.exited;
        },
      };
    } catch (error) {
      over.abort();
      await Promise.all([engine.close(), child.stop(0)]);
      log.error({ program: argv[0], tail: child.outputTail() }, "command failed to start");
      throw error;
    }
  };
}

/** Asks until the server answers. */
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

/** Waits for the engine, but not longer than the process, the time and the wish for it last. */
async function waitUntilLoaded(
  connecting: Promise<Engine>,
  exited: Promise<string>,
  { clock, loadTimeoutMs }: LaunchOptions,
  signal: AbortSignal,
): Promise<Engine> {
  let onAbort = () => {};
  let cancel = () => {};
  const given = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timeout = () => reject(new EngineError("timeout", "The model took too long to load."));
    cancel = clock.after(loadTimeoutMs, timeout);
    exited.then((reason) => {
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

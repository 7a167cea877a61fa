import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { EngineChannel, ProcessEngineKind } from "../../engine/process.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { childEnv } from "../child-env.ts";
import { readLines } from "./read-lines.ts";

export interface LocalProcess {
  channel: EngineChannel;
  /** Undefined when the process could not be started. */
  pid: number | undefined;
  /** Resolves once the process is gone, with the reason; never rejects. */
  exited: Promise<string>;
  /** Closes the channel, which ends the process; after `graceMs` it is killed. Resolves once it is gone. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

export interface LocalProcessOptions {
  /** The server's environment; the child gets the harmless part of it. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  clock: Clock;
}

const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const GUARD = new URL("./child-guard.ts", import.meta.url).href;

/** Runs an engine kind's module in a child process. It ends with its channel, so it never outlives this process. */
export function launchLocalProcess(
  kind: Pick<ProcessEngineKind<unknown>, "entry" | "preload" | "env">,
  options: LocalProcessOptions,
): LocalProcess {
  const child = fork(fileURLToPath(kind.entry), [], {
    execArgv: [...(kind.preload ?? []).map(String), TSX, GUARD].flatMap((module) => ["--import", module]),
    env: { ...childEnv(options.env), ...kind.env },
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const exited = exitOf(child);
  const log = options.log.child({ pid: child.pid });
  for (const stream of ["stdout", "stderr"] as const) {
    // Without a free file descriptor nothing is started and there are no streams.
    if (child[stream]) readLines(child[stream], (line) => log.debug({ stream, line }, "engine output"));
  }
  return {
    channel: channelOf(child, exited),
    pid: child.pid,
    exited,
    async stop(graceMs) {
      if (child.connected) child.disconnect();
      const cancel = options.clock.after(graceMs, () => child.kill("SIGKILL"));
      await exited;
      cancel();
    },
  };
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    // Without a pid nothing was started and no exit follows; other errors are of a message that could not be sent.
    child.on("error", (error) => {
      if (child.pid === undefined) resolve(`not started: ${error.message}`);
    });
  });
}

function channelOf(child: ChildProcess, exited: Promise<string>): EngineChannel {
  let closedBecause: string | null = null;
  const listeners: ((reason: string) => void)[] = [];
  const close = (reason: string) => {
    if (closedBecause !== null) return;
    closedBecause = reason;
    for (const listener of listeners.splice(0)) listener(reason);
  };
  child.once("disconnect", () => close("channel closed"));
  exited.then(close);
  return {
    send(message) {
      // A message to a process that just died is lost like one in flight; `onClose` tells.
      if (child.connected) child.send(message as object, () => {});
    },
    onMessage(listener) {
      child.on("message", listener);
    },
    onClose(listener) {
      if (closedBecause === null) listeners.push(listener);
      else listener(closedBecause);
    },
  };
}

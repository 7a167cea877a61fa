import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { EngineChannel, ProcessEngineKind } from "../../engine/process.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { childEnv } from "../child-env.ts";
import { OutputTail } from "./output-tail.ts";
import { describeExit, failedStart, type ProcessExit, processExit } from "./process-exit.ts";
import { readLines } from "./read-lines.ts";

export interface LocalProcess {
  channel: EngineChannel;
  /** Undefined when the process could not be started. */
  pid: number | undefined;
  /** Resolves once the process has ended; never rejects. */
  exited: Promise<ProcessExit>;
  /** The last lines of the process's output. */
  outputTail(): readonly string[];
  /**
   * Closes the channel, which makes the process end, and sends SIGKILL after `graceMs`. Resolves once the process has
   * ended. Idempotent.
   */
  stop(graceMs: number): Promise<void>;
}

export interface LocalProcessOptions {
  /** The server's environment; `childEnv` picks the variables that the child gets. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  clock: Clock;
}

const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const GUARD = new URL("./child-guard.ts", import.meta.url).href;

/** Runs an engine kind's module in a child process. The child ends with its channel, so it never outlives this process. */
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
  const tail = new OutputTail();
  for (const stream of ["stdout", "stderr"] as const) {
    // When the system has no free file descriptor, nothing was started and the streams are missing.
    if (!child[stream]) continue;
    readLines(child[stream], (line) => {
      log.debug({ stream, line }, "engine output");
      tail.add(line);
    });
  }
  return {
    channel: channelOf(child, exited),
    pid: child.pid,
    exited,
    outputTail: () => tail.lines,
    async stop(graceMs) {
      if (child.connected) child.disconnect();
      const cancel = options.clock.after(graceMs, () => child.kill("SIGKILL"));
      await exited;
      cancel();
    },
  };
}

function exitOf(child: ChildProcess): Promise<ProcessExit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(processExit(code, signal)));
    // Without a pid nothing was started and no exit follows. An error with a pid is a message that could not be sent.
    child.on("error", (error) => {
      if (child.pid === undefined) resolve(failedStart(error));
    });
  });
}

function channelOf(child: ChildProcess, exited: Promise<ProcessExit>): EngineChannel {
  let closedBecause: string | null = null;
  const listeners: ((reason: string) => void)[] = [];
  const close = (reason: string) => {
    if (closedBecause !== null) return;
    closedBecause = reason;
    for (const listener of listeners.splice(0)) listener(reason);
  };
  child.once("disconnect", () => close("channel closed"));
  exited.then((exit) => close(describeExit(exit)));
  return {
    send(message) {
      // A message to a process that has just died is lost like one in flight; `onClose` reports the end.
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

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { childEnv } from "../child-env.ts";
import { OutputTail } from "./output-tail.ts";
import { failedStart, type ProcessExit, shellExit } from "./process-exit.ts";
import { readLines } from "./read-lines.ts";

export interface CommandProcess {
  /** Id of the process group; undefined when nothing could be started. */
  pid: number | undefined;
  /** Resolves once the program has ended; never rejects. */
  exited: Promise<ProcessExit>;
  /** The last lines of the program's output; empty after `stopRecordingOutput`. */
  outputTail(): readonly string[];
  /** Stops recording and logging the output: a program that serves requests may quote them. */
  stopRecordingOutput(): void;
  /** Sends SIGTERM to the group, and SIGKILL after `graceMs`. Resolves once the program has ended. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

export interface CommandProcessOptions {
  /** The server's environment; `childEnv` picks the variables that the program gets. */
  env: Readonly<Record<string, string | undefined>>;
  /** Variables added to that. */
  extraEnv: Readonly<Record<string, string>>;
  log: Log;
  clock: Clock;
}

/** Longest wait for the rest of the output: a process that left the group may hold the pipe open for ever. */
const FINAL_OUTPUT_MS = 500;

/**
 * Runs "$@" until standard input ends. Standard input is a pipe from this process, which the kernel closes however this
 * process dies. Then the group gets SIGTERM, and SIGKILL 5 seconds later. The trap protects the shells from that SIGTERM;
 * the programs that they start don't inherit the trap.
 */
const GUARD = `
exec 3<&0 </dev/null
trap : TERM
"$@" 3<&- &
program=$!
( trap : TERM; while read -r _ <&3; do :; done; kill -TERM 0; sleep 5; kill -KILL 0 ) &
while :; do
  wait $program
  code=$?
  kill -0 $program 2>/dev/null || exit $code
done
`;

/** The shell's name and line before its own message about a program that it can't run. */
const GUARD_PREFIX = /^engine-guard: (line )?\d+: /;

/** Starts a program. No shell interprets its arguments, and it never outlives this process. */
export function launchCommand(argv: readonly string[], options: CommandProcessOptions): CommandProcess {
  const child = spawn("/bin/sh", ["-c", GUARD, "engine-guard", ...argv], {
    env: { ...childEnv(options.env), ...options.extraEnv },
    // In its own process group it can be killed with its children, and a Ctrl-C in the terminal doesn't reach it.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const log = options.log.child({ pid: child.pid });
  const tail = new OutputTail();
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (output) => {
      if (!tail.isRecording) return;
      const line = output.replace(GUARD_PREFIX, "");
      log.debug({ line }, "engine output");
      tail.add(line);
    });
  }
  child.stdin.on("error", () => {});
  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // The group has no process left.
    }
  };
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("error", (error) => resolve(failedStart(error)));
    child.once("exit", (code, signal) => {
      // Children that the program left behind would keep the accelerators' memory.
      killGroup();
      const exit = shellExit(code, signal);
      // The end of the output may still be in the pipe.
      child.once("close", () => resolve(exit));
      options.clock.after(FINAL_OUTPUT_MS, () => resolve(exit));
    });
  });
  return {
    pid: child.pid,
    exited,
    outputTail: () => tail.lines,
    stopRecordingOutput: () => tail.stop(),
    async stop(graceMs) {
      child.stdin.end();
      const cancel = options.clock.after(graceMs, killGroup);
      await exited;
      cancel();
    },
  };
}

/** Ports in use by engines of this process: the system may offer a port again before its engine listens on it. */
const reservedPorts = new Set<number>();

/** A free port of 127.0.0.1. Give it back with `releasePort` when its user has ended. */
export async function reservePort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (reservedPorts.has(port)) continue;
    reservedPorts.add(port);
    return port;
  }
}

export function releasePort(port: number): void {
  reservedPorts.delete(port);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { childEnv } from "../child-env.ts";
import { readLines } from "./read-lines.ts";

export interface CommandProcess {
  /** Of the group of processes; undefined when nothing could be started. */
  pid: number | undefined;
  /** Resolves once the program is gone, with the reason; never rejects. */
  exited: Promise<string>;
  /** The last lines it wrote; empty from `forget` on. */
  outputTail(): readonly string[];
  /** Keeps no more of its output: once it has requests, it may quote them. */
  stopRecordingOutput(): void;
  /** Asks the whole group to end; after `graceMs` it is killed. Resolves once the program is gone. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

export interface CommandProcessOptions {
  /** The server's environment; the program gets the harmless part of it. */
  env: Readonly<Record<string, string | undefined>>;
  /** What the program gets besides. */
  extraEnv: Readonly<Record<string, string>>;
  log: Log;
  clock: Clock;
}

const TAIL_LINES = 20;
/** Whoever left the group may keep its output open for ever. */
const FINAL_OUTPUT_MS = 500;

/**
 * Runs "$@" in this group of processes until standard input, a pipe from us, ends: the kernel closes it however we die.
 * Then the group is asked to end, and killed 5 seconds later. The trap keeps the shells themselves from that question;
 * what they start doesn't inherit it.
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

/** Starts a program, without a shell in between that would read its arguments. It never outlives this process. */
export function launchCommand(argv: readonly string[], options: CommandProcessOptions): CommandProcess {
  const child = spawn("/bin/sh", ["-c", GUARD, "engine-guard", ...argv], {
    env: { ...childEnv(options.env), ...options.extraEnv },
    // A group of its own: it can be ended as a whole, and a Ctrl-C in the terminal doesn't reach it.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const log = options.log.child({ pid: child.pid });
  let tail: string[] | null = [];
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (line) => {
      if (tail === null) return;
      log.debug({ line }, "engine output");
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
    });
  }
  child.stdin.on("error", () => {});
  // What the program leaves behind goes with it.
  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nobody is left.
    }
  };
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`not started: ${error.message}`));
    child.once("exit", (code, signal) => {
      killGroup();
      const reason = signal === null ? `exit code ${code}` : `signal ${signal}`;
      // Its last words may still be on their way.
      child.once("close", () => resolve(reason));
      options.clock.after(FINAL_OUTPUT_MS, () => resolve(reason));
    });
  });
  return {
    pid: child.pid,
    exited,
    outputTail: () => tail ?? [],
    stopRecordingOutput() {
      tail = null;
    },
    async stop(graceMs) {
      child.stdin.end();
      const cancel = options.clock.after(graceMs, killGroup);
      await exited;
      cancel();
    },
  };
}

/** Ports given out by this process and not taken back: the system may offer one twice before it is listened on. */
const reservedPorts = new Set<number>();

/** A free port of 127.0.0.1. Give it back with `releasePort` when its user is gone. */
export async function reservePort(): Promise<number> {
  for (;;) {
    const port = await offeredPort();
    if (reservedPorts.has(port)) continue;
    reservedPorts.add(port);
    return port;
  }
}

export function releasePort(port: number): void {
  reservedPorts.delete(port);
}

function offeredPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

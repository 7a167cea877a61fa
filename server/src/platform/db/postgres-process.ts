import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { BasicLog } from "../telemetry/log.ts";
import type { SystemUser } from "./postgres-binaries.ts";
import { type Cluster, pidExists, SERVER_ENV } from "./postgres-cluster.ts";

/** Replaying the log after a crash takes as long as it takes; beyond this something is wrong. */
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 30_000;
export const POLL_MS = 10;

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  max_connections: "100",
  shared_buffers: "64MB",
  // One machine, no replica: the shortest log, no sender processes, reads by the backends themselves.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  io_method: "sync",
  max_wal_size: "512MB",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_line_prefix: "",
  log_checkpoints: "off",
  // Statements and details can hold users' data; the log must not.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/**
 * Runs "$@" until standard input, a pipe from us, ends: the kernel closes it however we die. Then SIGINT, which is
 * PostgreSQL's fast shutdown. `read` is a builtin, so ending the watcher leaves no process behind.
 */
const GUARD = `
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
( while read -r _ <&3; do :; done; kill -INT $server 2>/dev/null ) &
watcher=$!
wait $server
code=$?
kill $watcher 2>/dev/null
exit $code
`;

/** Another server has the data folder. */
export class DataFolderInUseError extends Error {}

export interface PostgresProcess {
  /** Settles when it takes connections. Throws DataFolderInUseError, or one line that says why it doesn't start. */
  ready(): Promise<void>;
  /** Fast shutdown; killed when it takes too long. */
  stop(): Promise<void>;
  /** Settles when it is gone. */
  readonly ended: Promise<void>;
}

/** Spawns a server on the cluster that ends when we do. */
export function spawnServer(
  program: string,
  cluster: Cluster,
  user: SystemUser | null,
  extra: Readonly<Record<string, string>>,
  log: BasicLog,
): PostgresProcess {
  const settings = { ...SETTINGS, unix_socket_directories: cluster.socketDir, ...extra };
  const child = spawnGuarded(program, cluster, settings, user);
  const tail = forwardLog(child, log);
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  return {
    ended,
    ready: () => untilReady(child, cluster, tail),
    stop: () => stopServer(child, ended, log),
  };
}

function spawnGuarded(
  program: string,
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  user: SystemUser | null,
): ChildProcess {
  const args = ["-c", GUARD, "postgres-guard", program, "-D", cluster.dataDir];
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  return spawn("/bin/sh", args, {
    ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
    cwd: cluster.dataDir,
    env: SERVER_ENV,
    // A session of its own: a Ctrl-C in the terminal reaches us, not the server.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Sends what the server prints to the log; returns the last lines, for the error message of a failed start. */
function forwardLog(child: ChildProcess, log: BasicLog): string[] {
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      tail.push(line);
      if (tail.length > 20) tail.shift();
      // FATAL ends one connection only.
      const level = line.startsWith("PANIC")
        ? "error"
        : /^(FATAL|ERROR|WARNING)/.test(line)
          ? "warn"
          : "debug";
      log[level]({ source: "postgres" }, line);
    });
  }
  child.stdin?.on("error", () => {});
  return tail;
}

export interface PidFile {
  pid: number;
  ready: boolean;
}

/** The server's own lock file: its number in the first line, its state in the eighth. Null when there is none. */
export function readPidFile(dataDir: string): PidFile | null {
  try {
    const lines = readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(lines[0]);
    return Number.isInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.trim() === "ready" } : null;
  } catch {
    return null;
  }
}

/** Whether process `pid` is a server on this folder: in a restarted container the number may be anyone's by now. */
export function servesFolder(pid: number, dataDir: string): boolean {
  if (!pidExists(pid)) return false;
  if (process.platform !== "linux") return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch (error) {
    // Not ours to look at: then PostgreSQL decides.
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

async function untilReady(child: ChildProcess, cluster: Cluster, tail: readonly string[]): Promise<void> {
  let failure: string | null = null;
  child.once("error", (error) => {
    failure ??= error.message;
  });
  child.once("close", (code) => {
    failure ??= `ended with code ${code}`;
  });
  for (let waitedMs = 0; failure === null; waitedMs += POLL_MS) {
    const file = readPidFile(cluster.dataDir);
    if (file?.ready && isChildOf(file.pid, child.pid)) return;
    if (waitedMs >= START_LIMIT_MS) {
      child.stdin?.destroy();
      failure = `not ready after ${START_LIMIT_MS / 1_000} s`;
      break;
    }
    await sleep(POLL_MS);
  }
  const reason = tail.slice(-3).join(" ");
  if (reason.includes('lock file "postmaster.pid" already exists')) throw new DataFolderInUseError();
  throw new Error(`PostgreSQL did not start: ${failure}. ${reason}`.trim());
}

/** The guard's group holds the server; a server of another group is another start's. */
function isChildOf(pid: number, guardPid: number | undefined): boolean {
  if (process.platform !== "linux") return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === guardPid;
  } catch {
    return false;
  }
}

async function stopServer(child: ChildProcess, ended: Promise<void>, log: BasicLog): Promise<void> {
  child.stdin?.end();
  const limit = new AbortController();
  const late = sleep(STOP_LIMIT_MS, "late", { signal: limit.signal }).catch(() => "");
  const first = await Promise.race([ended, late]);
  limit.abort();
  if (first !== "late") return;
  log.error("PostgreSQL did not shut down in time; killing it, the next start recovers from its log");
  // The guard leads a group that holds the server.
  if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  await ended;
}

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { BasicLog } from "../telemetry/log.ts";
import type { SystemUser } from "./postgres-binaries.ts";
import { type Cluster, pidExists, SERVER_ENV } from "./postgres-cluster.ts";

/** Limit for the start, which may include a long replay of the log after a crash. */
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 30_000;
export const POLL_MS = 10;

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  max_connections: "100",
  shared_buffers: "64MB",
  // There is no replication, so use the shortest log and no sender processes. Backends read from the disk themselves.
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
  // Statements and error details can contain users' data, which must not be logged.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/**
 * Runs "$@" until standard input ends, then sends SIGINT, which is PostgreSQL's fast shutdown. Standard input is a pipe
 * from this process, and the kernel closes it however this process dies. `read` is a builtin, so killing the watcher
 * leaves no process behind.
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

/** Another server uses the data folder. */
export class DataFolderInUseError extends Error {}

export interface PostgresProcess {
  /**
   * Settles when the server accepts connections.
   * @throws DataFolderInUseError, or Error with one line that gives the reason.
   */
  ready(): Promise<void>;
  /** Fast shutdown; kills the server after 30 seconds. */
  stop(): Promise<void>;
  /** Settles when the server has ended. */
  readonly ended: Promise<void>;
}

/** Starts a server on the cluster. The server ends when this process ends. */
export function spawnServer(options: {
  /** Path of the `postgres` binary. */
  program: string;
  cluster: Cluster;
  /** Null: run as this process's user. */
  user: SystemUser | null;
  extraSettings: Readonly<Record<string, string>>;
  log: BasicLog;
}): PostgresProcess {
  const { program, cluster, user, extraSettings, log } = options;
  const settings = { ...SETTINGS, unix_socket_directories: cluster.socketDir, ...extraSettings };
  const args = ["-c", GUARD, "postgres-guard", program, "-D", cluster.dataDir];
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  const child = spawn("/bin/sh", args, {
    ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
    cwd: cluster.dataDir,
    env: SERVER_ENV,
    // A new session, so that a Ctrl-C in the terminal does not reach the server.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
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

/** Forwards the server's output to the log. @returns the last lines, for the error message of a failed start. */
function forwardLog(child: ChildProcess, log: BasicLog): string[] {
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      tail.push(line);
      if (tail.length > 20) tail.shift();
      // FATAL only ends one connection.
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

/** Reads the server's lock file: the first line is the process number, the eighth the state. Null: no lock file. */
export function readPidFile(dataDir: string): PidFile | null {
  try {
    const lines = readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(lines[0]);
    return Number.isInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.trim() === "ready" } : null;
  } catch {
    return null;
  }
}

/** Whether the process is a server on this folder. In a restarted container another process may have the number. */
export function servesFolder(pid: number, dataDir: string): boolean {
  if (!pidExists(pid)) return false;
  if (process.platform !== "linux") return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch (error) {
    // Without permission to look, assume a server; PostgreSQL then decides.
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

/** Whether the server is a child of this guard. Another server on the folder belongs to another start. */
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
  // The guard leads a process group that includes the server.
  if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  await ended;
}

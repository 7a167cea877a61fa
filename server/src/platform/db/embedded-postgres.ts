import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatIdentity, ownIdentity, parseIdentity, processState } from "../process/identity.ts";
import type { BasicLog } from "../telemetry/log.ts";
import { findBinaries, reachableBinaries, serverUser } from "./postgres-binaries.ts";
import { type Cluster, openCluster } from "./postgres-cluster.ts";
import {
  DataFolderInUseError,
  POLL_MS,
  type PostgresProcess,
  readPidFile,
  servesFolder,
  spawnServer,
} from "./postgres-process.ts";

export interface EmbeddedPostgres {
  /** Stays the same while the data folder exists. Contains the password: never log it. */
  url: string;
  /** Fast shutdown: rolls back open transactions and keeps everything committed. Idempotent. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Folder for PostgreSQL only; created when absent. */
  dataDir: string;
  log: BasicLog;
  /** Additional server settings, for tests and benchmarks. */
  settings?: Readonly<Record<string, string>>;
  /**
   * Folder for binaries and data when this process runs as root and the server's user can't reach `dataDir` or the
   * package. Default `/var/lib/hearth`.
   */
  systemFolder?: string;
}

const OLD_SERVER_LIMIT_MS = 60_000;
const ORPHAN_MS = 5_000;
const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 5_000;

/**
 * Starts PostgreSQL on `dataDir`, and creates the database on the first start. A Ctrl-C in the terminal does not reach
 * the server, but the server ends whenever this process ends, even by `kill -9`. If the server dies, it is started
 * again.
 * @throws Error with one line when no binaries are installed, another Hearth uses the folder, or the server doesn't
 * start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log } = options;
  const systemFolder = options.systemFolder ?? "/var/lib/hearth";
  const user = serverUser();
  const binaries = reachableBinaries(await findBinaries(), user, systemFolder);
  const cluster = await openCluster({ dataDir: options.dataDir, binaries, user, systemFolder });
  await waitForPreviousServer(cluster, options.dataDir, log);

  const launch = (): PostgresProcess =>
    spawnServer({
      program: binaries.postgres,
      cluster,
      user,
      extraSettings: options.settings ?? {},
      log,
    });
  const server = launch();
  try {
    await server.ready();
  } catch (error) {
    await server.stop();
    if (!(error instanceof DataFolderInUseError)) throw error;
    throw dataFolderInUse(
      options.dataDir,
      readHolder(cluster)?.pid ?? readPidFile(cluster.dataDir)?.pid ?? 0,
    );
  }
  writeHolder(cluster);
  const url = new URL(`postgres://hearth:${cluster.password}@localhost/postgres`);
  url.searchParams.set("host", cluster.socketDir);
  return { url: url.href, stop: superviseServer(server, launch, log) };
}

/** Restarts the server whenever it ends. @returns a function that stops the server for good. */
function superviseServer(
  first: PostgresProcess,
  launch: () => PostgresProcess,
  log: BasicLog,
): () => Promise<void> {
  let server = first;
  let stopping: Promise<void> | null = null;
  const halt = new AbortController();

  async function supervise(): Promise<void> {
    for (let retryMs = FIRST_RESTART_MS; ; ) {
      await server.ended;
      if (stopping !== null) return;
      log.error("PostgreSQL ended by itself; starting it again");
      // The remaining processes of the dead server need a moment to end.
      await sleep(retryMs, null, { signal: halt.signal }).catch(() => {});
      if (stopping !== null) return;
      server = launch();
      try {
        await server.ready();
        log.info("PostgreSQL is back");
        retryMs = FIRST_RESTART_MS;
      } catch (error) {
        if (stopping === null) log.error({ err: error }, "PostgreSQL can't be started again");
        await server.stop();
        retryMs = Math.min(retryMs * 2, LAST_RESTART_MS);
      }
    }
  }

  const supervised = supervise();
  return () => {
    stopping ??= Promise.resolve().then(async () => {
      halt.abort();
      await server.stop();
      await supervised;
    });
    return stopping;
  };
}

/**
 * Waits for the server of a dead process to shut down, as it does after a `kill -9` of that process.
 * @throws Error when a running process uses the folder.
 */
async function waitForPreviousServer(cluster: Cluster, dataDir: string, log: BasicLog): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const previous = readPidFile(cluster.dataDir);
    if (previous === null) return;
    if (!servesFolder(previous.pid, cluster.dataDir)) {
      // A crash left the file. PostgreSQL would refuse to start if any process has that number by now.
      rmSync(join(cluster.dataDir, "postmaster.pid"), { force: true });
      return;
    }
    const holder = readHolder(cluster);
    if (holder !== null && processState(holder) === "alive") throw dataFolderInUse(dataDir, holder.pid);
    if (waitedMs === 0) log.info("Waiting for the last run's PostgreSQL to shut down");
    // The guard that should have stopped the server is gone too; stop it. Don't do so at once: a process that is just
    // starting writes the holder file only when its server is ready.
    if (waitedMs === ORPHAN_MS && previous.ready && holder !== null) process.kill(previous.pid, "SIGINT");
    if (waitedMs >= OLD_SERVER_LIMIT_MS) throw dataFolderInUse(dataDir, previous.pid);
    await sleep(POLL_MS);
  }
}

function dataFolderInUse(dataDir: string, pid: number): Error {
  return new Error(`The data folder ${dataDir} is in use by another Hearth (process ${pid}).`);
}

function readHolder(cluster: Cluster): ReturnType<typeof parseIdentity> {
  try {
    return parseIdentity(readFileSync(cluster.holderFile, "utf8"));
  } catch {
    return null;
  }
}

function writeHolder(cluster: Cluster): void {
  const partial = `${cluster.holderFile}.${process.pid}`;
  writeFileSync(partial, formatIdentity(ownIdentity()));
  renameSync(partial, cluster.holderFile);
}

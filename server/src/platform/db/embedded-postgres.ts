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
  /** Stays the same for as long as the data folder exists. Holds the password: never log it. */
  url: string;
  /** Fast shutdown: open transactions are rolled back, everything committed is on disk. Idempotent. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** A folder of PostgreSQL's own; made when absent. */
  dataDir: string;
  log: BasicLog;
  /** Server settings on top of ours, for tests and benchmarks. */
  settings?: Readonly<Record<string, string>>;
  /** Where binaries and data go when root runs us and the server's user can't reach ours. */
  systemFolder?: string;
}

const OLD_SERVER_LIMIT_MS = 60_000;
const ORPHAN_MS = 5_000;
const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 5_000;

/**
 * Starts PostgreSQL on `dataDir`, making the database on the first start. The server outlives a Ctrl-C in the
 * terminal, as only we may end it, but never outlives us, however we end. Should it die by itself it is started again.
 *
 * Throws one line when no binaries are installed, another Hearth holds the folder, or the server doesn't come up.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log } = options;
  const systemFolder = options.systemFolder ?? "/var/lib/hearth";
  const user = serverUser();
  const binaries = reachableBinaries(await findBinaries(), user, systemFolder);
  const cluster = await openCluster(options.dataDir, binaries, user, systemFolder);
  await waitForPreviousServer(cluster, options.dataDir, log);

  const launch = (): PostgresProcess =>
    spawnServer(binaries.postgres, cluster, user, options.settings ?? {}, log);
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
  const where = new URL(`postgres://hearth:${cluster.password}@localhost/postgres`);
  where.searchParams.set("host", cluster.socketDir);
  return { url: where.href, stop: superviseServer(server, launch, log) };
}

/** Starts the server again whenever it ends, until the returned function is called. */
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
      // The last one's remaining processes need a moment to notice and go.
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

/** After a `kill -9` of the last process its server is still shutting down; a living process keeps it. */
async function waitForPreviousServer(cluster: Cluster, dataDir: string, log: BasicLog): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const old = readPidFile(cluster.dataDir);
    if (old === null) return;
    if (!servesFolder(old.pid, cluster.dataDir)) {
      // Left by a crash. PostgreSQL would take any process of that number for a server and refuse to start.
      rmSync(join(cluster.dataDir, "postmaster.pid"), { force: true });
      return;
    }
    const holder = readHolder(cluster);
    if (holder !== null && processState(holder) === "alive") throw dataFolderInUse(dataDir, holder.pid);
    if (waitedMs === 0) log.info("Waiting for the last run's PostgreSQL to shut down");
    // Whoever should have ended it is gone too. Not at once: the holder's name is written when a server is ready.
    if (waitedMs === ORPHAN_MS && old.ready && holder !== null) process.kill(old.pid, "SIGINT");
    if (waitedMs >= OLD_SERVER_LIMIT_MS) throw dataFolderInUse(dataDir, old.pid);
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

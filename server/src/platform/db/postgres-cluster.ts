import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hasFileAccess, type PostgresBinaries, type SystemUser } from "./postgres-binaries.ts";

/** The parts of a database cluster. */
export interface Cluster {
  dataDir: string;
  socketDir: string;
  password: string;
  /** File with the identity of the process that uses the cluster. */
  holderFile: string;
}

/** A socket path may have 103 bytes on macOS and 107 on Linux. */
const MAX_SOCKET_PATH_BYTES = 103;
/** File in each folder below `systemFolder`, with the path of the data folder that it belongs to. */
const ORIGIN_FILE = "data-folder";
const INITDB_LIMIT_MS = 120_000;

/**
 * The server's whole environment. This process's environment contains secrets, and PG* variables would configure the
 * server.
 */
export const SERVER_ENV = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

/**
 * Opens the cluster of `dataDir`, and creates it when absent. If the server's user can't reach `dataDir`, the cluster
 * is below `systemFolder`, and the file `cluster-location` in `dataDir` contains its path.
 */
export async function openCluster(options: {
  dataDir: string;
  binaries: PostgresBinaries;
  /** Null: the server runs as this process's user. */
  user: SystemUser | null;
  systemFolder: string;
}): Promise<Cluster> {
  const { dataDir, binaries, user, systemFolder } = options;
  const home = clusterHome(dataDir, user, systemFolder);
  const folder = join(home, "cluster");
  if (!existsSync(folder)) await createCluster({ home, folder, binaries, user });
  const data = join(folder, "data");
  if (user !== null && !hasFileAccess(user, "-x", data)) {
    throw new Error(
      `User ${user.name}, who runs PostgreSQL for root, can't reach ${data}; check the folders' modes.`,
    );
  }
  checkVersion(folder, binaries);
  return {
    dataDir: data,
    socketDir: socketFolder(join(folder, "run"), user),
    password: readFileSync(join(folder, "password"), "utf8").trim(),
    holderFile: join(folder, "holder"),
  };
}

function clusterHome(dataDir: string, user: SystemUser | null, systemFolder: string): string {
  const pointer = join(dataDir, "cluster-location");
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  if (existsSync(pointer)) return readFileSync(pointer, "utf8").trim();
  if (existsSync(join(dataDir, "cluster")) || user === null || hasFileAccess(user, "-x", dataDir))
    return dataDir;

  removeOrphanedClusters(systemFolder);
  const hash = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  const home = join(systemFolder, `${hash}-${randomBytes(3).toString("hex")}`);
  mkdirSync(home, { recursive: true, mode: 0o755 });
  writeFileSync(join(home, ORIGIN_FILE), `${dataDir}\n`);
  writeFileSync(`${pointer}.${process.pid}`, `${home}\n`);
  renameSync(`${pointer}.${process.pid}`, pointer);
  // If two processes start for the first time at once, both use the pointer that was written last.
  return readFileSync(pointer, "utf8").trim();
}

/**
 * Deletes clusters whose data folder was temporary and is gone, because tests that run as root would fill the disk.
 * Other clusters stay: a missing data folder may be on a disk that is not mounted at the moment.
 */
function removeOrphanedClusters(systemFolder: string): void {
  if (!existsSync(systemFolder)) return;
  for (const name of readdirSync(systemFolder)) {
    const origin = join(systemFolder, name, ORIGIN_FILE);
    if (!existsSync(origin)) continue;
    const dataDir = readFileSync(origin, "utf8").trim();
    if (!dataDir.startsWith(`${tmpdir()}/`) || existsSync(dataDir)) continue;
    rmSync(join(systemFolder, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Creates the cluster in a temporary folder and renames that at the end, so that a kill never leaves half a cluster.
 */
async function createCluster(options: {
  home: string;
  folder: string;
  binaries: PostgresBinaries;
  user: SystemUser | null;
}): Promise<void> {
  const { home, folder, binaries, user } = options;
  removePartialClusters(home);
  const partial = join(home, `creating-${process.pid}-${randomBytes(3).toString("hex")}`);
  const password = randomBytes(24).toString("base64url");
  mkdirSync(partial, { mode: 0o711 });
  chmodSync(partial, 0o711);
  for (const name of ["data", "run"]) {
    mkdirSync(join(partial, name), { mode: 0o700 });
    if (user !== null) chownSync(join(partial, name), user.uid, user.gid);
  }
  const passwordFile = join(partial, "password");
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== null) chownSync(passwordFile, user.uid, user.gid);
  try {
    await initdb({ program: binaries.initdb, dataDir: join(partial, "data"), passwordFile, user });
    if (user !== null) chownSync(passwordFile, 0, 0);
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // Another process created the cluster first; use that one.
    if (!existsSync(folder)) throw error;
  }
}

function removePartialClusters(home: string): void {
  for (const name of readdirSync(home)) {
    const pid = Number(/^creating-(\d+)-/.exec(name)?.[1]);
    if (Number.isNaN(pid) || pidExists(pid)) continue;
    rmSync(join(home, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function initdb(options: {
  program: string;
  dataDir: string;
  passwordFile: string;
  user: SystemUser | null;
}): Promise<void> {
  const { program, dataDir, passwordFile, user } = options;
  const args = ["-D", dataDir, "-U", "hearth", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  args.push("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C");
  const runAs = user === null ? {} : { uid: user.uid, gid: user.gid };
  const child = spawn(program, args, {
    ...runAs,
    cwd: dirname(dataDir),
    env: SERVER_ENV,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: INITDB_LIMIT_MS,
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`initdb failed (${code ?? "killed"}): ${errors.trim()}`));
    });
  });
}

function checkVersion(folder: string, binaries: PostgresBinaries): void {
  const clusterVersion = readFileSync(join(folder, "data", "PG_VERSION"), "utf8").trim();
  const installedVersion = binaries.version.split(".")[0];
  if (clusterVersion !== installedVersion) {
    throw new Error(
      `The database in ${folder} is of PostgreSQL ${clusterVersion}, but ${installedVersion} is installed; move it with pg_dump, or set DATABASE_URL.`,
    );
  }
}

/**
 * The preferred folder if its path is short enough for a socket, else a private folder below the system's temporary
 * folder.
 */
function socketFolder(preferred: string, user: SystemUser | null): string {
  const lengthBytes = (folder: string): number => Buffer.byteLength(join(folder, ".s.PGSQL.5432"));
  if (lengthBytes(preferred) <= MAX_SOCKET_PATH_BYTES) return preferred;
  const hash = createHash("sha256").update(preferred).digest("hex").slice(0, 12);
  const folder = join(tmpdir(), `hearth-${hash}`);
  if (lengthBytes(folder) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`No room for a socket: ${preferred} and ${folder} are both too long.`);
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== null && lstatSync(folder).uid === 0) chownSync(folder, user.uid, user.gid);
  // Another user may have created the folder in order to impersonate the server.
  const stats = lstatSync(folder);
  if (!stats.isDirectory() || stats.uid !== (user?.uid ?? process.getuid?.()) || (stats.mode & 0o077) !== 0) {
    throw new Error(`${folder}, where the database's socket would be, belongs to somebody else; remove it.`);
  }
  return folder;
}

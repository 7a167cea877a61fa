import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { type Database, openDatabase } from "../../src/platform/db/database.ts";
import { silentLog, type TestDatabase, testDatabase } from "./database.ts";
import { send, type Target } from "./http.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The model that every installation serves. */
export const MODEL = "accounts/fireworks/models/smollm2-135m-instruct";

export interface HearthOptions {
  /** Settings on top of the test's own. */
  env?: Record<string, string>;
  /** Its data folder; default a fresh one that goes when the file's tests are over. */
  dataDir?: string;
  /** `own`: a fresh database on the run's PostgreSQL. `embedded`: none is given, Hearth runs its own. */
  database?: "own" | "embedded";
}

export interface UsageRow {
  /** As in `x-request-id`. */
  id: string;
  accountId: string;
  keyId: string;
  endpoint: string;
  model: string;
  replica: string | null;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  timeToFirstTokenMs: number | null;
  durationMs: number;
  outcome: string;
  status: number;
}

export interface Hearth extends Target {
  apiKey: string;
  /** `http://127.0.0.1:PORT`. */
  origin: string;
  /** As the banner prints it, with `/inference/v1`. */
  baseUrl: string;
  pid: number;
  dataDir: string;
  /** Everything it printed so far. */
  output(): string;
  /** Settles when the process is gone. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Ctrl-C: SIGINT to the whole process group. */
  interrupt(): void;
  /** Ctrl-C, then wait. Resolves with the exit code. Once it is gone, nothing more. */
  stop(): Promise<number | null>;
  kill9(): Promise<void>;
  /** The ledger, read from PostgreSQL. */
  usageRows(): Promise<UsageRow[]>;
}

const START_LIMIT_MS = 120_000;
const WAIT_LIMIT_MS = 60_000;

const running = new Set<ChildProcess>();
const cleanups: (() => Promise<void> | void)[] = [];

function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
process.on("exit", killAll);
process.on("disconnect", killAll);

afterAll(async () => {
  const failures: unknown[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
});

/** Starts the platform as a user does, on a free port. It ends with the test file at the latest. */
export async function startHearth(options: HearthOptions = {}): Promise<Hearth> {
  const dataDir = options.dataDir ?? tempFolder();
  const apiKey = options.env?.["HEARTH_API_KEY"] ?? `fw_${randomBytes(24).toString("base64url")}`;
  const database = options.database === "embedded" ? null : await ownDatabase();
  const child = spawn(process.execPath, ["scripts/start.mjs"], {
    cwd: root,
    env: {
      ...cleanEnv(),
      HEARTH_PORT: "0",
      HEARTH_DATA_DIR: dataDir,
      HEARTH_API_KEY: apiKey,
      ...(database === null ? {} : { DATABASE_URL: database.url }),
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, as in a terminal: Ctrl-C reaches all of it.
    detached: true,
  });
  running.add(child);
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8");
    pipe.on("data", (text: string) => {
      output = (output + text).slice(-200_000);
    });
  }
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const interrupt = (): void => {
    if (running.has(child)) process.kill(-(child.pid as number), "SIGINT");
  };
  const stop = async (): Promise<number | null> => {
    interrupt();
    return (await exited).code;
  };
  cleanups.push(() => endWithin(child, stop(), 30_000));

  const baseUrl = await banner(child, () => output);
  const origin = new URL(baseUrl).origin;
  return {
    origin,
    baseUrl,
    port: Number(new URL(baseUrl).port),
    apiKey,
    pid: child.pid as number,
    dataDir,
    output: () => output,
    exited,
    interrupt,
    stop,
    async kill9() {
      child.kill("SIGKILL");
      await exited;
    },
    usageRows: () => (database === null ? readEmbedded(dataDir) : readRows(database)),
  };
}

/** A folder that PostgreSQL's user can pass through when root runs the tests; it goes with the test file. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "hearth-run-"));
  chmodSync(folder, 0o711);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Asks until `probe` gives something other than null, undefined or false; rejects, saying `what`, when it never does. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  limitMs = WAIT_LIMIT_MS,
): Promise<T> {
  for (const end = Date.now() + limitMs; ; ) {
    const value = await probe();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await sleep(25);
  }
}

/** The ledger's row of a request; waits for it, as rows are written in batches. */
export function rowOf(hearth: Hearth, requestId: string): Promise<UsageRow> {
  return until(`a ledger row of ${requestId}`, async () =>
    (await hearth.usageRows()).find((row) => row.id === requestId),
  );
}

/** One sample of `/metrics` added up over its labels; 0 when there is none. */
export async function metric(hearth: Hearth, name: string): Promise<number> {
  const { text } = await send({ ...hearth, apiKey: null }, "/metrics");
  let sum = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) sum += Number(line.split(" ").at(-1));
  }
  return sum;
}

/** Ours alone: settings of whoever runs the tests must not reach the platform. */
function cleanEnv(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(HEARTH_|DATABASE_URL$|VITEST|NODE_OPTIONS$|NODE_ENV$|TEST$)/.test(name)) delete env[name];
  }
  return env;
}

async function ownDatabase(): Promise<TestDatabase> {
  const database = await testDatabase();
  cleanups.push(() => database.drop());
  return database;
}

function banner(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`Hearth did not start: ${why}. It printed:\n${output()}`));
    };
    const limit = setTimeout(() => fail(`no banner within ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    const look = (): void => {
      const found = /Base URL\s+(http:\/\/127\.0\.0\.1:\d+\/inference\/v1)/.exec(output());
      if (found === null) return;
      settle();
      resolve(found[1] as string);
    };
    const gone = (code: number | null): void => {
      settle();
      // What it printed last may still be in the pipe.
      setTimeout(() => fail(`it ended with code ${code}`), 200);
    };
    const settle = (): void => {
      clearTimeout(limit);
      child.stdout?.off("data", look);
      child.off("exit", gone);
    };
    child.stdout?.on("data", look);
    child.on("exit", gone);
  });
}

async function endWithin(child: ChildProcess, stopped: Promise<unknown>, limitMs: number): Promise<void> {
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  await stopped;
  clearTimeout(limit);
}

async function readRows(database: Pick<Database, "sql">): Promise<UsageRow[]> {
  const rows = await database.sql`
    select replace(id::text, '-', '') as "id", account_id as "accountId", key_id as "keyId", endpoint, model,
      replica, prompt_tokens as "promptTokens", cached_tokens as "cachedTokens",
      completion_tokens as "completionTokens", time_to_first_token_ms as "timeToFirstTokenMs",
      duration_ms as "durationMs", outcome, status
    from usage_records order by id`;
  return rows as unknown as UsageRow[];
}

/** Finds the embedded server the way its own programs do: by the lock file in its data folder. */
async function readEmbedded(dataDir: string): Promise<UsageRow[]> {
  const lock = readdirSync(dataDir, { recursive: true, encoding: "utf8" }).find((path) =>
    path.endsWith("data/postmaster.pid"),
  );
  if (lock === undefined) throw new Error(`no PostgreSQL runs in ${dataDir}`);
  const lines = readFileSync(join(dataDir, lock), "utf8").split("\n");
  const cluster = dirname(dirname(join(dataDir, lock)));
  const password = readFileSync(join(cluster, "password"), "utf8").trim();
  const url = `postgres://hearth:${password}@localhost/postgres?host=${encodeURIComponent(lines[4] as string)}`;
  const database = await openDatabase({ url, log: silentLog, maxConnections: 1 });
  try {
    return await readRows(database);
  } finally {
    await database.close();
  }
}

import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll } from "vitest";
import { type Database, openDatabase } from "../../src/platform/db/database.ts";
import { silentLog, type TestDatabase, testDatabase } from "./database.ts";
import { type Json, send, type Target } from "./http.ts";
import { type PlatformProcess, spawnPlatform } from "./platform-process.ts";
import type { SharedPlatform } from "./shared-platform.ts";

/** The model that every installation serves. */
export const MODEL = "accounts/fireworks/models/smollm2-135m-instruct";

export interface HearthOptions {
  /** Settings on top of the test's own. */
  env?: Record<string, string>;
  /** Default: a fresh folder that is removed after the file's tests. */
  dataDir?: string;
  /** `own` (default): a fresh database on the run's PostgreSQL. `embedded`: Hearth starts a PostgreSQL of its own. */
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

export interface Hearth extends Target, Addresses, Omit<PlatformProcess, "ready"> {
  apiKey: string;
  dataDir: string;
  /** The ledger, read from PostgreSQL. */
  usageRows(): Promise<UsageRow[]>;
}

/** Ends a wait for something that never happens; far above the time that a slow machine under load needs. */
const WAIT_LIMIT_MS = 240_000;

const cleanups: (() => unknown)[] = [];

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

/** Starts the platform as a user does, on a free port. It is stopped after the file's tests at the latest. */
export async function startHearth(options: HearthOptions = {}): Promise<Hearth> {
  const dataDir = options.dataDir ?? tempFolder();
  const database = options.database === "embedded" ? null : await ownDatabase();
  const platform = spawnPlatform({ dataDir, databaseUrl: database?.url ?? null, env: options.env });
  cleanups.push(() => platform.stop());
  return {
    ...platform,
    ...addresses(await platform.ready),
    dataDir,
    usageRows: () => (database === null ? readEmbedded(dataDir) : readRows(database)),
  };
}

/** One test file's access to the shared platform. */
export interface SharedHearth extends Target, Addresses {
  apiKey: string;
  /** An account that only this file uses; `apiKey` belongs to its admin. */
  accountId: string;
  /** For what only the operator of the installation may do. */
  operatorKey: string;
}

/**
 * One platform for all test files that change no settings, stop nothing and count only their own account's usage. Each file
 * gets an account of its own. The first call of a run starts the platform.
 */
export async function sharedHearth(): Promise<SharedHearth> {
  const response = await fetch(process.env["HEARTH_TEST_SHARED_PLATFORM_URL"] ?? "");
  const text = await response.text();
  if (!response.ok) throw new Error(`the shared platform did not start: ${text}`);
  const { baseUrl, apiKey } = JSON.parse(text) as SharedPlatform;
  const operator = { ...addresses(baseUrl), apiKey };
  const accountId = `test-${randomBytes(6).toString("hex")}`;
  const email = `admin@${accountId}.example`;
  const create = async (path: string, body: object): Promise<Json> => {
    const response = await send(operator, path, { method: "POST", body });
    if (response.status !== 200) throw new Error(`${path}: ${response.text}`);
    return response.json;
  };
  await create(`/v1/accounts?accountId=${accountId}`, { email });
  await create(`/v1/accounts/${accountId}/users?userId=admin`, { email, role: "admin" });
  const { key } = await create(`/v1/accounts/${accountId}/users/admin/apiKeys`, { apiKey: {} });
  return { ...operator, apiKey: key, accountId, operatorKey: apiKey };
}

interface Addresses {
  /** `http://127.0.0.1:PORT`. */
  origin: string;
  /** As the banner prints it, with `/inference/v1`. */
  baseUrl: string;
  port: number;
}

function addresses(baseUrl: string): Addresses {
  const { origin, port } = new URL(baseUrl);
  return { origin, baseUrl, port: Number(port) };
}

/** A folder that PostgreSQL's user can enter also when root runs the tests; it is removed after the file's tests. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "hearth-run-"));
  chmodSync(folder, 0o711);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Calls `probe` until it gives something other than null, undefined or false. Rejects with `what` after the limit. */
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

/** Waits for the ledger row of a request: rows are written in batches. */
export function rowOf(hearth: Hearth, requestId: string): Promise<UsageRow> {
  return until(`a ledger row of ${requestId}`, async () =>
    (await hearth.usageRows()).find((row) => row.id === requestId),
  );
}

/** The sum of a metric over all its labels; 0 when `/metrics` does not have it. */
export async function metric(hearth: Hearth, name: string): Promise<number> {
  const { text } = await send({ ...hearth, apiKey: null }, "/metrics");
  let sum = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) sum += Number(line.split(" ").at(-1));
  }
  return sum;
}

async function ownDatabase(): Promise<TestDatabase> {
  const database = await testDatabase();
  cleanups.push(() => database.drop());
  return database;
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

/** Reads the address of the embedded PostgreSQL from the lock file in its data folder. */
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

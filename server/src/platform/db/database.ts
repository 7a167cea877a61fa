import { fileURLToPath } from "node:url";
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { migrate as applyMigrations } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import type { BasicLog } from "../telemetry/log.ts";
import { Listener } from "./listener.ts";

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/name?sslmode=…`; `?host=/folder` for a Unix socket, as in libpq. */
  url: string;
  log: BasicLog;
  /** Size of the connection pool, 1–100, without the connection for notifications. Default 10. */
  maxConnections?: number;
  /** The server cancels statements that take longer. Default 30 s, which a filter over millions of rows can reach. */
  statementTimeoutMs?: number;
}

export interface Database {
  /** Uses the same connections as `db`. Timestamps are strings in PostgreSQL's format. */
  sql: postgres.Sql;
  db: PostgresJsDatabase & { $client: postgres.Sql };
  /**
   * Calls `fn` for every notification on `channel`. Also calls it with an empty payload whenever listening starts or
   * resumes after a lost connection, because notifications may have been missed.
   * @returns a function that ends listening.
   */
  listen(channel: string, fn: (payload: string) => void): Promise<() => Promise<void>>;
  /** Brings the schema up to date. Safe to call from several processes at once. */
  migrate(): Promise<void>;
  /** Waits up to five seconds for running queries. Idempotent. */
  close(): Promise<void>;
}

/** The argument of the function that `db.transaction` runs. */
export type Transaction = Parameters<Parameters<Database["db"]["transaction"]>[0]>[0];

const CONNECT_LIMIT_S = 10;
const STATEMENT_TIMEOUT_MS = 30_000;
const CLOSE_LIMIT_S = 5;
const MIGRATION_LOCK_WAIT_S = 120;
/** Key of the advisory lock; an arbitrary number that no other program on the database uses. */
const MIGRATION_LOCK = 4_017_221_905;
const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../../migrations", import.meta.url));

/** Opens a pool and checks the connection. @throws Error with a one-line reason that never contains the password. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, log } = options;
  const connect = connector(url, log);
  const sql = connect(options.maxConnections ?? 10, options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS);
  try {
    await sql`select 1`;
  } catch (error) {
    await sql.end({ timeout: 0 });
    throw new Error(`Can't use the database ${databaseAddress(url)}: ${errorReason(error)}.`, {
      cause: error,
    });
  }
  const db = drizzle({ client: sql });
  const listener = new Listener({
    // Never close the connection for age or idleness: notifications in between would be lost.
    connect: (onnotify, onclose) =>
      connect(1, 0, { onnotify, onclose, idle_timeout: null, max_lifetime: null, fetch_types: false }),
    onFailure: (error) =>
      log.warn({ reason: errorReason(error) }, "Can't listen to the database; trying again"),
  });
  let closing: Promise<void> | null = null;
  return {
    sql,
    db,
    listen: (channel, fn) => listener.listen(channel, fn),
    migrate: () => migrate(connect, url),
    close() {
      closing ??= Promise.all([sql.end({ timeout: CLOSE_LIMIT_S }), listener.close()]).then(() => {});
      return closing;
    },
  };
}

/** @param statementTimeoutMs 0: none. */
type Connect = (maxConnections: number, statementTimeoutMs: number, extra?: object) => postgres.Sql;

function connector(url: string, log: BasicLog): Connect {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw new Error("DATABASE_URL is not a URL such as postgres://user:password@host:5432/name.");
  }
  if (!/^postgres(ql)?:$/.test(target.protocol)) {
    throw new Error(`DATABASE_URL starts with ${target.protocol}//, not postgres://.`);
  }
  const socketFolder = target.searchParams.get("host");
  const port = target.searchParams.get("port") ?? (target.port || "5432");
  // The driver would send these parameters to the server as settings.
  target.searchParams.delete("host");
  target.searchParams.delete("port");
  const address = socketFolder?.startsWith("/") ? { path: `${socketFolder}/.s.PGSQL.${port}` } : {};
  return (maxConnections, statementTimeoutMs, extra) =>
    postgres(target.href, {
      ...address,
      max: maxConnections,
      connect_timeout: CONNECT_LIMIT_S,
      // The driver prints notices to standard output by default.
      onnotice: (notice) => log.debug({ source: "postgres" }, notice["message"] ?? "notice"),
      connection: { application_name: "hearth", statement_timeout: statementTimeoutMs },
      ...extra,
    });
}

/** Host, port and database name, for messages. */
function databaseAddress(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get("host") ?? (port === "" ? hostname : `${hostname}:${port}`);
  return `${host}${host.startsWith("/") ? " " : ""}${decodeURIComponent(pathname)}`;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the host name could not be looked up",
  ENOENT: "there is no such socket",
  EACCES: "the socket may not be opened",
  CONNECT_TIMEOUT: `no answer within ${CONNECT_LIMIT_S} s`,
  "28P01": "the password is wrong",
  "28000": "the user may not log in",
  "3D000": "there is no such database",
  "53300": "it has no connection left",
  "57P03": "it is starting up or shutting down",
};

function errorReason(error: unknown): string {
  const code = String((error as { code?: unknown }).code ?? "");
  return REASONS[code] ?? (code === "" ? "the connection failed" : `error ${code}`);
}

async function migrate(connect: Connect, url: string): Promise<void> {
  // The advisory lock belongs to a connection, so use one connection for all statements.
  const sql = connect(1, 0);
  try {
    await sql.unsafe(`set lock_timeout = '${MIGRATION_LOCK_WAIT_S}s'`);
    await sql`select pg_advisory_lock(${MIGRATION_LOCK}::bigint)`;
    await applyMigrations(drizzle({ client: sql }), { migrationsFolder: MIGRATIONS_FOLDER });
  } catch (error) {
    throw new Error(
      `Can't migrate the database ${databaseAddress(url)}: ${errorReason((error as Error).cause ?? error)}.`,
      {
        cause: error,
      },
    );
  } finally {
    await sql.end({ timeout: CLOSE_LIMIT_S });
  }
}

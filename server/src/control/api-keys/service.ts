import { randomBytes } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { newApiKey, uuidv7Hex } from "../../lib/ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { DatabaseLog } from "../../platform/db/embedded.ts";
import type { Accounts, Principal } from "../accounts/service.ts";
import { readKeyFile, writeKeyFile } from "./key-file.ts";
import { Keyring } from "./keyring.ts";
import { API_KEYS_CHANNEL, type ApiKeyRow, apiKeyStore } from "./store.ts";

export type { Principal } from "../accounts/service.ts";

export interface BootstrapOptions {
  accountId: string;
  /** From the settings; null when none is set. */
  apiKey: string | null;
  /** Where a generated key is kept, mode 0600. */
  keyFile: string;
}

export interface BootstrapResult {
  /** The key, when this start generated it and people need to see it; else null. */
  apiKey: string | null;
  /** Whether the key is new to the database. */
  created: boolean;
}

export interface NewKey {
  accountId: string;
  name: string;
  role: "admin" | "user";
  /** Null: never. */
  expiresAtMs: number | null;
}

export interface ApiKeys {
  /**
   * Who `authorization`, a header's value, speaks for. Asks no database.
   * @throws AppError UNAUTHORIZED, the same for a key that is absent, malformed, unknown, disabled or expired.
   */
  authenticate(authorization: string | undefined): Principal;
  /** Sees to an admin key of the account: the given one, the one in the key file, or a new one. */
  bootstrap(options: BootstrapOptions): Promise<BootstrapResult>;
  /** The only moment the key itself is to be had. It works in this process once the promise settles. */
  create(key: NewKey): Promise<{ id: string; key: string }>;
  /** Ends a key for good; here at once, in other processes as soon as they hear of it. Idempotent. */
  disable(accountId: string, id: string): Promise<void>;
  /** Ends listening and refreshing. The database stays open. */
  close(): Promise<void>;
}

/** How long a key may go on working elsewhere after it was disabled, when the notification got lost. */
const REFRESH_MS = 15_000;
const PREFIX_CHARS = 8;

/** Loads all keys and keeps them fresh. */
export async function createApiKeys(deps: {
  database: Database;
  accounts: Accounts;
  clock: Clock;
  log: DatabaseLog;
}): Promise<ApiKeys> {
  const { database, accounts, clock, log } = deps;
  const store = apiKeyStore(database);
  const pepper = await store.secret("api-key-pepper", randomBytes(32).toString("base64url"));
  const keyring = new Keyring(Buffer.from(pepper, "base64url"), clock);
  const snapshot = keepFresh(async () => keyring.replace((await store.list()).map(entryOf)), clock, log);
  await snapshot.refresh();
  const unlisten = await database.listen(API_KEYS_CHANNEL, snapshot.poke);

  function rowOf(key: string, wanted: NewKey): ApiKeyRow {
    const nowMs = clock.now();
    return {
      id: uuidv7Hex(nowMs),
      accountId: wanted.accountId,
      name: wanted.name,
      prefix: key.slice(0, PREFIX_CHARS),
      digest: keyring.digestOf(key),
      role: wanted.role,
      createdAt: new Date(nowMs),
      expiresAt: wanted.expiresAtMs === null ? null : new Date(wanted.expiresAtMs),
      disabledAt: null,
    };
  }

  async function ensureAdminKey(key: string, accountId: string, origin: string): Promise<boolean> {
    await accounts.ensure(accountId);
    const wanted = rowOf(key, { accountId, name: "bootstrap", role: "admin", expiresAtMs: null });
    const created = await store.insertIfAbsent(wanted);
    const row = created ? wanted : await store.getByDigest(wanted.digest);
    if (row?.accountId !== accountId) throw new Error(`The key in ${origin} belongs to another account.`);
    if (row.role !== "admin") throw new Error(`The key in ${origin} is not an admin key.`);
    if (row.disabledAt !== null) throw new Error(`The key in ${origin} is disabled.`);
    await snapshot.refresh();
    return created;
  }

  return {
    authenticate: (authorization) => keyring.authenticate(authorization),
    async bootstrap({ accountId, apiKey, keyFile }) {
      if (apiKey !== null) {
        return { apiKey: null, created: await ensureAdminKey(apiKey, accountId, "HEARTH_API_KEY") };
      }
      const known = readKeyFile(keyFile);
      // The file first: a crash in between leaves a key that the next start makes good.
      const key = known ?? writeKeyFile(keyFile, newApiKey());
      const created = await ensureAdminKey(key, accountId, keyFile);
      return { apiKey: known === null ? key : null, created };
    },
    async create(wanted) {
      if ((await accounts.get(wanted.accountId)) === null)
        throw new AppError("NOT_FOUND", "No such account.");
      const key = newApiKey();
      const row = rowOf(key, wanted);
      if (!(await store.insertIfAbsent(row))) throw new Error("A fresh key is taken already.");
      await snapshot.refresh();
      return { id: row.id, key };
    },
    async disable(accountId, id) {
      await store.disable(accountId, id, new Date(clock.now()));
      await snapshot.refresh();
    },
    async close() {
      snapshot.stop();
      await unlisten();
    },
  };
}

function entryOf(row: ApiKeyRow): Parameters<Keyring["replace"]>[0][number] {
  return {
    digest: row.digest,
    // The bootstrap key is the operator's.
    principal: {
      accountId: row.accountId,
      keyId: row.id,
      userId: row.role,
      role: row.role,
      isOperator: row.name === "bootstrap",
    },
    expiresAtMs: row.expiresAt?.getTime() ?? null,
    disabled: row.disabledAt !== null,
  };
}

interface Freshness {
  /** Settles after a load that began after the call. */
  refresh(): Promise<void>;
  /** The same in the background; a failure is logged and made good by the next load. */
  poke(): void;
  stop(): void;
}

/** Runs `load` on demand, never two at once, and every 15 seconds. */
function keepFresh(load: () => Promise<void>, clock: Clock, log: DatabaseLog): Freshness {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let stopped = false;
  let cancelTimer = (): void => {};

  function begin(): Promise<void> {
    const begun = load().finally(() => {
      if (running === begun) running = null;
    });
    running = begun;
    return begun;
  }

  function refresh(): Promise<void> {
    if (running === null) return begin();
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null;
        return begin();
      });
    return next;
  }

  function poke(): void {
    if (stopped) return;
    refresh().catch((error: unknown) => {
      if (!stopped)
        log.warn({ err: error }, "API keys could not be reloaded; the last known ones stay in force");
    });
  }

  function schedule(): void {
    cancelTimer = clock.after(REFRESH_MS, () => {
      poke();
      schedule();
    });
  }
  schedule();
  return {
    refresh,
    poke,
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}

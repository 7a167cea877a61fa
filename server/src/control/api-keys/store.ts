import { and, eq, inArray, isNull, not, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { PRINCIPALS_CHANNEL } from "../accounts/service.ts";
import type { KeyLastUsed } from "./keyring.ts";
import { apiKeys } from "./table.ts";

export type ApiKeyRow = typeof apiKeys.$inferSelect;
export type KeyringRow = Pick<ApiKeyRow, "id" | "accountId" | "userId" | "digest" | "expireTime">;

const announce = sql`select pg_notify(${PRINCIPALS_CHANNEL}, '')`;
const FOREIGN_KEY_VIOLATION = "23503";

export interface ApiKeyStore {
  /** All keys that are neither deleted nor disabled. */
  all(): Promise<KeyringRow[]>;
  /** Returns deleted keys too. */
  getByDigest(digest: string): Promise<ApiKeyRow | null>;
  /** Null: the key doesn't exist or is deleted. */
  get(accountId: string, id: string): Promise<ApiKeyRow | null>;
  /** The subset of the ids that are keys of the account and not deleted. */
  existing(accountId: string, ids: readonly string[]): Promise<Set<string>>;
  /** Number of the account's keys that are not deleted. */
  count(accountId: string): Promise<number>;
  /** Keys that are not deleted. @param userId null: all users. */
  list(query: ListQuery, accountId: string, userId: string | null): Promise<Page<ApiKeyRow>>;
  /** `taken`: a key with this digest exists. `no user`: the user doesn't exist. */
  insert(row: ApiKeyRow): Promise<"done" | "taken" | "no user">;
  /** Replaces the row by the result of `change`, which may throw. @returns null when there is no such key. */
  change(accountId: string, id: string, change: (row: ApiKeyRow) => ApiKeyRow): Promise<ApiKeyRow | null>;
  /** @returns false when the account has no such key or the key is already deleted. */
  delete(accountId: string, id: string, deleteTime: Date): Promise<boolean>;
  /** Never replaces a later use by an earlier one. */
  recordLastUsed(uses: readonly KeyLastUsed[]): Promise<void>;
}

export function apiKeyStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): ApiKeyStore {
  const list = createListing({
    db,
    table: apiKeys,
    fields: {
      keyId: { sql: sql`${apiKeys.id}`, type: "string" },
      displayName: { sql: sql`${apiKeys.displayName}`, type: "string" },
      prefix: { sql: sql`${apiKeys.prefix}`, type: "string" },
      createTime: { sql: sql`${apiKeys.createTime}`, type: "timestamp", orderBy: apiKeys.createTime },
      expireTime: { sql: sql`${apiKeys.expireTime}`, type: "timestamp" },
      lastUsed: { sql: sql`${apiKeys.lastUsedTime}`, type: "timestamp" },
      disabled: { sql: sql`${apiKeys.disabled}`, type: "boolean" },
      annotations: { sql: sql`${apiKeys.annotations}`, type: "map" },
    },
    defaultOrder: "createTime desc",
    key: apiKeys.id,
    tokenSecret,
  });
  const live = (accountId: string) => and(eq(apiKeys.accountId, accountId), isNull(apiKeys.deleteTime));

  return {
    all: () =>
      db
        .select({
          id: apiKeys.id,
          accountId: apiKeys.accountId,
          userId: apiKeys.userId,
          digest: apiKeys.digest,
          expireTime: apiKeys.expireTime,
        })
        .from(apiKeys)
        .where(and(isNull(apiKeys.deleteTime), not(apiKeys.disabled))),
    async getByDigest(digest) {
      const [row] = await db.select().from(apiKeys).where(eq(apiKeys.digest, digest));
      return row ?? null;
    },
    async get(accountId, id) {
      const [row] = await db
        .select()
        .from(apiKeys)
        .where(and(live(accountId), eq(apiKeys.id, id)));
      return row ?? null;
    },
    async existing(accountId, ids) {
      const rows = await db
        .select({ id: apiKeys.id })
        .from(apiKeys)
        .where(and(live(accountId), inArray(apiKeys.id, [...ids])));
      return new Set(rows.map(({ id }) => id));
    },
    count: (accountId) => db.$count(apiKeys, live(accountId)),
    list(query, accountId, userId) {
      const ofUser = userId === null ? undefined : eq(apiKeys.userId, userId);
      return list(query, and(live(accountId), ofUser), `keys ${accountId} ${userId ?? "-"}`);
    },
    insert: (row) => insertKey(db, row),
    change: (accountId, id, change) =>
      db.transaction(async (tx) => {
        const isKey = and(live(accountId), eq(apiKeys.id, id));
        const [row] = await tx.select().from(apiKeys).where(isKey).for("update");
        if (row === undefined) return null;
        const next = change(row);
        const { displayName, annotations, expireTime, disabled } = next;
        await tx.update(apiKeys).set({ displayName, annotations, expireTime, disabled }).where(isKey);
        await tx.execute(announce);
        return next;
      }),
    delete: (accountId, id, deleteTime) =>
      db.transaction(async (tx) => {
        const changed = await tx
          .update(apiKeys)
          .set({ deleteTime })
          .where(and(live(accountId), eq(apiKeys.id, id)))
          .returning({ id: apiKeys.id });
        if (changed.length === 1) await tx.execute(announce);
        return changed.length === 1;
      }),
    async recordLastUsed(uses) {
      const values = JSON.stringify(uses.map(({ keyId, usedAtMs }) => [keyId, usedAtMs]));
      await db.execute(sql`
        update ${apiKeys} set last_used_time = greatest(last_used_time, to_timestamp((used->>1)::numeric / 1000))
        from jsonb_array_elements(${values}::jsonb) as used where ${apiKeys.id} = used->>0`);
    },
  };
}

async function insertKey(db: Database["db"], row: ApiKeyRow): Promise<"done" | "taken" | "no user"> {
  try {
    return await db.transaction(async (tx) => {
      const inserted = await tx
        .insert(apiKeys)
        .values(row)
        .onConflictDoNothing({ target: apiKeys.digest })
        .returning({ id: apiKeys.id });
      if (inserted.length === 0) return "taken";
      await tx.execute(announce);
      return "done";
    });
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    if (code === FOREIGN_KEY_VIOLATION) return "no user";
    throw error;
  }
}

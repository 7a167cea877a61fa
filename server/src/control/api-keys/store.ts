import { and, eq, isNull, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { apiKeys, platformSecrets } from "./table.ts";

export type ApiKeyRow = typeof apiKeys.$inferSelect;

/** Every change of a key is announced here, in the same transaction, so that all processes reload their keys. */
export const API_KEYS_CHANNEL = "hearth_api_keys";
const notifyAll = sql`select pg_notify(${API_KEYS_CHANNEL}, '')`;

export interface ApiKeyStore {
  /** Stores `candidate` under `name` unless a value is there already; returns the one that counts from now on. */
  secret(name: string, candidate: string): Promise<string>;
  list(): Promise<ApiKeyRow[]>;
  getByDigest(digest: string): Promise<ApiKeyRow | null>;
  /** False when the digest is taken. */
  insertIfAbsent(row: ApiKeyRow): Promise<boolean>;
  /** False when the account has no such key, or it is disabled already. */
  disable(accountId: string, id: string, disabledAt: Date): Promise<boolean>;
}

export function apiKeyStore({ db }: Pick<Database, "db">): ApiKeyStore {
  return {
    async secret(name, candidate) {
      await db.insert(platformSecrets).values({ name, value: candidate }).onConflictDoNothing();
      const [row] = await db.select().from(platformSecrets).where(eq(platformSecrets.name, name));
      if (row === undefined) throw new Error(`The platform secret ${name} can't be stored.`);
      return row.value;
    },
    list: () => db.select().from(apiKeys),
    async getByDigest(digest) {
      const [row] = await db.select().from(apiKeys).where(eq(apiKeys.digest, digest));
      return row ?? null;
    },
    insertIfAbsent: (row) =>
      db.transaction(async (tx) => {
        const inserted = await tx
          .insert(apiKeys)
          .values(row)
          .onConflictDoNothing({ target: apiKeys.digest })
          .returning({ id: apiKeys.id });
        if (inserted.length === 1) await tx.execute(notifyAll);
        return inserted.length === 1;
      }),
    disable: (accountId, id, disabledAt) =>
      db.transaction(async (tx) => {
        const changed = await tx
          .update(apiKeys)
          .set({ disabledAt })
          .where(and(eq(apiKeys.accountId, accountId), eq(apiKeys.id, id), isNull(apiKeys.disabledAt)))
          .returning({ id: apiKeys.id });
        if (changed.length === 1) await tx.execute(notifyAll);
        return changed.length === 1;
      }),
  };
}

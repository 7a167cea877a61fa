import { and, eq, inArray, or, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { PRINCIPALS_CHANNEL, ROLES } from "../accounts/service.ts";
import { users } from "./table.ts";

export type UserRow = typeof users.$inferSelect;

const announce = sql`select pg_notify(${PRINCIPALS_CHANNEL}, '')`;
const UNIQUE_VIOLATION = "23505";

/** @param admins ids of the account's admins. @returns the new row; null: delete the user. May throw. */
export type UserChange = (row: UserRow, admins: readonly string[]) => UserRow | null;
/** `email taken`: another user of the account has the new address. */
export type UserChangeResult = "done" | "missing" | "email taken";

export interface UserStore {
  get(accountId: string, id: string): Promise<UserRow | null>;
  operatorOf(accountId: string): Promise<UserRow | null>;
  /** Every user of the installation. */
  all(): Promise<Pick<UserRow, "accountId" | "id" | "role" | "isOperator" | "email">[]>;
  emails(accountId: string, ids: readonly string[]): Promise<{ id: string; email: string }[]>;
  list(query: ListQuery, accountId: string): Promise<Page<UserRow>>;
  count(accountId: string): Promise<number>;
  /** @returns false when the id or the email address is taken, or the account has another operator. */
  insertIfAbsent(row: UserRow): Promise<boolean>;
  /**
   * Replaces or deletes the row as `change` says. The row and those of all admins of the account are locked meanwhile.
   */
  change(accountId: string, id: string, change: UserChange): Promise<UserChangeResult>;
}

export function userStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): UserStore {
  const list = createListing({
    db,
    table: users,
    fields: {
      name: { sql: sql`('accounts/' || ${users.accountId} || '/users/' || ${users.id})`, type: "string" },
      displayName: { sql: sql`${users.displayName}`, type: "string" },
      serviceAccount: { sql: sql`${users.serviceAccount}`, type: "boolean" },
      role: { sql: sql`${users.role}`, type: "enum", values: ROLES },
      email: { sql: sql`${users.email}`, type: "string" },
      state: { sql: sql`${users.state}`, type: "enum", values: ["READY"] },
      createTime: { sql: sql`${users.createTime}`, type: "timestamp" },
      updateTime: { sql: sql`${users.updateTime}`, type: "timestamp" },
    },
    defaultOrder: "createTime desc",
    key: users.id,
    tokenSecret,
  });
  const is = (accountId: string, id: string) => and(eq(users.accountId, accountId), eq(users.id, id));

  return {
    async get(accountId, id) {
      const [row] = await db.select().from(users).where(is(accountId, id));
      return row ?? null;
    },
    async operatorOf(accountId) {
      const [row] = await db
        .select()
        .from(users)
        .where(and(eq(users.accountId, accountId), users.isOperator));
      return row ?? null;
    },
    all: () =>
      db
        .select({
          accountId: users.accountId,
          id: users.id,
          role: users.role,
          isOperator: users.isOperator,
          email: users.email,
        })
        .from(users),
    emails: (accountId, ids) =>
      db
        .select({ id: users.id, email: users.email })
        .from(users)
        .where(and(eq(users.accountId, accountId), inArray(users.id, [...ids]))),
    count: (accountId) => db.$count(users, eq(users.accountId, accountId)),
    list: (query, accountId) => list(query, eq(users.accountId, accountId), `users ${accountId}`),
    insertIfAbsent: (row) =>
      db.transaction(async (tx) => {
        const inserted = await tx.insert(users).values(row).onConflictDoNothing().returning({ id: users.id });
        if (inserted.length === 1) await tx.execute(announce);
        return inserted.length === 1;
      }),
    change: (accountId, id, change) => changeUser(db, accountId, id, change),
  };
}

async function changeUser(
  db: Database["db"],
  accountId: string,
  id: string,
  change: UserChange,
): Promise<UserChangeResult> {
  try {
    return await db.transaction(async (tx) => {
      // Lock the rows in the order of their ids, because two changes that lock in different orders would deadlock.
      const locked = await tx
        .select()
        .from(users)
        .where(and(eq(users.accountId, accountId), or(eq(users.role, "admin"), eq(users.id, id))))
        .orderBy(users.id)
        .for("update");
      const row = locked.find((candidate) => candidate.id === id);
      if (row === undefined) return "missing";
      const admins = locked.filter(({ role }) => role === "admin").map((admin) => admin.id);
      const next = change(row, admins);
      const isUser = and(eq(users.accountId, accountId), eq(users.id, id));
      if (next === null) await tx.delete(users).where(isUser);
      else await tx.update(users).set(next).where(isUser);
      await tx.execute(announce);
      return "done";
    });
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    if (code === UNIQUE_VIOLATION) return "email taken";
    throw error;
  }
}

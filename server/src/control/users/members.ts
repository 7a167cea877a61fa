import type { Clock } from "../../lib/clock.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { Accounts, Role } from "../accounts/service.ts";
import type { UserRow, UserStore } from "./store.ts";

/** A user as other domains see it. */
export interface Member {
  accountId: string;
  userId: string;
  role: Role;
  isOperator: boolean;
}

/** The users API for other domains. It makes no authorization checks. */
export interface Members {
  /** The account's operator user, created when absent. Safe to call from several processes at once. */
  ensureOperator(accountId: string): Promise<Member>;
  /** Null when there is no such user. */
  find(accountId: string, userId: string): Promise<Member | null>;
  /** Every user of the installation. */
  members(): Promise<Member[]>;
  /**
   * Email addresses by user id, for the users that exist. Answers from a cache that `members` refreshes, and the API
   * keys call `members` after every change. Without the cache each page of a list would need a second query.
   */
  emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export function createMembers(store: UserStore, accounts: Pick<Accounts, "ensure">, clock: Clock): Members {
  /** By `{account}/{user}`; null: the user does not exist. */
  let emailCache = new Map<string, string | null>();

  return {
    async ensureOperator(accountId) {
      await accounts.ensure(accountId);
      const fields = { displayName: "", email: "", role: "admin", serviceAccount: false } as const;
      // The id may belong to an ordinary user, who must not become the operator; then try another id.
      for (let id = "operator"; ; id = `operator-${randomId()}`) {
        const row = await store.operatorOf(accountId);
        if (row !== null) return toMember(row);
        await store.insertIfAbsent(newUserRow(clock, { accountId, id, isOperator: true, ...fields }));
      }
    },
    async find(accountId, userId) {
      const row = await store.get(accountId, userId);
      return row === null ? null : toMember(row);
    },
    async members() {
      const rows = await store.all();
      emailCache = new Map(rows.map(({ accountId, id, email }) => [`${accountId}/${id}`, email]));
      return rows.map(toMember);
    },
    async emailsOf(accountId, userIds) {
      const ids = [...new Set(userIds)];
      const cache = emailCache;
      const missing = ids.filter((id) => !cache.has(`${accountId}/${id}`));
      if (missing.length > 0) {
        const fetched = new Map(
          (await store.emails(accountId, missing)).map(({ id, email }) => [id, email] as const),
        );
        for (const id of missing) cache.set(`${accountId}/${id}`, fetched.get(id) ?? null);
      }
      return new Map(
        ids.flatMap((id) => {
          const email = cache.get(`${accountId}/${id}`) ?? null;
          return email === null ? [] : [[id, email] as const];
        }),
      );
    },
  };
}

export function newUserRow(
  clock: Clock,
  fields: Omit<UserRow, "state" | "createTime" | "updateTime">,
): UserRow {
  const now = new Date(clock.now());
  return { ...fields, state: "READY", createTime: now, updateTime: now };
}

function toMember(row: Pick<UserRow, "accountId" | "id" | "role" | "isOperator">): Member {
  return { accountId: row.accountId, userId: row.id, role: row.role, isOperator: row.isOperator };
}

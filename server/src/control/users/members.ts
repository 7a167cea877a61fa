import type { Clock } from "../../lib/clock.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { Accounts, Role } from "../accounts/service.ts";
import type { UserRow, UserStore } from "./store.ts";

/** Who a user is to the rest of the platform. */
export interface Member {
  accountId: string;
  userId: string;
  role: Role;
  isOperator: boolean;
}

/** What other domains ask of users; nobody is authorised here. */
export interface Members {
  /** The user of the account that runs the platform, made when there is none. Safe in several processes at once. */
  ensureOperator(accountId: string): Promise<Member>;
  /** Null when there is no such user. */
  find(accountId: string, userId: string): Promise<Member | null>;
  /** Every user of the installation. */
  members(): Promise<Member[]>;
  /**
   * The addresses of those of the users that exist, by user id. As `members` saw them last, which the keys' snapshot asks
   * after every change: lists would have to ask the database a second time for every page.
   */
  emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export function createMembers(store: UserStore, accounts: Pick<Accounts, "ensure">, clock: Clock): Members {
  /** By account and user; null for who is known not to exist. */
  let emails = new Map<string, string | null>();

  return {
    async ensureOperator(accountId) {
      await accounts.ensure(accountId);
      const fields = { displayName: "", email: "", role: "admin", serviceAccount: false } as const;
      // Somebody else's user may be called operator; it gains nothing by that.
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
      emails = new Map(rows.map(({ accountId, id, email }) => [`${accountId}/${id}`, email]));
      return rows.map(toMember);
    },
    async emailsOf(accountId, userIds) {
      const ids = [...new Set(userIds)];
      const known = emails;
      const unknown = ids.filter((id) => !known.has(`${accountId}/${id}`));
      if (unknown.length > 0) {
        const found = new Map(
          (await store.emails(accountId, unknown)).map(({ id, email }) => [id, email] as const),
        );
        for (const id of unknown) known.set(`${accountId}/${id}`, found.get(id) ?? null);
      }
      return new Map(
        ids.flatMap((id) => {
          const email = known.get(`${accountId}/${id}`) ?? null;
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

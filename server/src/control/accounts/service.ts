import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../platform/db/database.ts";
import { accountStore } from "./store.ts";

export {
  authorize,
  canSee,
  LIBRARY_ACCOUNT,
  notFound,
  type Principal,
  type Right,
  ROLES,
  type Role,
  visibility,
} from "./principal.ts";

export interface Account {
  id: string;
  createdAtMs: number;
}

export interface Accounts {
  /** Makes the account when it doesn't exist. Safe to call from several processes at once. */
  ensure(id: string): Promise<Account>;
  get(id: string): Promise<Account | null>;
}

export function createAccounts(deps: { database: Pick<Database, "db">; clock: Clock }): Accounts {
  const store = accountStore(deps.database);

  async function get(id: string): Promise<Account | null> {
    const row = await store.get(id);
    return row === null ? null : { id: row.id, createdAtMs: row.createdAt.getTime() };
  }

  return {
    get,
    async ensure(id) {
      await store.insertIfAbsent({ id, createdAt: new Date(deps.clock.now()) });
      const account = await get(id);
      if (account === null) throw new Error(`Account ${id} was deleted while it was being made.`);
      return account;
    },
  };
}

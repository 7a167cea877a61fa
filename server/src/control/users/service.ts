import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { updatePaths } from "../../lib/field-mask.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { type Accounts, authorize, notFound, type Principal } from "../accounts/service.ts";
import { applyPatch, newUserId, parseFields } from "./fields.ts";
import { createMembers, type Members, newUserRow } from "./members.ts";
import { type User, UserBody } from "./schema.ts";
import { type UserChange, type UserRow, userStore } from "./store.ts";
import { toUser } from "./view.ts";

export type { Member } from "./members.ts";
export type { User } from "./schema.ts";

/** Bounded, because every process keeps all users in memory. */
const MAX_USERS_PER_ACCOUNT = 10_000;

export interface Users extends Members {
  /**
   * For admins. The default id is derived from the email address; service accounts need an explicit id.
   * @throws AppError FORBIDDEN, NOT_FOUND (the account), BAD_REQUEST, ALREADY_EXISTS.
   */
  create(principal: Principal, accountId: string, userId: string | undefined, body: UserBody): Promise<User>;
  get(principal: Principal, accountId: string, userId: string): Promise<User>;
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ users: User[]; nextPageToken: string; totalSize: number }>;
  /**
   * For admins; every user may change their own display name. Takes effect in this process before the promise settles,
   * and in others when they receive the notification.
   * @throws AppError FAILED_PRECONDITION if the account would lose its last admin or the operator would not be an
   * admin.
   */
  update(
    principal: Principal,
    accountId: string,
    userId: string,
    body: UserBody,
    updateMask: string | undefined,
  ): Promise<User>;
  /** For admins. Deletes the user's keys too. @throws AppError FAILED_PRECONDITION as `update` does. */
  delete(principal: Principal, accountId: string, userId: string): Promise<void>;
  /** Calls `listener` after every change in this process, before the promise of the change settles. */
  onChange(listener: () => Promise<void>): void;
}

export function createUsers(deps: {
  database: Pick<Database, "db">;
  accounts: Pick<Accounts, "ensure" | "exists">;
  clock: Clock;
  tokenSecret: Buffer;
}): Users {
  const { accounts, clock } = deps;
  const store = userStore(deps.database, deps.tokenSecret);
  const listeners: (() => Promise<void>)[] = [];

  async function notifyListeners(): Promise<void> {
    for (const listener of listeners) await listener();
  }

  async function get(principal: Principal, accountId: string, userId: string): Promise<User> {
    authorize(principal, accountId, "read", titleOf(accountId, userId));
    const row = await store.get(accountId, userId);
    if (row === null) throw notFound(titleOf(accountId, userId));
    return toUser(row);
  }

  /** Inserts the row. A derived id that is taken gets a random suffix. @returns the inserted row. */
  async function insert(newRow: UserRow, isIdExplicit: boolean): Promise<UserRow> {
    for (let row = newRow; ; row = { ...newRow, id: `${newRow.id}-${randomId()}` }) {
      if (await store.insertIfAbsent(row)) return row;
      if ((await store.get(row.accountId, row.id)) === null) throw emailTaken();
      if (!isIdExplicit) continue;
      const title = titleOf(row.accountId, row.id);
      throw new AppError("ALREADY_EXISTS", `${title} already exists.`, { param: "userId" });
    }
  }

  async function change(accountId: string, userId: string, apply: UserChange): Promise<void> {
    const result = await store.change(accountId, userId, apply);
    if (result === "missing") throw notFound(titleOf(accountId, userId));
    if (result === "email taken") throw emailTaken();
    await notifyListeners();
  }

  return {
    ...createMembers(store, accounts, clock),
    get,
    async create(principal, accountId, userId, body) {
      const account = `Account accounts/${accountId}`;
      authorize(principal, accountId, "admin", account);
      if (!(await accounts.exists(accountId))) throw notFound(account);
      if ((await store.count(accountId)) >= MAX_USERS_PER_ACCOUNT) {
        throw new AppError("FAILED_PRECONDITION", `An account has at most ${MAX_USERS_PER_ACCOUNT} users.`);
      }
      const id = newUserId(userId, body);
      const fields = parseFields(accountId, id, body);
      const newRow = newUserRow(clock, { accountId, id, isOperator: false, ...fields });
      const row = await insert(newRow, userId !== undefined);
      await notifyListeners();
      return toUser(row);
    },
    async list(principal, accountId, query) {
      authorize(principal, accountId, "read", `Account accounts/${accountId}`);
      const page = await store.list(query, accountId);
      return { users: page.rows.map(toUser), nextPageToken: page.nextPageToken, totalSize: page.totalSize };
    },
    async update(principal, accountId, userId, body, updateMask) {
      const paths = updatePaths(updateMask, body, UserBody);
      const isOwnName =
        principal.accountId === accountId &&
        principal.userId === userId &&
        paths.every((path) => path === "displayName");
      authorize(principal, accountId, isOwnName ? "read" : "admin", titleOf(accountId, userId));
      await change(accountId, userId, (row, admins) => {
        const next = { ...row, ...applyPatch(row, body, paths), updateTime: new Date(clock.now()) };
        if (!isOwnName) checkUserChange(principal, row, next, admins);
        return next;
      });
      return get(principal, accountId, userId);
    },
    async delete(principal, accountId, userId) {
      authorize(principal, accountId, "admin", titleOf(accountId, userId));
      await change(accountId, userId, (row, admins) => {
        checkUserChange(principal, row, null, admins);
        return null;
      });
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}

/**
 * Checks a change of a user, with the rows of all admins locked.
 * @param next null: the user is deleted. @param admins ids of the account's admins.
 */
function checkUserChange(
  principal: Principal,
  row: UserRow,
  next: UserRow | null,
  admins: readonly string[],
): void {
  // The principal is from before the lock. Another process may have taken the admin role away since.
  if (!principal.isOperator && !admins.includes(principal.userId)) {
    throw new AppError("FORBIDDEN", "Only admins manage users.");
  }
  if (row.isOperator && !principal.isOperator) {
    throw new AppError("FORBIDDEN", "Only the operator of the platform changes this user.");
  }
  if (row.role !== "admin" || next?.role === "admin") return;
  if (row.isOperator) {
    throw new AppError("FAILED_PRECONDITION", "The operator of the platform stays an admin.");
  }
  if (admins.length === 1) {
    throw new AppError("FAILED_PRECONDITION", "An account keeps at least one admin; make another one first.");
  }
}

function emailTaken(): AppError {
  return new AppError("ALREADY_EXISTS", "Another user of the account has this email address.", {
    param: "email",
  });
}

function titleOf(accountId: string, userId: string): string {
  return `User accounts/${accountId}/users/${userId}`;
}

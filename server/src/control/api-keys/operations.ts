import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { newApiKey } from "../../lib/ids.ts";
import { authorize, isAdmin, notFound, type Principal } from "../accounts/service.ts";
import type { Users } from "../users/service.ts";
import { applyPatch, newKeyRow } from "./fields.ts";
import type { ApiKeyRow, ApiKeyStore } from "./store.ts";
import type { ApiKeys } from "./types.ts";
import { toApiKey } from "./view.ts";

/** Bounded, because every process keeps all keys in memory. */
const MAX_KEYS_PER_ACCOUNT = 10_000;

export interface ApiKeyOperationsDeps {
  store: ApiKeyStore;
  users: Pick<Users, "find" | "emailsOf">;
  clock: Clock;
  digestOf(key: string): string;
  refresh(): Promise<void>;
}

interface KeyPath {
  accountId: string;
  /** Null: the path names no user. */
  userId: string | null;
  keyId: string;
}

/** The operations of the API keys resource. */
export function createApiKeyOperations(
  deps: ApiKeyOperationsDeps,
): Pick<ApiKeys, "create" | "list" | "get" | "update" | "delete"> {
  const { store, users, clock } = deps;

  /** @throws AppError NOT_FOUND. */
  async function isOperatorUser(accountId: string, userId: string): Promise<boolean> {
    const member = await users.find(accountId, userId);
    if (member === null) throw notFound(titleOf(accountId, userId));
    return member.isOperator;
  }

  /**
   * The key, if the principal may see it: an admin, or the key's own user.
   * @throws AppError NOT_FOUND, also for a key that exists but is not visible.
   */
  async function findVisible(
    principal: Principal,
    { accountId, userId, keyId }: KeyPath,
  ): Promise<ApiKeyRow> {
    authorize(principal, accountId, "inference", "API key");
    const row = await store.get(accountId, keyId);
    const isVisible =
      row !== null &&
      (userId ?? row.userId) === row.userId &&
      (isAdmin(principal) || isOwnKey(principal, row));
    if (!isVisible) throw notFound("API key");
    return row;
  }

  /** The key, if the principal may change it. @throws AppError NOT_FOUND, FORBIDDEN. */
  async function findChangeable(principal: Principal, path: KeyPath): Promise<ApiKeyRow> {
    const row = await findVisible(principal, path);
    authorizeKeyAccess(principal, path.accountId, row.userId);
    if (await isOperatorUser(path.accountId, row.userId)) requireOperator(principal);
    return row;
  }

  return {
    async create(principal, accountId, userId, body) {
      const owner = userId ?? ownUserId(principal, accountId);
      authorizeKeyAccess(principal, accountId, owner);
      if (await isOperatorUser(accountId, owner)) requireOperator(principal);
      if ((await store.count(accountId)) >= MAX_KEYS_PER_ACCOUNT) {
        throw new AppError("FAILED_PRECONDITION", `An account has at most ${MAX_KEYS_PER_ACCOUNT} API keys.`);
      }
      const text = newApiKey();
      const key = { text, digest: deps.digestOf(text), accountId, userId: owner };
      const row = newKeyRow(key, body, clock.now());
      const result = await store.insert(row);
      if (result === "no user") throw notFound(titleOf(accountId, owner));
      if (result === "taken") throw new Error("A new random key exists already.");
      await deps.refresh();
      return { ...toApiKey(row, await users.emailsOf(accountId, [owner])), key: text };
    },
    async list(principal, accountId, userId, query) {
      authorize(principal, accountId, "inference", `Account accounts/${accountId}`);
      if (userId !== null) {
        authorizeKeyAccess(principal, accountId, userId);
        await isOperatorUser(accountId, userId);
      }
      const owner = userId ?? (isAdmin(principal) ? null : principal.userId);
      const { rows, ...page } = await store.list(query, accountId, owner);
      const emails = await users.emailsOf(
        accountId,
        rows.map((row) => row.userId),
      );
      return { apiKeys: rows.map((row) => toApiKey(row, emails)), ...page };
    },
    async get(principal, accountId, userId, keyId) {
      const row = await findVisible(principal, { accountId, userId, keyId });
      return toApiKey(row, await users.emailsOf(accountId, [row.userId]));
    },
    async update(principal, accountId, userId, keyId, body, updateMask) {
      const { userId: owner } = await findChangeable(principal, { accountId, userId, keyId });
      const row = await store.change(accountId, keyId, (current) =>
        applyPatch(current, body, updateMask, clock.now()),
      );
      if (row === null) throw notFound("API key");
      await deps.refresh();
      return toApiKey(row, await users.emailsOf(accountId, [owner]));
    },
    async delete(principal, accountId, userId, keyId) {
      await findChangeable(principal, { accountId, userId, keyId });
      await store.delete(accountId, keyId, new Date(clock.now()));
      await deps.refresh();
    },
  };
}

/** Every user may manage their own keys; other users' keys need an admin. @throws AppError NOT_FOUND, FORBIDDEN. */
function authorizeKeyAccess(principal: Principal, accountId: string, userId: string): void {
  const permission = isOwnKey(principal, { accountId, userId }) ? "inference" : "admin";
  authorize(principal, accountId, permission, titleOf(accountId, userId));
}

function isOwnKey(
  principal: Principal,
  { accountId, userId }: Pick<ApiKeyRow, "accountId" | "userId">,
): boolean {
  return principal.accountId === accountId && principal.userId === userId;
}

function ownUserId(principal: Principal, accountId: string): string {
  authorize(principal, accountId, "inference", `Account accounts/${accountId}`);
  if (principal.accountId === accountId) return principal.userId;
  throw new AppError(
    "FAILED_PRECONDITION",
    `You are not a user of accounts/${accountId}: create the key for one of its users.`,
  );
}

/** Otherwise an admin could create a key with the operator's rights, or lock the operator out. */
function requireOperator(principal: Principal): void {
  if (principal.isOperator) return;
  throw new AppError("FORBIDDEN", "Only the operator of the platform manages the operator's keys.");
}

function titleOf(accountId: string, userId: string): string {
  return `User accounts/${accountId}/users/${userId}`;
}

import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { newApiKey } from "../../lib/ids.ts";
import { authorize, isAdmin, notFound, type Principal } from "../accounts/service.ts";
import type { Users } from "../users/service.ts";
import { applyPatch, newKeyRow } from "./fields.ts";
import type { ApiKey } from "./schema.ts";
import type { ApiKeys } from "./service.ts";
import type { ApiKeyRow, ApiKeyStore } from "./store.ts";

/** Keys are kept in the memory of every process. */
const MAX_KEYS_PER_ACCOUNT = 10_000;

interface ApiKeyResourceDeps {
  store: ApiKeyStore;
  users: Pick<Users, "find" | "emailsOf">;
  clock: Clock;
  digestOf(key: string): string;
  refresh(): Promise<void>;
}

/** Keys as a resource. */
export function apiKeyResource(
  deps: ApiKeyResourceDeps,
): Pick<ApiKeys, "create" | "list" | "get" | "update" | "delete"> {
  const { store, users, clock } = deps;

  async function isOperators(accountId: string, userId: string): Promise<boolean> {
    const member = await users.find(accountId, userId);
    if (member === null) throw notFound(titleOf(accountId, userId));
    return member.isOperator;
  }

  async function changeable(
    principal: Principal,
    accountId: string,
    userId: string | null,
    keyId: string,
  ): Promise<ApiKeyRow> {
    const row = await visibleKey(store, principal, accountId, userId, keyId);
    authorizeKeyAccess(principal, accountId, row.userId);
    if (await isOperators(accountId, row.userId)) requireOperator(principal);
    return row;
  }

  return {
    async create(principal, accountId, userId, body) {
      const owner = userId ?? ownUserId(principal, accountId);
      authorizeKeyAccess(principal, accountId, owner);
      if (await isOperators(accountId, owner)) requireOperator(principal);
      if ((await store.count(accountId)) >= MAX_KEYS_PER_ACCOUNT) {
        throw new AppError("FAILED_PRECONDITION", `An account has at most ${MAX_KEYS_PER_ACCOUNT} API keys.`);
      }
      const text = newApiKey();
      const key = { text, digest: deps.digestOf(text), accountId, userId: owner };
      const row = newKeyRow(key, body, clock.now());
      const result = await store.insert(row);
      if (result === "no user") throw notFound(titleOf(accountId, owner));
      if (result === "taken") throw new Error("A fresh key is taken already.");
      await deps.refresh();
      return { ...toApiKey(row, await users.emailsOf(accountId, [owner])), key: text };
    },
    async list(principal, accountId, userId, query) {
      authorize(principal, accountId, "inference", `Account accounts/${accountId}`);
      if (userId !== null) {
        authorizeKeyAccess(principal, accountId, userId);
        await isOperators(accountId, userId);
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
      const row = await visibleKey(store, principal, accountId, userId, keyId);
      return toApiKey(row, await users.emailsOf(accountId, [row.userId]));
    },
    async update(principal, accountId, userId, keyId, body, updateMask) {
      const { userId: owner } = await changeable(principal, accountId, userId, keyId);
      const row = await store.change(accountId, keyId, (current) =>
        applyPatch(current, body, updateMask, clock.now()),
      );
      if (row === null) throw notFound("API key");
      await deps.refresh();
      return toApiKey(row, await users.emailsOf(accountId, [owner]));
    },
    async delete(principal, accountId, userId, keyId) {
      await changeable(principal, accountId, userId, keyId);
      await store.delete(accountId, keyId, new Date(clock.now()));
      await deps.refresh();
    },
  };
}

/** @throws AppError NOT_FOUND: a key of somebody else answers like none. */
async function visibleKey(
  store: ApiKeyStore,
  principal: Principal,
  accountId: string,
  userId: string | null,
  keyId: string,
): Promise<ApiKeyRow> {
  authorize(principal, accountId, "inference", "API key");
  const row = await store.get(accountId, keyId);
  const isVisible =
    row !== null && (userId ?? row.userId) === row.userId && (isAdmin(principal) || isOwn(principal, row));
  if (!isVisible) throw notFound("API key");
  return row;
}

/** One's own keys are everybody's business, other people's an admin's. */
function authorizeKeyAccess(principal: Principal, accountId: string, userId: string): void {
  const right = isOwn(principal, { accountId, userId }) ? "inference" : "admin";
  authorize(principal, accountId, right, titleOf(accountId, userId));
}

function isOwn(
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
    `You are no user of accounts/${accountId}: make the key of one of its users.`,
  );
}

/** An admin could make a key that does more than their own, or lock the operator out. */
function requireOperator(principal: Principal): void {
  if (principal.isOperator) return;
  throw new AppError("FORBIDDEN", "Only the operator of the platform handles the operator's keys.");
}

function titleOf(accountId: string, userId: string): string {
  return `User accounts/${accountId}/users/${userId}`;
}

function toApiKey(row: ApiKeyRow, emails: ReadonlyMap<string, string>): ApiKey {
  return {
    keyId: row.id,
    displayName: row.displayName,
    createTime: row.createTime.toISOString(),
    secure: true,
    email: emails.get(row.userId) ?? "",
    prefix: row.prefix,
    ...(row.expireTime === null ? {} : { expireTime: row.expireTime.toISOString() }),
    ...(row.disabled ? { disabled: true } : {}),
    annotations: row.annotations,
    ...(row.lastUsedTime === null ? {} : { lastUsed: row.lastUsedTime.toISOString() }),
  };
}

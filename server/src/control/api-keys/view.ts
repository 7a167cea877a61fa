import type { ApiKey } from "./schema.ts";
import type { ApiKeyRow } from "./store.ts";

/** @param emails addresses of users, by id. */
export function toApiKey(row: ApiKeyRow, emails: ReadonlyMap<string, string>): ApiKey {
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

import type { ListQuery } from "../../platform/db/listing.ts";
import type { Principal } from "../accounts/service.ts";
import type { BootstrapOptions, BootstrapResult } from "./bootstrap.ts";
import type { ApiKey, ApiKeyBody, UpdateApiKeyBody } from "./schema.ts";

export interface ApiKeys {
  /**
   * Authenticates the value of an `Authorization` header, without a database query.
   * @throws AppError UNAUTHORIZED, the same for a key that is absent, malformed, unknown, deleted, disabled or expired.
   */
  authenticate(authorization: string | undefined): Principal;
  /** Ensures that the account's operator has a key: the configured one, the one in the key file, or a new one. */
  bootstrap(options: BootstrapOptions): Promise<BootstrapResult>;
  /**
   * Creates a key of the user. Only admins create keys of other users. The result contains the key itself, which no
   * later response does. The key works in this process at once and in others within a second.
   * @param userId null: the caller.
   * @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST, FAILED_PRECONDITION when the account has too many.
   */
  create(principal: Principal, accountId: string, userId: string | null, body: ApiKeyBody): Promise<ApiKey>;
  /** Lists keys. @param userId null: for admins all keys of the account, for others their own. */
  list(
    principal: Principal,
    accountId: string,
    userId: string | null,
    query: ListQuery,
  ): Promise<{ apiKeys: ApiKey[]; nextPageToken: string; totalSize: number }>;
  get(principal: Principal, accountId: string, userId: string, keyId: string): Promise<ApiKey>;
  /**
   * Changes the key's name, annotations or expiry, or disables it. Takes effect in this process at once, in others
   * within a second.
   * @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST naming the field.
   */
  update(
    principal: Principal,
    accountId: string,
    userId: string,
    keyId: string,
    body: UpdateApiKeyBody,
    updateMask: string | undefined,
  ): Promise<ApiKey>;
  /** Deletes a key for good. Takes effect in this process at once, in others within a second. */
  delete(principal: Principal, accountId: string, userId: string | null, keyId: string): Promise<void>;
  /** The subset of the ids that are keys of the account. */
  existing(accountId: string, keyIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Stops the refreshes. The database stays open. */
  close(): Promise<void>;
}

import type { Clock } from "../../lib/clock.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { platformSecret } from "../../platform/db/secrets.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { PRINCIPALS_CHANNEL, type Principal } from "../accounts/service.ts";
import type { Users } from "../users/service.ts";
import { type BootstrapOptions, type BootstrapResult, bootstrapKey } from "./bootstrap.ts";
import { Keyring } from "./keyring.ts";
import { trackLastUsed } from "./last-used-tracker.ts";
import type { ApiKey, ApiKeyBody, UpdateApiKeyBody } from "./schema.ts";
import { type ApiKeyStore, apiKeyStore } from "./store.ts";
import { apiKeyResource } from "./view.ts";

export type { Principal } from "../accounts/service.ts";

export interface ApiKeys {
  /**
   * Who `authorization`, a header's value, speaks for. Asks no database.
   * @throws AppError UNAUTHORIZED, the same for a key that is absent, malformed, unknown, deleted or expired.
   */
  authenticate(authorization: string | undefined): Principal;
  /** Sees to a key of the account's operator: the given one, the one in the key file, or a new one. */
  bootstrap(options: BootstrapOptions): Promise<BootstrapResult>;
  /**
   * A key of the user, or one's own when that is null; other people's for admins. Its answer is the only one that holds
   * the key, which works in this process from then on and in others within a second.
   * @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST, FAILED_PRECONDITION when the account has too many.
   */
  create(principal: Principal, accountId: string, userId: string | null, body: ApiKeyBody): Promise<ApiKey>;
  /** The user's keys; when that is null, one's own, or as an admin all of the account. */
  list(
    principal: Principal,
    accountId: string,
    userId: string | null,
    query: ListQuery,
  ): Promise<{ apiKeys: ApiKey[]; nextPageToken: string; totalSize: number }>;
  get(principal: Principal, accountId: string, userId: string, keyId: string): Promise<ApiKey>;
  /**
   * Changes its name, labels or expiry, or disables it; in force here at once, in other processes within a second.
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
  /** Ends a key for good; here at once, in other processes within a second. */
  delete(principal: Principal, accountId: string, userId: string | null, keyId: string): Promise<void>;
  /** Those of the ids that are keys of the account. */
  existing(accountId: string, keyIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Ends listening and refreshing. The database stays open. */
  close(): Promise<void>;
}

/** How long a key may go on working elsewhere after it was deleted, when the notification got lost. */
const REFRESH_MS = 15_000;

/** Loads all keys and keeps them fresh. */
export async function createApiKeys(deps: {
  database: Database;
  users: Users;
  clock: Clock;
  log: BasicLog;
  /** Seals page tokens. */
  tokenSecret: Buffer;
}): Promise<ApiKeys> {
  const { database, users, clock, log } = deps;
  const store = apiKeyStore(database, deps.tokenSecret);
  const keyring = new Keyring(await platformSecret(database, "api-key-pepper"), clock);
  const snapshot = startRefreshLoop(() => load(keyring, store, users), {
    everyMs: REFRESH_MS,
    clock,
    onFailure: (err) =>
      log.warn({ err }, "API keys could not be reloaded; the last known ones stay in force"),
  });
  await snapshot.refresh();
  users.onChange(snapshot.refresh);
  const unlisten = await database.listen(PRINCIPALS_CHANNEL, snapshot.refreshInBackground);
  const uses = trackLastUsed(keyring, store, clock, log);
  const resourceDeps = { store, users, clock, digestOf: keyring.digestOf, refresh: snapshot.refresh };

  return {
    authenticate: (authorization) => keyring.authenticate(authorization),
    existing: store.existing,
    bootstrap: (options) => bootstrapKey(options, resourceDeps),
    ...apiKeyResource(resourceDeps),
    async close() {
      snapshot.stop();
      await uses.stop();
      await unlisten();
    },
  };
}

/** Keys and their users are read one after the other: a key without its user, just deleted, is none. */
async function load(keyring: Keyring, store: ApiKeyStore, users: Users): Promise<void> {
  const keys = await store.all();
  const members = new Map(
    (await users.members()).map((member) => [`${member.accountId}/${member.userId}`, member]),
  );
  keyring.replace(
    keys.flatMap(({ id, accountId, userId, digest, expireTime }) => {
      const member = members.get(`${accountId}/${userId}`);
      if (member === undefined) return [];
      return [{ digest, principal: { ...member, keyId: id }, expiresAtMs: expireTime?.getTime() ?? null }];
    }),
  );
}

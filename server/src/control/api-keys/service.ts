import type { Clock } from "../../lib/clock.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { Database } from "../../platform/db/database.ts";
import { platformSecret } from "../../platform/db/secrets.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { PRINCIPALS_CHANNEL } from "../accounts/service.ts";
import type { Users } from "../users/service.ts";
import { bootstrapKey } from "./bootstrap.ts";
import { Keyring } from "./keyring.ts";
import { trackLastUsed } from "./last-used-tracker.ts";
import { createApiKeyOperations } from "./operations.ts";
import { type ApiKeyStore, apiKeyStore } from "./store.ts";
import type { ApiKeys } from "./types.ts";

export type { Principal } from "../accounts/service.ts";
export type { ApiKeys } from "./types.ts";

/** How long a deleted key may still work in another process if the notification was lost. */
const REFRESH_MS = 15_000;

/** Loads all keys into memory and keeps them up to date. */
export async function createApiKeys(deps: {
  database: Database;
  users: Users;
  clock: Clock;
  log: BasicLog;
  /** Key for page tokens. */
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
  const lastUsed = trackLastUsed({ keyring, store, clock, log });
  const keyDeps = { store, users, clock, digestOf: keyring.digestOf, refresh: snapshot.refresh };

  return {
    authenticate: (authorization) => keyring.authenticate(authorization),
    existing: store.existing,
    bootstrap: (options) => bootstrapKey(options, keyDeps),
    ...createApiKeyOperations(keyDeps),
    async close() {
      snapshot.stop();
      await lastUsed.stop();
      await unlisten();
    },
  };
}

/** Loads keys and then users. A key whose user was deleted between the two queries is left out. */
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

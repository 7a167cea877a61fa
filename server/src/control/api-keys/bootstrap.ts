import type { Clock } from "../../lib/clock.ts";
import { newApiKey } from "../../lib/ids.ts";
import type { Users } from "../users/service.ts";
import { newKeyRow } from "./fields.ts";
import { readKeyFile, writeKeyFile } from "./key-file.ts";
import type { ApiKeyStore } from "./store.ts";

export interface BootstrapOptions {
  accountId: string;
  /** From the settings; null when none is set. */
  apiKey: string | null;
  /** Where a generated key is kept, mode 0600. */
  keyFile: string;
}

export interface BootstrapResult {
  /** The key, when this start generated it and people need to see it; else null. */
  apiKey: string | null;
  /** Whether the key is new to the database. */
  created: boolean;
}

interface BootstrapDeps {
  store: Pick<ApiKeyStore, "insert" | "getByDigest">;
  users: Pick<Users, "ensureOperator">;
  clock: Clock;
  digestOf(key: string): string;
  refresh(): Promise<void>;
}

/** Sees to a key of the account's operator. @throws Error with one line for people, which never holds the key. */
export async function bootstrapKey(
  { accountId, apiKey, keyFile }: BootstrapOptions,
  deps: BootstrapDeps,
): Promise<BootstrapResult> {
  if (apiKey !== null) {
    return { apiKey: null, created: await ensureKey(apiKey, accountId, "HEARTH_API_KEY", deps) };
  }
  const known = readKeyFile(keyFile);
  // The file first: a crash in between leaves a key that the next start makes good.
  const key = known ?? writeKeyFile(keyFile, newApiKey());
  const created = await ensureKey(key, accountId, keyFile, deps);
  return { apiKey: known === null ? key : null, created };
}

/** True when the key is new. */
async function ensureKey(
  text: string,
  accountId: string,
  origin: string,
  deps: BootstrapDeps,
): Promise<boolean> {
  const { userId } = await deps.users.ensureOperator(accountId);
  const key = { text, digest: deps.digestOf(text), accountId, userId };
  const wanted = newKeyRow(key, { displayName: "bootstrap" }, deps.clock.now());
  const result = await deps.store.insert(wanted);
  const row = result === "done" ? wanted : await deps.store.getByDigest(wanted.digest);
  if (row?.accountId !== accountId) throw new Error(`The key in ${origin} belongs to another account.`);
  if (row.userId !== userId) throw new Error(`The key in ${origin} is not the operator's.`);
  if (row.deleteTime !== null) throw new Error(`The key in ${origin} was deleted; take another one.`);
  if (row.disabled) throw new Error(`The key in ${origin} is disabled; take another one.`);
  if (row.expireTime !== null && row.expireTime.getTime() <= deps.clock.now()) {
    throw new Error(`The key in ${origin} has expired; take another one.`);
  }
  await deps.refresh();
  return result === "done";
}

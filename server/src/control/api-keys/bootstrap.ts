import type { Clock } from "../../lib/clock.ts";
import { newApiKey } from "../../lib/ids.ts";
import type { Users } from "../users/service.ts";
import { newKeyRow } from "./fields.ts";
import { readKeyFile, writeKeyFile } from "./key-file.ts";
import type { ApiKeyStore } from "./store.ts";

export interface BootstrapOptions {
  accountId: string;
  /** The key in the settings; null: none. */
  apiKey: string | null;
  /** File for a generated key, mode 0600. */
  keyFile: string;
}

export interface BootstrapResult {
  /** The key if this start generated it, to be shown to the operator once; else null. */
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

/** Ensures that the account's operator has a key. @throws Error with a one-line message that never contains the key. */
export async function bootstrapKey(
  { accountId, apiKey, keyFile }: BootstrapOptions,
  deps: BootstrapDeps,
): Promise<BootstrapResult> {
  if (apiKey !== null) {
    return { apiKey: null, created: await ensureKey(apiKey, accountId, "HEARTH_API_KEY", deps) };
  }
  const existing = readKeyFile(keyFile);
  // Write the file first. After a crash before the insert, the next start inserts the key from the file.
  const key = existing ?? writeKeyFile(keyFile, newApiKey());
  const created = await ensureKey(key, accountId, keyFile, deps);
  return { apiKey: existing === null ? key : null, created };
}

/** @param origin setting or file of the key, for error messages. @returns whether the key is new. */
async function ensureKey(
  text: string,
  accountId: string,
  origin: string,
  deps: BootstrapDeps,
): Promise<boolean> {
  const { userId } = await deps.users.ensureOperator(accountId);
  const key = { text, digest: deps.digestOf(text), accountId, userId };
  const newRow = newKeyRow(key, { displayName: "bootstrap" }, deps.clock.now());
  const result = await deps.store.insert(newRow);
  const row = result === "done" ? newRow : await deps.store.getByDigest(newRow.digest);
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

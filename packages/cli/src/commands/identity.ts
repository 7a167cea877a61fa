import { openClient } from "../client.ts";
import type { Settings } from "../config/settings.ts";
import { CliError } from "../errors.ts";
import type { ProcessContext } from "../process-context.ts";
import type { Context } from "./context.ts";

/** Whose a key is. */
export interface Identity {
  accountId: string;
  /** Null: the host doesn't say. */
  userId: string | null;
}

/** Asks the host. @throws CliError when it is none of this API; AuthenticationError for a wrong key */
export async function identify(
  processContext: ProcessContext,
  settings: Settings,
  apiKey: string,
): Promise<Identity> {
  let headers = new Headers();
  const watching: typeof globalThis.fetch = async (...args) => {
    const response = await processContext.fetch(...args);
    headers = response.headers;
    return response;
  };
  const client = openClient({ ...processContext, fetch: watching }, settings, apiKey);
  await client.request({ method: "GET", path: "/verifyApiKey" }, { signal: processContext.signal });
  const accountId = headers.get("x-fireworks-account-id");
  if (accountId !== null) return { accountId, userId: headers.get("x-fireworks-user-id") };
  throw new CliError(
    `${settings.host.value} doesn't say whose the key is: it may not be the address of the API.`,
    "Check the address: --api-base, or FIREWORKS_API_BASE.",
  );
}

/** The id of the user whose key is used; null when the host doesn't say, or the account is another one than the key's. */
export async function ownUser(context: Context): Promise<string | null> {
  const settings = await context.settings();
  if (settings.apiKey === null) return null;
  const { accountId, userId } = await identify(context.processContext, settings, settings.apiKey.value);
  return (settings.accountId?.value ?? accountId) === accountId ? userId : null;
}

import { openClient } from "../client.ts";
import type { Settings } from "../config/settings.ts";
import { CliError } from "../errors.ts";
import type { ProcessContext } from "../process-context.ts";
import type { Context } from "./context.ts";

/** The account and user that a key belongs to. */
export interface Identity {
  accountId: string;
  /** Null when the host doesn't say. */
  userId: string | null;
}

/** Asks the host whose key it is. @throws CliError when the host doesn't answer as this API; AuthenticationError for a wrong key */
export async function identify(
  processContext: ProcessContext,
  settings: Settings,
  apiKey: string,
): Promise<Identity> {
  let headers = new Headers();
  const recordHeaders: typeof globalThis.fetch = async (...args) => {
    const response = await processContext.fetch(...args);
    headers = response.headers;
    return response;
  };
  const client = openClient({ ...processContext, fetch: recordHeaders }, settings, apiKey);
  await client.request({ method: "GET", path: "/verifyApiKey" }, { signal: processContext.signal });
  const accountId = headers.get("x-fireworks-account-id");
  if (accountId !== null) return { accountId, userId: headers.get("x-fireworks-user-id") };
  throw new CliError(
    `${settings.host.value} doesn't say which account the key belongs to, so it may not be the address of the API.`,
    "Check the address: --api-base, or FIREWORKS_API_BASE.",
  );
}

/** The id of the key's user; null when the host doesn't say, or when the command works in another account than the key's. */
export async function ownUser(context: Context): Promise<string | null> {
  const settings = await context.settings();
  if (settings.apiKey === null) return null;
  const { accountId, userId } = await identify(context.processContext, settings, settings.apiKey.value);
  return (settings.accountId?.value ?? accountId) === accountId ? userId : null;
}

import { openClient } from "../client.ts";
import { DEFAULT_PROFILE, ProfileFile } from "../config/profiles.ts";
import { readSettings } from "../config/settings.ts";
import { CliError } from "../errors.ts";
import { printable, type ResourceObject } from "../output/text.ts";
import { readSecret } from "../prompt.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { identify } from "./identity.ts";

export const signIn: Run = async (context) => {
  const { host } = await readSettings(context.processContext, context.flags, { isNew: true });
  const given = context.text("api-key");
  const apiKey =
    given ?? (await readSecret(context.processContext, `API key for ${printable(host.value)}: `));
  await storeKey(context, apiKey, context.args[0] ?? context.text("account"));
};

export const setApiKey: Run = async (context) =>
  storeKey(context, context.args[0] as string, context.text("account"));

/** Checks a key with the host, and stores it in the profile. */
async function storeKey(context: Context, apiKey: string, wantedAccount: string | undefined): Promise<void> {
  const { processContext } = context;
  if (!/^[\x21-\x7e]{1,4096}$/.test(apiKey)) {
    throw new CliError(
      "That is not an API key.",
      'Get a key from an admin, or with "firectl create api-key".',
    );
  }
  const settings = await readSettings(processContext, context.flags, { isNew: true });
  const { accountId: keyAccountId, userId } = await identify(processContext, settings, apiKey);
  const accountId = wantedAccount?.replace(/^accounts\//, "") ?? keyAccountId;
  if (accountId !== keyAccountId) {
    // An operator's key works in every account, so ask the host whether this key may use the account.
    await openClient(processContext, settings, apiKey).accounts.get(
      accountId,
      {},
      { signal: processContext.signal },
    );
  }
  const file = new ProfileFile(processContext.home);
  await file.write(settings.profile, { apiKey, apiBase: settings.host.value, accountId });
  const who = userId === null ? "" : ` as ${userId}`;
  const where = settings.profile === DEFAULT_PROFILE ? "" : ` in profile ${settings.profile}`;
  await context.out.done(
    `Signed in to accounts/${accountId}${who} at ${settings.host.value}${where}. Saved in ${file.path}.`,
  );
  if (processContext.env["FIREWORKS_API_KEY"]) {
    await context.out.notice("FIREWORKS_API_KEY is set: commands without --profile use that key instead.");
  }
}

export const whoAmI: Run = async (context) => {
  const settings = await context.settings();
  const { host, apiKey, accountId, profile } = settings;
  if (apiKey === null) {
    throw new CliError(`Not signed in to ${host.value}.`, 'Run "firectl signin", or set FIREWORKS_API_KEY.');
  }
  const key = await identify(context.processContext, settings, apiKey.value);
  const account = accountId?.value ?? key.accountId;
  const shown: ResourceObject = {
    account: `accounts/${account}`,
    ...(account !== key.accountId && { accountOfKey: `accounts/${key.accountId}` }),
    ...(key.userId !== null && { user: `accounts/${key.accountId}/users/${key.userId}` }),
    host: host.value,
    profile,
    keyFrom: apiKey.from,
    hostFrom: host.from,
  };
  await context.out.resource(shown);
};

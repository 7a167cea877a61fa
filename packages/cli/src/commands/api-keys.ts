import { CliError, UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import { listParams, optionsOf, printList, requestFields, requireFields, targetName } from "./crud.ts";
import { ownUser } from "./identity.ts";
import { readName } from "./names.ts";

export const createApiKey: Run = async (context) => {
  const client = await context.client();
  const params = { apiKey: await requestFields(context) };
  const user = context.text("user");
  const created =
    user === undefined
      ? await client.apiKeys.create(params, optionsOf(context))
      : await client.apiKeys.createForUser(readName("user", "users", user), params, optionsOf(context));
  const { keyId, displayName, key, secure, ...others } = created;
  await context.out.resource({ keyId, displayName, key, secure, ...others });
  await context.out.notice("Be sure to save this key. It will not be shown again.");
};

export const updateApiKey: Run = async (context) => {
  const keyId = targetName(context);
  const userFlag = context.text("user");
  const fields = requireFields(context, await requestFields(context));
  const user = userFlag === undefined ? await ownUser(context) : readName("user", "users", userFlag);
  if (user === null)
    throw new UsageError(
      "The host doesn't say which user you are.",
      "Name the owner of the key with --user.",
    );
  const client = await context.client();
  const changed = await client.apiKeys.updateForUser(`${user}/apiKeys/${keyId}`, fields, optionsOf(context));
  await context.out.resource({ ...changed });
};

export const deleteApiKey: Run = async (context) => {
  const keyId = targetName(context);
  await (await context.client()).apiKeys.delete({ keyId }, optionsOf(context));
  await context.out.done(`Deleted API key ${keyId}.`);
};

export const getApiKey: Run = async (context) => {
  const keyId = targetName(context);
  const client = await context.client();
  const { items } = await client.apiKeys.list({ filter: `keyId = "${keyId}"` }, optionsOf(context)).page();
  const found = items.find((key) => key.keyId === keyId);
  if (found === undefined)
    throw new CliError(`There is no API key ${keyId}.`, 'See "firectl list api-key --all-users".');
  await context.out.resource({ ...found });
};

/** Lists the user's own keys. A host that doesn't name the user decides which keys it lists. */
export const listApiKeys: Run = async (context) => {
  const client = await context.client();
  const isAll = context.flags.get("all-users") === true || context.isDryRun;
  const user = isAll ? null : await ownUser(context);
  const listing =
    user === null
      ? client.apiKeys.list(listParams(context), optionsOf(context))
      : client.apiKeys.listForUser(user, listParams(context), optionsOf(context));
  await printList(context, listing as never);
};

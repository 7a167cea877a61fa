import type { Run } from "./command.ts";
import { optionsOf } from "./crud.ts";

/** The one that commands work in, unless one is named. */
export const getAccount: Run = async (context) => {
  const [given] = context.args;
  const accountId = given?.replace(/^accounts\//, "") ?? (await context.account());
  const client = await context.client();
  await context.out.thing({ ...(await client.accounts.get(accountId, {}, optionsOf(context))) });
};

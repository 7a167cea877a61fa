import type { types } from "@hearth/sdk";
import { quoted } from "../args/flags.ts";
import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { optionsOf, requestFields, requireFields } from "./crud.ts";

export const getAccount: Run = async (context) => {
  const accountId = await accountIdOf(context);
  const client = await context.client();
  await context.out.resource({ ...(await client.accounts.get(accountId, {}, optionsOf(context))) });
};

export const updateAccount: Run = async (context) => {
  const alerts = context.flags.get("spend-alerts-usd") as readonly string[] | undefined;
  const fields: types.Account = requireFields(context, {
    ...(await requestFields(context)),
    ...(alerts !== undefined && {
      notificationSettings: { monthlySpendThresholds: alerts.filter((amount) => amount !== "").map(money) },
    }),
  });
  const accountId = await accountIdOf(context);
  const client = await context.client();
  await context.out.resource({ ...(await client.accounts.update(accountId, fields, optionsOf(context))) });
};

/** The account named in the arguments; without one, the account of the settings. */
async function accountIdOf(context: Context): Promise<string> {
  const [account] = context.args;
  return account?.replace(/^accounts\//, "") ?? (await context.account());
}

/** Parses an amount such as `49.50`. */
function money(usd: string): types.Money {
  const [, units, fraction = ""] = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(usd) ?? [];
  if (units === undefined)
    throw new UsageError(`--spend-alerts-usd must be amounts such as 10,49.50, not ${quoted(usd)}.`);
  return { currencyCode: "USD", units, nanos: Number(fraction.padEnd(9, "0")) };
}

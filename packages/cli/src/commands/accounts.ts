import type { types } from "@hearth/sdk";
import { quoted } from "../args/flags.ts";
import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { optionsOf, requestFields, requireFields } from "./crud.ts";

export const getAccount: Run = async (context) => {
  const accountId = await target(context);
  const client = await context.client();
  await context.out.resource({ ...(await client.accounts.get(accountId, {}, optionsOf(context))) });
};

export const updateAccount: Run = async (context) => {
  const alerts = context.flags.get("spend-alerts-usd") as readonly string[] | undefined;
  const fields: types.Account = requireFields(context, {
    ...(await requestFields(context)),
    ...(alerts !== undefined && {
      notificationSettings: { monthlySpendThresholds: alerts.filter((one) => one !== "").map(money) },
    }),
  });
  const accountId = await target(context);
  const client = await context.client();
  await context.out.resource({ ...(await client.accounts.update(accountId, fields, optionsOf(context))) });
};

/** The account that is named, else the one that commands work in. */
async function target(context: Context): Promise<string> {
  const [given] = context.args;
  return given?.replace(/^accounts\//, "") ?? (await context.account());
}

/** `49.50` as the API has amounts. */
function money(usd: string): types.Money {
  const [, units, fraction = ""] = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(usd) ?? [];
  if (units === undefined) throw new UsageError(`--spend-alerts-usd can't be ${quoted(usd)}: try 10,49.50.`);
  return { currencyCode: "USD", units, nanos: Number(fraction.padEnd(9, "0")) };
}

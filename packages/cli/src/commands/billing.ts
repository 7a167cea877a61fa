import type { types } from "@hearth/sdk";
import { ListJson } from "../output/json.ts";
import { type Column, Table } from "../output/table.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { listParams, noteNextPage, optionsOf, requestFields, requireFields } from "./crud.ts";

export const getBilling: Run = async (context) => {
  const client = await context.client();
  await context.out.resource({ ...(await client.billing.get({}, optionsOf(context))) });
};

export const updateBilling: Run = async (context) => {
  const fields = requireFields(context, await requestFields(context));
  const terms = fields["tier"] === "AUTOMATIC" ? { ...fields, tier: null } : fields;
  const client = await context.client();
  await context.out.resource({ ...(await client.billing.update(terms, optionsOf(context))) });
};

/** The columns of the text output; JSON has all fields. */
const FIGURES: readonly Column[] = [
  ["REQUESTS", "requests"],
  ["PROMPT TOKENS", "promptTokens"],
  ["CACHED", "cachedPromptTokens"],
  ["GENERATED TOKENS", "generatedTokens"],
  ["ACCELERATOR SECONDS", "acceleratorSeconds"],
  ["CPU SECONDS", "cpuSeconds"],
  ["COST USD", "cost"],
];

/** Prints one page of groups, or all pages with `--no-paginate`. Holds one page at a time. */
export const reportUsage: Run = async (context) => {
  const { out, flags } = context;
  const client = await context.client();
  const groupBy = (flags.get("group-by") ?? []) as types.UsageGrouping[];
  const params = {
    ...listParams(context),
    groupBy,
    startTime: context.text("start-time"),
    endTime: context.text("end-time"),
    allAccounts: flags.get("all-accounts") as boolean | undefined,
  };
  const columns: Column[] = [...groupBy.map((name): Column => [name.toUpperCase(), name]), ...FIGURES];
  const writer = out.format === "text" ? new Table(columns) : new ListJson("usage");
  let pageToken = context.text("page-token");
  for (let count = 0; ; ) {
    const { usage, ...report } = await client.usage.query({ ...params, pageToken }, optionsOf(context));
    count += usage.length;
    await out.raw(writer.page(usage.map((group) => ({ ...group }))));
    pageToken = report.nextPageToken;
    if (pageToken !== "" && flags.get("no-paginate") === true) continue;
    await printTotals(context, writer, report, count);
    return;
  }
};

/** Prints the totals, which every page repeats, and how to get the next page. */
async function printTotals(
  context: Context,
  writer: Table | ListJson,
  report: Omit<types.UsageReport, "usage">,
  count: number,
): Promise<void> {
  if (writer instanceof ListJson) return context.out.raw(writer.end({ ...report }));
  const { total, startTime, endTime, nextPageToken, totalSize } = report;
  await context.out.notice(`From ${startTime} to ${endTime}: ${total.requests} requests, $${total.cost}.`);
  await noteNextPage(context, { nextPageToken, totalSize }, count);
}

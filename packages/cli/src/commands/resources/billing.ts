import type { Flag } from "../../args/flags.ts";
import type { Command } from "../command.ts";
import { PAGE_FLAGS } from "../global-flags.ts";
import type { Resource, Verb } from "../resource.ts";
import { ANY_ID, BILLING_TIERS, PAYMENT_TERMS, USAGE_GROUPINGS } from "./values.ts";

/** Commands for billing and audit logs, which only Hearth has. */

const BOOKING: readonly Flag[] = [
  { name: "amount-usd", type: "string", field: "amountUsd", help: "US dollars, such as 12.50 (required)." },
  {
    name: "reference",
    type: "string",
    field: "reference",
    help: "The payment's reference, such as the bank's transaction number.",
  },
  { name: "description", type: "string", field: "description", help: "The reason for the booking." },
  {
    name: "request-id",
    type: "string",
    field: "requestId",
    help: "An idempotency key of your choice: a repeated request with it books nothing.",
  },
];

/** A kind of booking. The operator creates bookings; the account's admins can read them. */
function bookings(
  collection: "payments" | "credits" | "adjustments",
  create: Pick<Verb, "summary" | "examples" | "flags">,
): Resource {
  const title = collection.slice(0, -1);
  return {
    collection,
    title,
    words: [title, collection],
    columns: TRANSACTION.columns,
    idPattern: ANY_ID,
    verbs: [
      { verb: "create", args: [], ...create, flags: [...BOOKING, ...(create.flags ?? [])] },
      {
        verb: "get",
        summary: `Print one of the account's ${collection}.`,
        examples: [`firectl get ${title} 01a1f8bf536876be`],
      },
      {
        verb: "list",
        summary: `List the account's ${collection}.`,
        examples: [`firectl list ${collection}`],
      },
    ],
  };
}

const TRANSACTION: Resource = {
  collection: "transactions",
  title: "transaction",
  words: ["transaction", "transactions"],
  columns: [
    ["NAME", "name"],
    ["KIND", "kind"],
    ["AMOUNT USD", "amountUsd"],
    ["CREATE TIME", "createTime"],
    ["REFERENCE", "reference"],
    ["DESCRIPTION", "description"],
  ],
  idPattern: ANY_ID,
  verbs: [
    {
      verb: "get",
      summary: "Print a transaction.",
      examples: ["firectl get transaction 01a1f8bf536876be"],
    },
    {
      verb: "list",
      summary: "List all transactions, including charges for usage.",
      examples: ["firectl list transactions --filter 'kind = payment' --order-by 'createTime desc'"],
    },
  ],
};

const INVOICE: Resource = {
  collection: "invoices",
  title: "invoice",
  words: ["invoice", "invoices"],
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["TOTAL USD", "totalUsd"],
    ["PAID USD", "paidUsd"],
    ["AMOUNT DUE USD", "amountDueUsd"],
    ["DUE TIME", "dueTime"],
  ],
  idPattern: ANY_ID,
  verbs: [
    { verb: "get", summary: "Print an invoice with its lines.", examples: ["firectl get invoice 2026-11"] },
    { verb: "list", summary: "List the invoices of the account.", examples: ["firectl list invoices"] },
  ],
};

const AUDIT_LOG: Resource = {
  collection: "auditLogs",
  title: "audit log",
  words: ["audit-log", "audit-logs"],
  columns: [
    ["CREATE TIME", "createTime"],
    ["ACTOR", "actor"],
    ["OPERATION", "operation"],
    ["RESOURCE", "resource"],
    ["OUTCOME", "outcome"],
  ],
  verbs: [
    {
      verb: "list",
      summary: "List who changed what, including refused attempts.",
      examples: ["firectl list audit-logs --order-by 'createTime desc' --page-size 20"],
    },
  ],
};

const BILLING: Resource = {
  collection: "billing",
  title: "billing",
  words: ["billing"],
  columns: [],
  verbs: [
    {
      verb: "get",
      summary: "Print the account's debts, credits and spending limit.",
      args: [],
      examples: ["firectl get billing"],
      load: () => import("../billing.ts").then(({ getBilling }) => getBilling),
    },
    {
      verb: "update",
      summary: "Set an account's billing terms (operators only).",
      args: [],
      flags: [
        {
          name: "tier",
          type: "string",
          field: "tier",
          values: [...BILLING_TIERS, "AUTOMATIC"],
          help: "The spending tier. AUTOMATIC derives it from past payments.",
        },
        {
          name: "payment-terms",
          type: "string",
          field: "paymentTerms",
          values: PAYMENT_TERMS,
          help: "PREPAID stops the service when the credits are used up.",
        },
        {
          name: "suspend-state",
          type: "string",
          field: "suspendState",
          values: ["BLOCKED_BY_ABUSE_RULE", "UNSUSPENDED"],
          help: "BLOCKED_BY_ABUSE_RULE suspends the account; UNSUSPENDED lifts the suspension.",
        },
      ],
      examples: ["firectl update billing -a acme --tier UNLIMITED"],
      load: () => import("../billing.ts").then(({ updateBilling }) => updateBilling),
    },
  ],
};

export const BILLING_RESOURCES: readonly Resource[] = [
  BILLING,
  INVOICE,
  TRANSACTION,
  bookings("payments", {
    summary: "Book a payment of an account (operators only).",
    examples: ["firectl create payment -a acme --amount-usd 250 --reference 'bank 17' --request-id bank-17"],
  }),
  bookings("credits", {
    summary: "Book credits for an account (operators only).",
    flags: [{ name: "granted", type: "bool", field: "granted", help: "The credits are free, not bought." }],
    examples: ["firectl create credit -a acme --amount-usd 5 --granted --description Welcome"],
  }),
  bookings("adjustments", {
    summary: "Charge an account an extra amount (operators only).",
    examples: ["firectl create adjustment -a acme --amount-usd 3 --description Support"],
  }),
  AUDIT_LOG,
];

export const USAGE_COMMAND: Command = {
  words: [["get"], ["usage"]],
  summary: "Print usage and cost, in groups.",
  args: [],
  flags: [
    {
      name: "group-by",
      type: "strings",
      values: USAGE_GROUPINGS,
      help: `Group by ${USAGE_GROUPINGS.join(", ")}. Repeat it, or separate values by commas.`,
    },
    {
      name: "start-time",
      type: "string",
      help: "The first hour, such as 2026-01-31T08:00:00Z. Default: the start of this month.",
    },
    { name: "end-time", type: "string", help: "The end of the last hour. Default: now." },
    {
      name: "filter",
      type: "string",
      help: "Count only matching usage: an AIP-160 filter over the groups, except hour and day.",
    },
    { name: "all-accounts", type: "bool", help: "Report the usage of all accounts (operators only)." },
    ...PAGE_FLAGS,
  ],
  examples: [
    "firectl get usage --group-by model,day",
    "firectl get usage --start-time 2026-01-01T00:00:00Z --filter 'kind = text' -o json",
  ],
  load: () => import("../billing.ts").then(({ reportUsage }) => reportUsage),
};

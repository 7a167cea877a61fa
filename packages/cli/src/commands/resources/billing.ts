import type { Flag } from "../../args/flags.ts";
import type { Command } from "../command.ts";
import { PAGE_FLAGS } from "../global-flags.ts";
import type { Resource, Verb } from "../resource.ts";
import { ANY_ID, BILLING_TIERS, PAYMENT_TERMS, USAGE_GROUPINGS } from "./values.ts";

/** What Hearth has beside the compatible API: money and who did what. */

const BOOKING: readonly Flag[] = [
  { name: "amount-usd", type: "string", field: "amountUsd", help: "US dollars, such as 12.50 (required)." },
  {
    name: "reference",
    type: "string",
    field: "reference",
    help: "Where the money was seen, such as the bank's number.",
  },
  { name: "description", type: "string", field: "description", help: "What it is for." },
  {
    name: "request-id",
    type: "string",
    field: "requestId",
    help: "A name of your choice: the same again books nothing again.",
  },
];

/** A kind of booking; the operator makes them, admins of the account see them. */
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
      summary: "Print a movement of money.",
      examples: ["firectl get transaction 01a1f8bf536876be"],
    },
    {
      verb: "list",
      summary: "List all movements of money, usage among them.",
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
      summary: "List who changed what, or was not let to.",
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
      summary: "Print what the account owes, has and may spend.",
      args: [],
      examples: ["firectl get billing"],
      load: () => import("../billing.ts").then(({ getBilling }) => getBilling),
    },
    {
      verb: "update",
      summary: "Set an account's terms; for whoever runs the platform.",
      args: [],
      flags: [
        {
          name: "tier",
          type: "string",
          field: "tier",
          values: [...BILLING_TIERS, "AUTOMATIC"],
          help: "How much may be spent. AUTOMATIC: what was paid decides.",
        },
        {
          name: "payment-terms",
          type: "string",
          field: "paymentTerms",
          values: PAYMENT_TERMS,
          help: "PREPAID ends the service with the credits.",
        },
        {
          name: "suspend-state",
          type: "string",
          field: "suspendState",
          values: ["BLOCKED_BY_ABUSE_RULE", "UNSUSPENDED"],
          help: "Stops the account, and takes that back.",
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
    summary: "Book what an account paid; for whoever runs the platform.",
    examples: ["firectl create payment -a acme --amount-usd 250 --reference 'bank 17' --request-id bank-17"],
  }),
  bookings("credits", {
    summary: "Book credits of an account; for whoever runs the platform.",
    flags: [{ name: "granted", type: "bool", field: "granted", help: "They are given for free." }],
    examples: ["firectl create credit -a acme --amount-usd 5 --granted --description Welcome"],
  }),
  bookings("adjustments", {
    summary: "Charge an account something; for whoever runs the platform.",
    examples: ["firectl create adjustment -a acme --amount-usd 3 --description Support"],
  }),
  AUDIT_LOG,
];

export const USAGE_COMMAND: Command = {
  words: [["get"], ["usage"]],
  summary: "Print what was used and what it costs, by groups.",
  args: [],
  flags: [
    {
      name: "group-by",
      type: "strings",
      values: USAGE_GROUPINGS,
      help: `Rows to make: ${USAGE_GROUPINGS.join(", ")}. Can be repeated, or with commas.`,
    },
    {
      name: "start-time",
      type: "string",
      help: "A full hour, such as 2026-01-31T08:00:00Z. Default: this month's first.",
    },
    { name: "end-time", type: "string", help: "A full hour, exclusive. Default: now." },
    {
      name: "filter",
      type: "string",
      help: "Of what: an AIP-160 filter over what there is to group by but hours and days.",
    },
    { name: "all-accounts", type: "bool", help: "Of every account; for whoever runs the platform." },
    ...PAGE_FLAGS,
  ],
  examples: [
    "firectl get usage --group-by model,day",
    "firectl get usage --start-time 2026-01-01T00:00:00Z --filter 'kind = text' -o json",
  ],
  load: () => import("../billing.ts").then(({ reportUsage }) => reportUsage),
};

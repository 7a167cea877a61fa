import { type Static, Type } from "typebox";
import { PAYMENT_TERMS, TIERS, TRANSACTION_KINDS } from "../../metering/billing/service.ts";

/** US dollars as decimal text: `12.50`, `0.000015`. */
const Usd = Type.String();

const SpendAlert = Type.Object({
  /** First day of the month. */
  month: Type.String(),
  /** Percentage of the limit: 50, 80 or 100. Absent: a threshold that the account has set. */
  percent: Type.Optional(Type.Integer()),
  /** The amount that was reached. */
  thresholdUsd: Usd,
  /** The limit at that time; absent: unlimited. */
  limitUsd: Type.Optional(Usd),
  spentUsd: Usd,
  createTime: Type.String(),
});

export const BillingSummary = Type.Object({
  /** `accounts/{account}/billing`. */
  name: Type.String(),
  /** Whether this installation charges usage and limits spending. */
  enabled: Type.Boolean(),
  tier: Type.Enum([...TIERS]),
  /** `PREPAID`: the account is suspended when its credits are used up. */
  paymentTerms: Type.Enum([...PAYMENT_TERMS]),
  /** Spending in this month, UTC. */
  monthToDateUsd: Usd,
  /** The limit in force; absent: unlimited. Change it with the quota `monthly-spend-usd`. */
  spendLimitUsd: Type.Optional(Usd),
  /** Limit of the tier; absent: unlimited. */
  maxSpendLimitUsd: Type.Optional(Usd),
  creditBalanceUsd: Usd,
  /** Unpaid charges, invoiced or not. */
  outstandingBalanceUsd: Usd,
  suspendState: Type.String(),
  spendAlerts: Type.Array(SpendAlert),
});
export type BillingSummary = Static<typeof BillingSummary>;

/** For the operator. */
export const BillingTerms = Type.Object({
  /** Null: the tier that the account qualifies for. */
  tier: Type.Optional(Type.Enum([...TIERS])),
  /** Null: `POSTPAID`. */
  paymentTerms: Type.Optional(Type.Enum([...PAYMENT_TERMS])),
  /** `BLOCKED_BY_ABUSE_RULE` suspends the account. `UNSUSPENDED` or null ends that suspension. */
  suspendState: Type.Optional(Type.String()),
});
export type BillingTerms = Static<typeof BillingTerms>;

/** A transaction of the ledger, with its effect on the account. */
export const TransactionBody = Type.Object({
  name: Type.String(),
  kind: Type.Enum([...TRANSACTION_KINDS]),
  amountUsd: Usd,
  /** Part of the amount that reduced the debt. */
  appliedToBalanceUsd: Usd,
  /** Part of the amount that became credits. */
  addedToCreditsUsd: Usd,
  reference: Type.String(),
  description: Type.String(),
  createdBy: Type.String(),
  createTime: Type.String(),
});
export type TransactionBody = Static<typeof TransactionBody>;

const id = { pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" };

/** For the operator. */
export const LedgerEntryBody = Type.Object({
  /** Up to 999999999.999999. */
  amountUsd: Type.Optional(Usd),
  /** The bank's or payment provider's reference of the payment. */
  reference: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  /** Idempotency key, chosen by the client: a repeated request with the same value records nothing again. */
  requestId: Type.Optional(Type.String(id)),
});
export type LedgerEntryBody = Static<typeof LedgerEntryBody>;

export const CreditBody = Type.Object({
  ...LedgerEntryBody.properties,
  /** The credits are free, so they don't count towards a tier. */
  granted: Type.Optional(Type.Boolean()),
});
export type CreditBody = Static<typeof CreditBody>;

const InvoiceLine = Type.Object({
  kind: Type.String(),
  /** The model or deployment that was used. */
  subject: Type.String(),
  /** Month of the usage; before the invoice's period for usage that was charged late. */
  month: Type.String(),
  /** Start of the first hour with usage. */
  startTime: Type.String(),
  /** End of the last hour with usage. */
  endTime: Type.String(),
  amountUsd: Usd,
});

export const InvoiceBody = Type.Object({
  name: Type.String(),
  state: Type.Enum(["OPEN", "PAID", "PAST_DUE"]),
  periodStart: Type.String(),
  /** Exclusive. */
  periodEnd: Type.String(),
  totalUsd: Usd,
  /** Paid by credits and payments. */
  paidUsd: Usd,
  amountDueUsd: Usd,
  createTime: Type.String(),
  dueTime: Type.String(),
  /** Absent in lists. */
  lines: Type.Optional(Type.Array(InvoiceLine)),
});
export type InvoiceBody = Static<typeof InvoiceBody>;

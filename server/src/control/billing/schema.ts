import { type Static, Type } from "typebox";
import { PAYMENT_TERMS, TIERS, TRANSACTION_KINDS } from "../../metering/billing/service.ts";

/** US dollars as decimal text: `12.50`, `0.000015`. */
const Usd = Type.String();

const SpendAlert = Type.Object({
  /** First day of the month. */
  month: Type.String(),
  /** Of the limit: 50, 80 or 100. Absent: the account asked to hear of the amount. */
  percent: Type.Optional(Type.Integer()),
  /** The amount that was reached. */
  thresholdUsd: Usd,
  /** As it was then; absent: unlimited. */
  limitUsd: Type.Optional(Usd),
  spentUsd: Usd,
  createTime: Type.String(),
});

export const BillingSummary = Type.Object({
  /** `accounts/{account}/billing`. */
  name: Type.String(),
  /** Whether usage is owed and limited here. */
  enabled: Type.Boolean(),
  tier: Type.Enum([...TIERS]),
  /** `PREPAID`: the service ends with the credits. */
  paymentTerms: Type.Enum([...PAYMENT_TERMS]),
  /** What was used this month, UTC. */
  monthToDateUsd: Usd,
  /** In force; absent: unlimited. Set as the quota `monthly-spend-usd`. */
  spendLimitUsd: Type.Optional(Usd),
  /** The tier's; absent: unlimited. */
  maxSpendLimitUsd: Type.Optional(Usd),
  creditBalanceUsd: Usd,
  /** Charged and not paid, on an invoice or not yet. */
  outstandingBalanceUsd: Usd,
  suspendState: Type.String(),
  spendAlerts: Type.Array(SpendAlert),
});
export type BillingSummary = Static<typeof BillingSummary>;

/** For the operator. */
export const BillingTerms = Type.Object({
  /** Null: the one that the account qualifies for. */
  tier: Type.Optional(Type.Enum([...TIERS])),
  /** Null: `POSTPAID`. */
  paymentTerms: Type.Optional(Type.Enum([...PAYMENT_TERMS])),
  /** `BLOCKED_BY_ABUSE_RULE` stops the account until `UNSUSPENDED`, or null, takes that back. */
  suspendState: Type.Optional(Type.String()),
});
export type BillingTerms = Static<typeof BillingTerms>;

/** A movement of money, and its receipt. */
export const TransactionBody = Type.Object({
  name: Type.String(),
  kind: Type.Enum([...TRANSACTION_KINDS]),
  amountUsd: Usd,
  /** What of it paid for what was owed. */
  appliedToBalanceUsd: Usd,
  /** What of it became credits. */
  addedToCreditsUsd: Usd,
  reference: Type.String(),
  description: Type.String(),
  createdBy: Type.String(),
  createTime: Type.String(),
});
export type TransactionBody = Static<typeof TransactionBody>;

const id = { pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" };

/** For the operator. */
export const BookingBody = Type.Object({
  /** Up to 999999999.999999. */
  amountUsd: Type.Optional(Usd),
  /** Where the money was seen: the bank's or the provider's name of the payment. */
  reference: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  /** Chosen by the client: the same again books nothing again. */
  requestId: Type.Optional(Type.String(id)),
});
export type BookingBody = Static<typeof BookingBody>;

export const CreditBody = Type.Object({
  ...BookingBody.properties,
  /** Given for free, so that they qualify for no tier. */
  granted: Type.Optional(Type.Boolean()),
});
export type CreditBody = Static<typeof CreditBody>;

const InvoiceLine = Type.Object({
  kind: Type.String(),
  /** What was used: a model, a deployment. */
  subject: Type.String(),
  /** In which month; earlier than the invoice's for what became known late. */
  month: Type.String(),
  /** The first hour in which it was used, and the end of the last. */
  startTime: Type.String(),
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
  /** By credits and payments. */
  paidUsd: Usd,
  amountDueUsd: Usd,
  createTime: Type.String(),
  dueTime: Type.String(),
  /** Only of a single invoice. */
  lines: Type.Optional(Type.Array(InvoiceLine)),
});
export type InvoiceBody = Static<typeof InvoiceBody>;

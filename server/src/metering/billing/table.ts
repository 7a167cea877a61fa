import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

/** Accounts of the double-entry ledger. Debits are positive, and all entries together add up to zero. */
const LEDGER_ACCOUNTS = [
  /** Money that the customer owes. */
  "balance",
  /** Money that the customer has paid in advance; a liability of the platform, so never positive. */
  "credits",
  "revenue",
  "payments",
  /** Free credits and waived usage. */
  "adjustments",
] as const;
export type LedgerAccount = (typeof LEDGER_ACCOUNTS)[number];

export const TRANSACTION_KINDS = [
  "usage",
  /** Usage that nobody owes, because billing is off or reserved capacity served it. */
  "waived_usage",
  "reservation",
  "payment",
  "credit_purchase",
  /** Free credits. */
  "credit_grant",
  /** A charge made by the operator. */
  "adjustment",
] as const;
export type TransactionKind = (typeof TRANSACTION_KINDS)[number];

export const TIERS = ["TIER_1", "TIER_2", "TIER_3", "TIER_4", "UNLIMITED"] as const;
export type Tier = (typeof TIERS)[number];

/** `PREPAID`: usage is paid from credits, and the account is suspended when they are used up. */
export const PAYMENT_TERMS = ["POSTPAID", "PREPAID"] as const;
export type PaymentTerms = (typeof PAYMENT_TERMS)[number];

const micros = (name: string) => bigint(name, { mode: "bigint" });
const time = (name: string) => timestamp(name, { withTimezone: true });

/**
 * One row for each account with ledger transactions: sums of its ledger. Locking the row serializes the transactions of
 * the account.
 */
export const billingAccounts = pgTable(
  "billing_accounts",
  {
    accountId: text("account_id").primaryKey(),
    /** Positive: credits. Negative: debt. */
    netMicros: micros("net_micros").notNull().default(sql`0`),
    receivedMicros: micros("received_micros").notNull().default(sql`0`),
    chargedMicros: micros("charged_micros").notNull().default(sql`0`),
    /** Total of payments and purchased credits, which decides the tier. */
    qualifyingMicros: micros("qualifying_micros").notNull().default(sql`0`),
    /** Set by the customer; null: the tier's limit. */
    spendLimitMicros: micros("spend_limit_micros"),
    /** Set by the operator; null: the tier that the account qualifies for. */
    tier: text({ enum: TIERS }),
    /** Set by the operator. */
    paymentTerms: text("payment_terms", { enum: PAYMENT_TERMS }).notNull().default("POSTPAID"),
    updateTime: time("update_time").notNull(),
  },
  (t) => [
    check("billing_accounts_net_check", sql`${t.netMicros} = ${t.receivedMicros} - ${t.chargedMicros}`),
    check("billing_accounts_limit_check", sql`${t.spendLimitMicros} >= 0`),
    check(
      "billing_accounts_tier_check",
      sql`${t.tier} in ('TIER_1', 'TIER_2', 'TIER_3', 'TIER_4', 'UNLIMITED')`,
    ),
    check("billing_accounts_payment_terms_check", sql`${t.paymentTerms} in ('POSTPAID', 'PREPAID')`),
  ],
);

/** Append-only. Triggers ensure that its entries are inserted in the same commit and add up to zero. */
export const ledgerTransactions = pgTable(
  "ledger_transactions",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    kind: text({ enum: TRANSACTION_KINDS }).notNull(),
    amountMicros: micros("amount_micros").notNull(),
    idempotencyKey: text("idempotency_key").notNull().unique(),
    /** The payment's reference at the payment provider. */
    reference: text().notNull(),
    description: text().notNull(),
    /** Full name of the user; empty: the platform itself. */
    createdBy: text("created_by").notNull(),
    createTime: time("create_time").notNull(),
  },
  (t) => [
    index("ledger_transactions_account_id_create_time_index").on(
      t.accountId,
      t.createTime.desc(),
      t.id.desc(),
    ),
    check("ledger_transactions_amount_check", sql`${t.amountMicros} > 0`),
    check(
      "ledger_transactions_kind_check",
      sql`${t.kind} in ('usage', 'waived_usage', 'reservation', 'payment', 'credit_purchase', 'credit_grant', 'adjustment')`,
    ),
  ],
);

/** Append-only. */
export const ledgerEntries = pgTable(
  "ledger_entries",
  {
    transactionId: text("transaction_id")
      .notNull()
      .references(() => ledgerTransactions.id),
    ledgerAccount: text("ledger_account", { enum: LEDGER_ACCOUNTS }).notNull(),
    /** The customer. */
    accountId: text("account_id").notNull(),
    micros: micros("micros").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.transactionId, t.ledgerAccount] }),
    check("ledger_entries_micros_check", sql`${t.micros} <> 0`),
    check(
      "ledger_entries_ledger_account_check",
      sql`${t.ledgerAccount} in ('balance', 'credits', 'revenue', 'payments', 'adjustments')`,
    ),
  ],
);

/** Append-only. The lines of an invoice are the charges with its id. */
export const invoices = pgTable(
  "invoices",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    periodStart: time("period_start").notNull(),
    periodEnd: time("period_end").notNull(),
    totalMicros: micros("total_micros").notNull(),
    /** Total of all earlier invoices of the account. Payments settle the oldest invoice first. */
    invoicedBeforeMicros: micros("invoiced_before_micros").notNull(),
    createTime: time("create_time").notNull(),
    dueTime: time("due_time").notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.id] })],
);

/** Items of charging transactions. Append-only, except that `invoiceId` is set once. */
export const billingCharges = pgTable(
  "billing_charges",
  {
    transactionId: text("transaction_id")
      .notNull()
      .references(() => ledgerTransactions.id),
    accountId: text("account_id").notNull(),
    /** Hour of the usage, UTC. */
    hour: time("hour").notNull(),
    /** A kind of usage, `reservation` or `adjustment`. */
    kind: text().notNull(),
    /** The model, deployment or reservation that was used. */
    subject: text().notNull(),
    micros: micros("micros").notNull(),
    waived: boolean().notNull(),
    invoiceId: text("invoice_id"),
  },
  (t) => [
    primaryKey({ columns: [t.transactionId, t.kind, t.subject] }),
    index("billing_charges_hour_index").on(t.hour, t.accountId),
    index("billing_charges_invoice_index").on(t.accountId, t.invoiceId),
    check("billing_charges_micros_check", sql`${t.micros} > 0`),
    foreignKey({
      name: "billing_charges_invoice_fk",
      columns: [t.accountId, t.invoiceId],
      foreignColumns: [invoices.accountId, invoices.id],
    }),
  ],
);

/** Since when usage is owed, or is not. */
export const billingModes = pgTable("billing_modes", {
  id: bigint({ mode: "bigint" }).primaryKey().generatedAlwaysAsIdentity(),
  enabled: boolean().notNull(),
  startTime: time("start_time").notNull(),
});

/** Spending alerts: at most one for each threshold and month. */
export const spendAlerts = pgTable(
  "spend_alerts",
  {
    accountId: text("account_id").notNull(),
    month: time("month").notNull(),
    /** Percentage of the limit; 0: a threshold that the customer has set. */
    percent: integer().notNull(),
    /** The amount that was reached. */
    thresholdMicros: micros("threshold_micros").notNull(),
    /** The limit at that time; null: unlimited. */
    limitMicros: micros("limit_micros"),
    spentMicros: micros("spent_micros").notNull(),
    createTime: time("create_time").notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.month, t.percent, t.thresholdMicros] })],
);

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

/** Where money stands. Debits are positive; all entries of everybody add up to zero. */
export const LEDGER_ACCOUNTS = [
  /** What the customer owes. */
  "balance",
  /** What the customer has paid for and not used yet; a debt of ours, so never positive. */
  "credits",
  "revenue",
  "payments",
  /** What was given away or waived. */
  "adjustments",
] as const;
export type LedgerAccount = (typeof LEDGER_ACCOUNTS)[number];

export const TRANSACTION_KINDS = [
  "usage",
  /** Owed by nobody: billing is off, or reserved capacity served it. */
  "waived_usage",
  "reservation",
  "payment",
  "credit_purchase",
  /** Credits for free. */
  "credit_grant",
  /** The operator charges something. */
  "adjustment",
] as const;
export type TransactionKind = (typeof TRANSACTION_KINDS)[number];

export const TIERS = ["TIER_1", "TIER_2", "TIER_3", "TIER_4", "UNLIMITED"] as const;
export type Tier = (typeof TIERS)[number];

/** `PREPAID`: nothing is left to be invoiced; when the credits are used up, so is the service. */
export const PAYMENT_TERMS = ["POSTPAID", "PREPAID"] as const;
export type PaymentTerms = (typeof PAYMENT_TERMS)[number];

const micros = (name: string) => bigint(name, { mode: "bigint" });
const time = (name: string) => timestamp(name, { withTimezone: true });

/** One row for each customer with money: its sums, and the lock that orders what happens to it. */
export const billingAccounts = pgTable(
  "billing_accounts",
  {
    accountId: text("account_id").primaryKey(),
    /** Credits when positive, owed when negative. */
    netMicros: micros("net_micros").notNull().default(sql`0`),
    receivedMicros: micros("received_micros").notNull().default(sql`0`),
    chargedMicros: micros("charged_micros").notNull().default(sql`0`),
    /** Payments and bought credits, which qualify for a tier. */
    qualifyingMicros: micros("qualifying_micros").notNull().default(sql`0`),
    /** Set by the customer; null: the tier's. */
    spendLimitMicros: micros("spend_limit_micros"),
    /** Set by the operator; null: the one that the account qualifies for. */
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

/** Append-only; its entries come in the same commit and add up to zero, which triggers see to. */
export const ledgerTransactions = pgTable(
  "ledger_transactions",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    kind: text({ enum: TRANSACTION_KINDS }).notNull(),
    amountMicros: micros("amount_micros").notNull(),
    idempotencyKey: text("idempotency_key").notNull().unique(),
    /** Of the payment, where it was made. */
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

/** Never changed. Its lines are the charges that name it. */
export const invoices = pgTable(
  "invoices",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    periodStart: time("period_start").notNull(),
    periodEnd: time("period_end").notNull(),
    totalMicros: micros("total_micros").notNull(),
    /** The totals of all invoices before: what comes in pays the oldest first. */
    invoicedBeforeMicros: micros("invoiced_before_micros").notNull(),
    createTime: time("create_time").notNull(),
    dueTime: time("due_time").notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.id] })],
);

/** What a charge is for. Added once; its invoice is filled in once. */
export const billingCharges = pgTable(
  "billing_charges",
  {
    transactionId: text("transaction_id")
      .notNull()
      .references(() => ledgerTransactions.id),
    accountId: text("account_id").notNull(),
    /** When it was used, UTC. */
    hour: time("hour").notNull(),
    /** A kind of usage, `reservation` or `adjustment`. */
    kind: text().notNull(),
    /** What was used: a model, a deployment, a reservation. */
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

/** Warnings: once a month for each amount. */
export const spendAlerts = pgTable(
  "spend_alerts",
  {
    accountId: text("account_id").notNull(),
    month: time("month").notNull(),
    /** Of the limit; 0: the customer asked to hear of the amount. */
    percent: integer().notNull(),
    /** The amount that was reached. */
    thresholdMicros: micros("threshold_micros").notNull(),
    /** As it was then; null: unlimited. */
    limitMicros: micros("limit_micros"),
    spentMicros: micros("spent_micros").notNull(),
    createTime: time("create_time").notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.month, t.percent, t.thresholdMicros] })],
);

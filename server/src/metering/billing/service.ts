import type { Clock } from "../../lib/clock.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery, Page } from "../../platform/db/listing.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { BillingCycle } from "./billing-cycle.ts";
import { billingModeStore } from "./billing-mode-store.ts";
import { type InvoiceLine, type InvoiceRow, invoiceStore } from "./invoice-store.ts";
import type { LedgerEntry } from "./ledger-entries.ts";
import { type BillingAccountRow, clamp, ledgerStore, type TransactionRow } from "./ledger-store.ts";
import {
  manualPayments,
  type PaymentProvider,
  type ReservationSource,
  type Suspensions,
  type UsageCosts,
} from "./ports.ts";
import { SpendMonitor } from "./spend-monitor.ts";
import { type SpendAlertRow, spendStore } from "./spend-store.ts";
import type { PaymentTerms, Tier, TransactionKind } from "./table.ts";
import { type SpendLimit, spendLimitOf } from "./tiers.ts";
import { hourOf } from "./utc-periods.ts";

export type { InvoiceLine, InvoiceRow } from "./invoice-store.ts";
export type { LedgerEntry } from "./ledger-entries.ts";
export type { TransactionRow } from "./ledger-store.ts";
export type {
  HourlyCost,
  PaymentProvider,
  ReservationSource,
  SuspendState,
  Suspensions,
  UsageCosts,
} from "./ports.ts";
export type { SpendAlertRow } from "./spend-store.ts";
export {
  PAYMENT_TERMS,
  type PaymentTerms,
  TIERS,
  type Tier,
  TRANSACTION_KINDS,
  type TransactionKind,
} from "./table.ts";
export type { SpendLimit } from "./tiers.ts";

export interface BillingDeps {
  database: Database;
  clock: Clock;
  log: BasicLog;
  /** False: usage is recorded, but nobody owes it and no account has a spending limit. */
  enabled: boolean;
  usage: UsageCosts;
  suspensions: Suspensions;
  /** Monthly spending in micro-dollars at which accounts want an alert, by account id. Absent: no such thresholds. */
  spendThresholds?: () => Promise<ReadonlyMap<string, readonly bigint[]>>;
  /** Absent: there are no reservations. */
  reservations?: ReservationSource;
  /** Key for page tokens. */
  tokenSecret: Buffer;
  /** Default: the operator confirms payments. */
  payments?: PaymentProvider;
}

/** A payment, a credit, or a charge by the operator. */
export interface LedgerEntryInput {
  accountId: string;
  kind: "payment" | "credit_purchase" | "credit_grant" | "adjustment";
  /** > 0. */
  amountMicros: bigint;
  /** Idempotency key: a repeated call with the same id records nothing again. Null: each call records an entry. */
  requestId: string | null;
  reference: string;
  description: string;
  /** Full name of the user. */
  createdBy: string;
}

export interface BillingStatus {
  enabled: boolean;
  /** Paid in advance and not used yet. */
  creditMicros: bigint;
  owedMicros: bigint;
  /** In this month (UTC). Requests that ended on other gateways in the last seconds may be missing. */
  spentMicros: bigint;
  limit: SpendLimit;
  /** Set by the customer; null: none. */
  spendLimitMicros: bigint | null;
  paymentTerms: PaymentTerms;
}

export interface Invoice extends InvoiceRow {
  paidMicros: bigint;
  isPastDue: boolean;
}

export interface Billing {
  /**
   * Checks that the account may spend more, without a database query.
   * @throws AppError PAYMENT_REQUIRED with the reason.
   */
  check(accountId: string): void;
  /** Whether the account is suspended, so that its deployments and jobs must stop. Makes no database query. */
  isSuspended(accountId: string): boolean;
  /** Calls `listener` whenever the set of suspended accounts changes. */
  onSuspension(listener: () => void): void;
  /**
   * Records a payment, credit or charge. Payments and credits reduce the debt first.
   * @throws AppError ALREADY_EXISTS when `requestId` was used for a different entry.
   */
  recordEntry(entry: LedgerEntryInput): Promise<TransactionRow>;
  getTransaction(
    accountId: string,
    id: string,
    kinds: readonly TransactionKind[],
  ): Promise<TransactionRow | null>;
  /** The ledger entries of transactions, by transaction id. */
  entries(ids: readonly string[]): Promise<ReadonlyMap<string, readonly LedgerEntry[]>>;
  listTransactions(
    query: ListQuery,
    accountId: string,
    kinds: readonly TransactionKind[],
  ): Promise<Page<TransactionRow>>;
  status(accountId: string): Promise<BillingStatus>;
  /** Sets the given terms; null restores the default. Takes effect on every gateway within a second. */
  setTerms(
    accountId: string,
    terms: { spendLimitMicros?: bigint | null; tier?: Tier | null; paymentTerms?: PaymentTerms },
  ): Promise<void>;
  /**
   * Suspends the account, or ends that suspension.
   * @throws AppError ABORTED when other processes keep changing the state.
   */
  setBlocked(accountId: string, isBlocked: boolean): Promise<void>;
  alerts(accountId: string): Promise<SpendAlertRow[]>;
  getInvoice(accountId: string, id: string): Promise<(Invoice & { lines: InvoiceLine[] }) | null>;
  listInvoices(query: ListQuery, accountId: string): Promise<Page<Invoice>>;
  /** Charges usage of past hours, issues invoices and refreshes spending. Also runs by itself, every minute. */
  runCycle(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const CYCLE_MS = 60_000;

export function createBilling(deps: BillingDeps): Billing {
  const { database, clock, log, enabled, payments = manualPayments } = deps;
  const ledger = ledgerStore(database, deps.tokenSecret);
  const invoices = invoiceStore(database, deps.tokenSecret);
  const store = spendStore(database);
  const spend = new SpendMonitor({
    reservations: null,
    spendThresholds: async () => new Map(),
    ...deps,
    store,
    invoices,
  });
  const cycle = new BillingCycle({ reservations: null, ...deps, ledger, invoices });
  const cycleLoop = startRefreshLoop(() => cycle.run(), {
    everyMs: CYCLE_MS,
    clock,
    onFailure: (err) => log.warn({ err }, "Usage can't be charged yet"),
  });
  const modes = billingModeStore(database);
  const now = () => new Date(clock.now());

  return {
    check: (accountId) => spend.guard.check(accountId),
    isSuspended: (accountId) => spend.guard.isSuspended(accountId),
    onSuspension: (listener) => spend.onSuspension(listener),
    async recordEntry({ requestId, ...entry }) {
      const { accountId, kind, amountMicros } = entry;
      const isPaid = kind === "payment" || kind === "credit_purchase";
      const reference = isPaid ? await payments.confirm(entry) : entry.reference;
      const createTime = now();
      const hour = new Date(hourOf(clock.now()));
      const charge = { hour, kind, subject: "", micros: amountMicros };
      const row = await ledger.post({
        ...entry,
        reference,
        createTime,
        idempotencyKey: `${kind}/${accountId}/${requestId ?? `-${randomId()}`}`,
        charges: kind === "adjustment" ? [charge] : [],
      });
      await spend.refreshAndAnnounce();
      return row;
    },
    getTransaction: ledger.get,
    listTransactions: ledger.list,
    entries: ledger.entries,
    async status(accountId) {
      const row = await ledger.account(accountId);
      const { netMicros, spendLimitMicros, paymentTerms } = row ?? NO_ACCOUNT;
      return {
        enabled,
        creditMicros: netMicros > 0n ? netMicros : 0n,
        owedMicros: netMicros < 0n ? -netMicros : 0n,
        spentMicros: await spend.spent(accountId),
        limit: spendLimitOf(row ?? NO_ACCOUNT),
        spendLimitMicros,
        paymentTerms,
      };
    },
    async setTerms(accountId, terms) {
      await ledger.setTerms(accountId, terms, now());
      await spend.refreshAndAnnounce();
    },
    setBlocked: (accountId, isBlocked) => spend.setBlocked(accountId, isBlocked),
    alerts: store.alerts,
    async getInvoice(accountId, id) {
      const row = await invoices.get(accountId, id);
      if (row === null) return null;
      const invoice = withPayments(row, await ledger.account(accountId), now());
      return { ...invoice, lines: await invoices.lines(accountId, id) };
    },
    async listInvoices(query, accountId) {
      const page = await invoices.list(query, accountId);
      const account = await ledger.account(accountId);
      return { ...page, rows: page.rows.map((row) => withPayments(row, account, now())) };
    },
    async runCycle() {
      await cycleLoop.refresh();
      await spend.refresh();
    },
    async start() {
      await modes.switchTo(enabled, now(), () => cycle.waiveAll());
      await spend.start();
      cycleLoop.refreshInBackground();
    },
    async close() {
      cycleLoop.stop();
      await spend.close();
    },
  };
}

const NO_ACCOUNT = {
  netMicros: 0n,
  qualifyingMicros: 0n,
  spendLimitMicros: null,
  tier: null,
  paymentTerms: "POSTPAID" as const,
};

/** Adds the paid amount of an invoice: payments settle the oldest invoice first. */
function withPayments(row: InvoiceRow, account: BillingAccountRow | null, now: Date): Invoice {
  const available = (account?.receivedMicros ?? 0n) - row.invoicedBeforeMicros;
  const paidMicros = clamp(available, row.totalMicros);
  return { ...row, paidMicros, isPastDue: paidMicros < row.totalMicros && row.dueTime < now };
}

import type { Clock } from "../../lib/clock.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { ListQuery, Page } from "../../platform/db/listing.ts";
import { BillingCycle } from "./billing-cycle.ts";
import { billingModeStore } from "./billing-mode-store.ts";
import { type InvoiceLine, type InvoiceRow, type InvoiceStore, invoiceStore } from "./invoice-store.ts";
import type { LedgerEntry } from "./ledger-entries.ts";
import {
  type BillingAccountRow,
  clamp,
  type LedgerStore,
  ledgerStore,
  type TransactionRow,
} from "./ledger-store.ts";
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
  /** False: usage is written down but owed by nobody, and nobody is limited. */
  enabled: boolean;
  usage: UsageCosts;
  suspensions: Suspensions;
  /** Micro-dollars at which accounts want to hear what they have spent in a month. Absent: at none. */
  spendThresholds?: () => Promise<ReadonlyMap<string, readonly bigint[]>>;
  /** Absent: nothing is reserved. */
  reservations?: ReservationSource;
  /** Seals page tokens. */
  tokenSecret: Buffer;
  /** Default: the operator says what was paid. */
  payments?: PaymentProvider;
}

/** Money that comes in, or is charged by the operator. */
export interface LedgerEntryInput {
  accountId: string;
  kind: "payment" | "credit_purchase" | "credit_grant" | "adjustment";
  /** > 0. */
  amountMicros: bigint;
  /** The same again books nothing again. Null: each is a booking of its own. */
  requestId: string | null;
  reference: string;
  description: string;
  /** Full name of the user. */
  createdBy: string;
}

export interface BillingStatus {
  enabled: boolean;
  /** Paid for and not used. */
  creditMicros: bigint;
  owedMicros: bigint;
  /** In this month of UTC; what ended elsewhere in the last seconds may be missing. */
  spentMicros: bigint;
  limit: SpendLimit;
  /** What the customer has set. */
  spendLimitMicros: bigint | null;
  paymentTerms: PaymentTerms;
}

export interface Invoice extends InvoiceRow {
  paidMicros: bigint;
  isPastDue: boolean;
}

export interface Billing {
  /** Whether the account may spend more. Asks no database. @throws AppError PAYMENT_REQUIRED with the reason. */
  check(accountId: string): void;
  /** Whether what the account runs is to stand still. Asks no database. */
  isSuspended(accountId: string): boolean;
  onSuspension(listener: () => void): void;
  /** What comes in pays what is owed first. @throws AppError ALREADY_EXISTS when requestId stands for something else. */
  recordEntry(booking: LedgerEntryInput): Promise<TransactionRow>;
  getTransaction(
    accountId: string,
    id: string,
    kinds: readonly TransactionKind[],
  ): Promise<TransactionRow | null>;
  /** What they did, by their ids. */
  entries(ids: readonly string[]): Promise<ReadonlyMap<string, readonly LedgerEntry[]>>;
  listTransactions(
    query: ListQuery,
    accountId: string,
    kinds: readonly TransactionKind[],
  ): Promise<Page<TransactionRow>>;
  status(accountId: string): Promise<BillingStatus>;
  /** Null: as the tier has it. Takes effect on every gateway within a second. */
  setTerms(
    accountId: string,
    terms: { spendLimitMicros?: bigint | null; tier?: Tier | null; paymentTerms?: PaymentTerms },
  ): Promise<void>;
  /** Suspends the account until that is taken back, or takes it back. @throws AppError ABORTED. */
  setBlocked(accountId: string, isBlocked: boolean): Promise<void>;
  alerts(accountId: string): Promise<SpendAlertRow[]>;
  getInvoice(accountId: string, id: string): Promise<(Invoice & { lines: InvoiceLine[] }) | null>;
  listInvoices(query: ListQuery, accountId: string): Promise<Page<Invoice>>;
  /** Charges what is over and not charged, issues invoices, and looks at what is spent; happens by itself all the time. */
  runCycle(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const POST_EVERY_MS = 60_000;

export function createBilling(deps: BillingDeps): Billing {
  const { database, clock, log, enabled, payments = manualPayments } = deps;
  const ledger = ledgerStore(database, deps.tokenSecret);
  const invoices = invoiceStore(database, deps.tokenSecret);
  const store = spendStore(database);
  const spend = new SpendMonitor({
    reservations: null,
    spendThresholds: async () => new Map(),
    ...deps,
    ...{ store, invoices },
  });
  const posting = new BillingCycle({ reservations: null, ...deps, ledger, invoices });
  const work = startRefreshLoop(() => posting.run(), {
    everyMs: POST_EVERY_MS,
    clock,
    onFailure: (err) => log.warn({ err }, "Usage can't be charged yet"),
  });
  const modes = billingModeStore(database);
  const now = () => new Date(clock.now());

  return {
    check: (accountId) => spend.guard.check(accountId),
    isSuspended: (accountId) => spend.guard.isSuspended(accountId),
    onSuspension: (listener) => spend.onSuspension(listener),
    async recordEntry({ requestId, ...booking }) {
      const { accountId, kind, amountMicros } = booking;
      const isPaid = kind === "payment" || kind === "credit_purchase";
      const reference = isPaid ? await payments.confirm(booking) : booking.reference;
      const createTime = now();
      const hour = new Date(hourOf(clock.now()));
      const charge = { hour, kind, subject: "", micros: amountMicros };
      const row = await ledger.post({
        ...{ ...booking, reference, createTime },
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
    ...invoicesOf(invoices, ledger, now),
    async runCycle() {
      await work.refresh();
      await spend.refresh();
    },
    async start() {
      await modes.switchTo(enabled, now(), () => posting.waiveAll());
      await spend.start();
      work.refreshInBackground();
    },
    async close() {
      work.stop();
      await spend.close();
    },
  };
}

const NO_ACCOUNT = {
  ...{ netMicros: 0n, qualifyingMicros: 0n, spendLimitMicros: null, tier: null },
  paymentTerms: "POSTPAID" as const,
};

function invoicesOf(
  invoices: InvoiceStore,
  ledger: LedgerStore,
  now: () => Date,
): Pick<Billing, "getInvoice" | "listInvoices"> {
  return {
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
  };
}

/** What came in pays the oldest invoice first. */
function withPayments(row: InvoiceRow, account: BillingAccountRow | null, now: Date): Invoice {
  const left = (account?.receivedMicros ?? 0n) - row.invoicedBeforeMicros;
  const paidMicros = clamp(left, row.totalMicros);
  return { ...row, paidMicros, isPastDue: paidMicros < row.totalMicros && row.dueTime < now };
}

import { and, asc, eq, gt, gte, isNull, lt, ne, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { lockAccount } from "./ledger-store.ts";
import { billingAccounts, billingCharges, invoices, ledgerTransactions } from "./table.ts";

export type InvoiceRow = typeof invoices.$inferSelect;

export interface InvoiceLine {
  /** A kind of usage, `reservation` or `adjustment`. */
  kind: string;
  subject: string;
  /** First day of the month of the usage; before the invoice's period for usage that was charged late. */
  month: Date;
  /** Start of the first hour with usage. */
  startTime: Date;
  /** End of the last hour with usage. */
  endTime: Date;
  micros: bigint;
}

/** Usage and reservations have separate invoices. */
export type InvoiceKind = "usage" | "reservations";

type Period = Pick<InvoiceRow, "periodStart" | "periodEnd">;

export interface InvoiceStore {
  /** Accounts with charges that belong on an invoice of the period. */
  accountsToInvoice(kind: InvoiceKind, period: Period): Promise<string[]>;
  /**
   * Creates an invoice with all charges of the period that are on no invoice yet, and with older ones that were charged
   * before the period ended. Null: the invoice exists already, or there are no charges.
   */
  issue(
    kind: InvoiceKind,
    invoice: Omit<InvoiceRow, "totalMicros" | "invoicedBeforeMicros">,
  ): Promise<InvoiceRow | null>;
  get(accountId: string, id: string): Promise<InvoiceRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<InvoiceRow>>;
  lines(accountId: string, id: string): Promise<InvoiceLine[]>;
  /** Accounts with an unpaid invoice that was due before `now`. */
  overdue(now: Date): Promise<Set<string>>;
}

export function invoiceStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): InvoiceStore {
  const list = createListing({
    db,
    table: invoices,
    fields: {
      name: { sql: sql`${invoices.id}`, type: "string" },
      periodStart: { sql: sql`${invoices.periodStart}`, type: "timestamp", orderBy: invoices.periodStart },
      createTime: { sql: sql`${invoices.createTime}`, type: "timestamp" },
      dueTime: { sql: sql`${invoices.dueTime}`, type: "timestamp" },
    },
    defaultOrder: "periodStart desc",
    key: invoices.id,
    tokenSecret,
  });
  return {
    async accountsToInvoice(kind, period) {
      const rows = await db
        .selectDistinct({ accountId: billingCharges.accountId })
        .from(billingCharges)
        .where(openCharges(kind, period));
      return rows.map(({ accountId }) => accountId);
    },
    issue: (kind, invoice) => db.transaction((tx) => issue(tx, kind, invoice)),
    async get(accountId, id) {
      const [row] = await db
        .select()
        .from(invoices)
        .where(and(eq(invoices.accountId, accountId), eq(invoices.id, id)));
      return row ?? null;
    },
    list: (query, accountId) => list(query, eq(invoices.accountId, accountId), `invoices ${accountId}`),
    lines(accountId, id) {
      const month = sql<Date>`date_trunc('month', ${billingCharges.hour}, 'UTC')`.mapWith(
        billingCharges.hour,
      );
      return db
        .select({
          kind: billingCharges.kind,
          subject: billingCharges.subject,
          month,
          startTime: sql<Date>`min(${billingCharges.hour})`.mapWith(billingCharges.hour),
          endTime: sql<Date>`max(${billingCharges.hour}) + interval '1 hour'`.mapWith(billingCharges.hour),
          micros: sql<bigint>`sum(${billingCharges.micros})`.mapWith(BigInt),
        })
        .from(billingCharges)
        .where(and(eq(billingCharges.accountId, accountId), eq(billingCharges.invoiceId, id)))
        .groupBy(billingCharges.kind, billingCharges.subject, month)
        .orderBy(asc(month), asc(billingCharges.kind), asc(billingCharges.subject));
    },
    async overdue(now) {
      const rows = await db
        .selectDistinct({ accountId: invoices.accountId })
        .from(invoices)
        .innerJoin(billingAccounts, eq(billingAccounts.accountId, invoices.accountId))
        .where(
          and(
            lt(invoices.dueTime, now),
            gt(
              sql`${invoices.invoicedBeforeMicros} + ${invoices.totalMicros}`,
              billingAccounts.receivedMicros,
            ),
          ),
        );
      return new Set(rows.map(({ accountId }) => accountId));
    },
  };
}

/** Condition for charges that belong on the invoice and are on none yet. */
function openCharges(kind: InvoiceKind, { periodStart, periodEnd }: Period): SQL | undefined {
  const wasChargedInTime = sql`exists (
    select from ${ledgerTransactions}
    where ${ledgerTransactions.id} = ${billingCharges.transactionId}
      and ${lt(ledgerTransactions.createTime, periodEnd)})`;
  return and(
    or(gte(billingCharges.hour, periodStart), wasChargedInTime),
    isNull(billingCharges.invoiceId),
    eq(billingCharges.waived, false),
    lt(billingCharges.hour, periodEnd),
    kind === "reservations" ? eq(billingCharges.kind, "reservation") : ne(billingCharges.kind, "reservation"),
  );
}

async function issue(
  tx: Parameters<typeof lockAccount>[0],
  kind: InvoiceKind,
  invoice: Omit<InvoiceRow, "totalMicros" | "invoicedBeforeMicros">,
): Promise<InvoiceRow | null> {
  const { accountId, id } = invoice;
  await lockAccount(tx, accountId, invoice.createTime);
  const earlier = await tx.select().from(invoices).where(eq(invoices.accountId, accountId));
  if (earlier.some((one) => one.id === id)) return null;
  const open = and(eq(billingCharges.accountId, accountId), openCharges(kind, invoice));
  const [sum] = await tx
    .select({ micros: sql<bigint>`coalesce(sum(${billingCharges.micros}), 0)`.mapWith(BigInt) })
    .from(billingCharges)
    .where(open);
  const totalMicros = sum?.micros ?? 0n;
  if (totalMicros === 0n) return null;
  const invoicedBeforeMicros = earlier.reduce((micros, one) => micros + one.totalMicros, 0n);
  const row = { ...invoice, totalMicros, invoicedBeforeMicros };
  await tx.insert(invoices).values(row);
  await tx.update(billingCharges).set({ invoiceId: id }).where(open);
  return row;
}

import { and, eq, gte, inArray, lt, ne, type SQL, sql } from "drizzle-orm";
import { AppError, badRequest } from "../../lib/errors.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Database, Transaction } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { balanceChangeOf, type LedgerEntry, ledgerEntriesOf } from "./ledger-entries.ts";
import {
  billingAccounts,
  billingCharges,
  ledgerEntries,
  ledgerTransactions,
  TRANSACTION_KINDS,
  type TransactionKind,
} from "./table.ts";

export type BillingAccountRow = typeof billingAccounts.$inferSelect;
export type TransactionRow = typeof ledgerTransactions.$inferSelect;

export interface Charge {
  hour: Date;
  kind: string;
  subject: string;
  /** > 0. */
  micros: bigint;
}

export interface NewTransaction extends Omit<TransactionRow, "id"> {
  /** Items of a charge; they add up to the amount. Empty when the customer is not charged. */
  charges: readonly Charge[];
}

/** Total cost of a subject so far. */
export interface CostTotal extends Omit<Charge, "hour"> {
  /** Part of the cost that reserved capacity served. */
  reservedMicros: bigint;
}

/** Usage of one account in one hour. */
export interface HourlyUsage {
  accountId: string;
  hour: Date;
  totals: readonly CostTotal[];
}

export interface LedgerStore {
  /**
   * Writes a transaction with its entries and charges atomically. Idempotent: if the key exists, returns the
   * transaction that was written with it.
   * @throws AppError ALREADY_EXISTS when the key belongs to a different transaction.
   */
  post(transaction: NewTransaction): Promise<TransactionRow>;
  /** Charges the part of the usage that is not charged yet. @param isWaived waive it all. */
  postUsage(usage: HourlyUsage, now: Date, isWaived: boolean): Promise<void>;
  /** Charged usage of these hours: one sum for each account, hour, kind and subject. */
  posted(from: Date, to: Date): Promise<(Charge & { accountId: string })[]>;
  /** Charged usage of these hours: one sum for each account. */
  charged(from: Date, to: Date): Promise<Map<string, bigint>>;
  /** Charged days of reservations, as `{name} {first millisecond of the day}`. */
  reservedDays(from: Date, to: Date): Promise<Set<string>>;
  /** Null: the account has no transactions and no terms yet. */
  account(accountId: string): Promise<BillingAccountRow | null>;
  setTerms(
    accountId: string,
    terms: Partial<Pick<BillingAccountRow, "spendLimitMicros" | "tier" | "paymentTerms">>,
    now: Date,
  ): Promise<void>;
  get(accountId: string, id: string, kinds: readonly TransactionKind[]): Promise<TransactionRow | null>;
  list(query: ListQuery, accountId: string, kinds: readonly TransactionKind[]): Promise<Page<TransactionRow>>;
  /** Entries of the transactions, by transaction id. */
  entries(ids: readonly string[]): Promise<Map<string, LedgerEntry[]>>;
}

/** The largest number of a PostgreSQL `bigint`: some nine trillion dollars. */
const MAX_MICROS = 2n ** 63n - 1n;
const QUALIFYING: ReadonlySet<TransactionKind> = new Set(["payment", "credit_purchase"]);
const NOT_USAGE = ["reservation", "adjustment"];

export function ledgerStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): LedgerStore {
  const list = createListing({
    db,
    table: ledgerTransactions,
    fields: {
      name: { sql: sql`${ledgerTransactions.id}`, type: "string" },
      kind: { sql: sql`${ledgerTransactions.kind}`, type: "enum", values: TRANSACTION_KINDS },
      reference: { sql: sql`${ledgerTransactions.reference}`, type: "string" },
      description: { sql: sql`${ledgerTransactions.description}`, type: "string" },
      createTime: {
        sql: sql`${ledgerTransactions.createTime}`,
        type: "timestamp",
        orderBy: ledgerTransactions.createTime,
      },
    },
    defaultOrder: "createTime desc",
    key: ledgerTransactions.id,
    tokenSecret,
  });
  const ofKinds = (accountId: string, kinds: readonly TransactionKind[]) =>
    and(eq(ledgerTransactions.accountId, accountId), inArray(ledgerTransactions.kind, [...kinds]));

  return {
    post: (transaction) => db.transaction((tx) => post(tx, transaction)),
    postUsage: (usage, now, isWaived) => db.transaction((tx) => postUsage(tx, usage, now, isWaived)),
    posted: (from, to) =>
      db
        .select({ ...postedColumns, accountId: billingCharges.accountId })
        .from(billingCharges)
        .where(and(chargedWithin(from, to), isUsage))
        .groupBy(billingCharges.accountId, billingCharges.hour, billingCharges.kind, billingCharges.subject),
    async charged(from, to) {
      const rows = await db
        .select({ accountId: billingCharges.accountId, micros: postedColumns.micros })
        .from(billingCharges)
        .where(and(chargedWithin(from, to), isUsage))
        .groupBy(billingCharges.accountId);
      return new Map(rows.map(({ accountId, micros }) => [accountId, micros]));
    },
    async reservedDays(from, to) {
      const rows = await db
        .select({ subject: billingCharges.subject, day: billingCharges.hour })
        .from(billingCharges)
        .where(and(chargedWithin(from, to), eq(billingCharges.kind, "reservation")));
      return new Set(rows.map(({ subject, day }) => `${subject} ${day.getTime()}`));
    },
    async account(accountId) {
      const [row] = await db.select().from(billingAccounts).where(eq(billingAccounts.accountId, accountId));
      return row ?? null;
    },
    async setTerms(accountId, terms, now) {
      const values = { ...terms, updateTime: now };
      await db
        .insert(billingAccounts)
        .values({ accountId, ...values })
        .onConflictDoUpdate({ target: billingAccounts.accountId, set: values });
    },
    async get(accountId, id, kinds) {
      const [row] = await db
        .select()
        .from(ledgerTransactions)
        .where(and(ofKinds(accountId, kinds), eq(ledgerTransactions.id, id)));
      return row ?? null;
    },
    list: (query, accountId, kinds) =>
      list(query, ofKinds(accountId, kinds), `transactions ${accountId} ${kinds.join()}`),
    async entries(ids) {
      const rows = await db
        .select()
        .from(ledgerEntries)
        .where(inArray(ledgerEntries.transactionId, [...ids]));
      const byId = new Map<string, LedgerEntry[]>();
      for (const row of rows) byId.set(row.transactionId, [...(byId.get(row.transactionId) ?? []), row]);
      return byId;
    },
  };
}

/** Condition: the charge is for one of these hours. */
export function chargedWithin(from: Date, to: Date): SQL | undefined {
  return and(gte(billingCharges.hour, from), lt(billingCharges.hour, to));
}

/** Condition: the charge is for usage. */
export const isUsage = and(...NOT_USAGE.map((kind) => ne(billingCharges.kind, kind)));
const postedColumns = {
  hour: billingCharges.hour,
  kind: billingCharges.kind,
  subject: billingCharges.subject,
  micros: sql<bigint>`sum(${billingCharges.micros})`.mapWith(BigInt),
};

/** Locks the account's row until the end of the transaction, which serializes the transactions of an account. */
export async function lockAccount(tx: Transaction, accountId: string, now: Date): Promise<BillingAccountRow> {
  await tx.insert(billingAccounts).values({ accountId, updateTime: now }).onConflictDoNothing();
  const [row] = await tx
    .select()
    .from(billingAccounts)
    .where(eq(billingAccounts.accountId, accountId))
    .for("update");
  return row as BillingAccountRow;
}

async function post(tx: Transaction, transaction: NewTransaction): Promise<TransactionRow> {
  const account = await lockAccount(tx, transaction.accountId, transaction.createTime);
  const [existing] = await tx
    .select()
    .from(ledgerTransactions)
    .where(eq(ledgerTransactions.idempotencyKey, transaction.idempotencyKey));
  if (existing !== undefined) {
    const isSame =
      existing.accountId === transaction.accountId &&
      existing.kind === transaction.kind &&
      existing.amountMicros === transaction.amountMicros;
    if (isSame) return existing;
    throw new AppError("ALREADY_EXISTS", "The requestId was used for something else.", {
      param: "requestId",
    });
  }
  return (await writeTransaction(tx, account, transaction)).row;
}

/** Writes a transaction. @param account the locked row. @returns the transaction, and the account afterwards. */
async function writeTransaction(
  tx: Transaction,
  account: BillingAccountRow,
  { charges, ...transaction }: NewTransaction,
): Promise<{ row: TransactionRow; account: BillingAccountRow }> {
  const { accountId, kind, amountMicros, createTime } = transaction;
  const row = { ...transaction, id: uuidv7Hex(createTime.getTime()) };
  await tx.insert(ledgerTransactions).values(row);
  const entries = ledgerEntriesOf(account.netMicros, kind, amountMicros);
  await tx
    .insert(ledgerEntries)
    .values(entries.map((entry) => ({ ...entry, accountId, transactionId: row.id })));
  if (charges.length > 0) {
    const waived = kind === "waived_usage";
    await tx
      .insert(billingCharges)
      .values(charges.map((charge) => ({ ...charge, accountId, waived, transactionId: row.id })));
  }
  const change = balanceChangeOf(kind, amountMicros);
  const after = {
    ...account,
    netMicros: account.netMicros + change,
    receivedMicros: account.receivedMicros + (change > 0n ? change : 0n),
    chargedMicros: account.chargedMicros - (change < 0n ? change : 0n),
    qualifyingMicros: account.qualifyingMicros + (QUALIFYING.has(kind) ? amountMicros : 0n),
    updateTime: createTime,
  };
  if (after.receivedMicros > MAX_MICROS || after.chargedMicros > MAX_MICROS) {
    throw badRequest("amountUsd", "amountUsd is more than the account's books can hold.");
  }
  await tx.update(billingAccounts).set(after).where(eq(billingAccounts.accountId, accountId));
  return { row, account: after };
}

async function postUsage(
  tx: Transaction,
  { accountId, hour, totals }: HourlyUsage,
  now: Date,
  isWaived: boolean,
): Promise<void> {
  let account = await lockAccount(tx, accountId, now);
  // Read under the lock, because another process may have charged the hour a moment ago.
  const charged = await tx
    .select({ ...postedColumns, waived: billingCharges.waived })
    .from(billingCharges)
    .where(and(eq(billingCharges.accountId, accountId), eq(billingCharges.hour, hour), isUsage))
    .groupBy(billingCharges.hour, billingCharges.kind, billingCharges.subject, billingCharges.waived);
  const chargedMicros = sumOf(charged);
  for (const [kind, parts] of Object.entries(splitWaived(totals, charged, isWaived))) {
    const amountMicros = sumOf(parts);
    if (amountMicros === 0n) continue;
    const written = await writeTransaction(tx, account, {
      accountId,
      kind: kind as TransactionKind,
      amountMicros,
      createTime: now,
      reference: "",
      createdBy: "",
      description: `Usage from ${hour.toISOString()}`,
      idempotencyKey: `${kind}/${accountId}/${hour.toISOString()}/${chargedMicros}`,
      charges: parts.map((part) => ({ ...part, hour })),
    });
    account = written.account;
  }
}

type ChargePart = Omit<Charge, "hour">;

/** Splits the uncharged part of the totals into owed and waived usage. Charges are never reversed. */
function splitWaived(
  totals: readonly CostTotal[],
  charged: readonly (Charge & { waived: boolean })[],
  isWaived: boolean,
): { usage: ChargePart[]; waived_usage: ChargePart[] } {
  const parts: { usage: ChargePart[]; waived_usage: ChargePart[] } = { usage: [], waived_usage: [] };
  for (const { kind, subject, micros, reservedMicros } of totals) {
    const same = charged.filter((one) => one.kind === kind && one.subject === subject);
    const uncharged = micros - sumOf(same);
    if (uncharged <= 0n) continue;
    const waivable = isWaived ? uncharged : reservedMicros - sumOf(same.filter((charge) => charge.waived));
    const waived = clamp(waivable, uncharged);
    if (uncharged > waived) parts.usage.push({ kind, subject, micros: uncharged - waived });
    if (waived > 0n) parts.waived_usage.push({ kind, subject, micros: waived });
  }
  return parts;
}

function sumOf(parts: readonly { micros: bigint }[]): bigint {
  return parts.reduce((sum, { micros }) => sum + micros, 0n);
}

/** Limits the value to the range from 0 to `max`. */
export function clamp(value: bigint, max: bigint): bigint {
  if (value < 0n) return 0n;
  return value > max ? max : value;
}

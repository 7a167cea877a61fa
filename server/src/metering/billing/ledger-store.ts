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
  /** What it is for, when the customer is charged. They add up to the amount. */
  charges: readonly Charge[];
}

/** What something cost so far, in all. */
export interface CostTotal extends Omit<Charge, "hour"> {
  /** Of the cost, what reserved capacity served. */
  reservedMicros: bigint;
}

/** What one account used in one hour. */
export interface HourlyUsage {
  accountId: string;
  hour: Date;
  totals: readonly CostTotal[];
}

export interface LedgerStore {
  /**
   * Writes a transaction with all that belongs to it, or nothing. The same key again changes nothing and gives what was
   * written then.
   * @throws AppError ALREADY_EXISTS when the key stands for something else.
   */
  post(transaction: NewTransaction): Promise<TransactionRow>;
  /** Charges what was not charged yet. @param isWaived nobody is to pay for it. */
  postUsage(usage: HourlyUsage, now: Date, isWaived: boolean): Promise<void>;
  /** What was charged for usage in these hours, one charge for each account, hour, kind and subject. */
  posted(from: Date, to: Date): Promise<(Charge & { accountId: string })[]>;
  /** The same in all by account. */
  charged(from: Date, to: Date): Promise<Map<string, bigint>>;
  /** Which reservations were charged for which days: their names, a space and the day's first millisecond. */
  reservedDays(from: Date, to: Date): Promise<Set<string>>;
  /** Null: nothing happened to it yet. */
  account(accountId: string): Promise<BillingAccountRow | null>;
  /** Sets what a customer or the operator may set. */
  setTerms(
    accountId: string,
    terms: Partial<Pick<BillingAccountRow, "spendLimitMicros" | "tier" | "paymentTerms">>,
    now: Date,
  ): Promise<void>;
  get(accountId: string, id: string, kinds: readonly TransactionKind[]): Promise<TransactionRow | null>;
  list(query: ListQuery, accountId: string, kinds: readonly TransactionKind[]): Promise<Page<TransactionRow>>;
  /** Of each of the transactions, by its id. */
  entries(ids: readonly string[]): Promise<Map<string, LedgerEntry[]>>;
}

/** What the database's sums hold: some nine trillion dollars. */
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

/** Charges for these hours. */
export function chargedWithin(from: Date, to: Date): SQL | undefined {
  return and(gte(billingCharges.hour, from), lt(billingCharges.hour, to));
}

/** Charges for what was used. */
export const isUsage = and(...NOT_USAGE.map((kind) => ne(billingCharges.kind, kind)));
const postedColumns = {
  hour: billingCharges.hour,
  kind: billingCharges.kind,
  subject: billingCharges.subject,
  micros: sql<bigint>`sum(${billingCharges.micros})`.mapWith(BigInt),
};

/** What happens to one account happens in a row: whoever holds its row goes first. */
export async function lockAccount(tx: Transaction, accountId: string, now: Date): Promise<BillingAccountRow> {
  await tx.insert(billingAccounts).values({ accountId, updateTime: now }).onConflictDoNothing();
  const [row] = await tx
    .select()
    .from(billingAccounts)
    .where(eq(billingAccounts.accountId, accountId))
    .for("update");
  return row as BillingAccountRow;
}

async function post(tx: Transaction, given: NewTransaction): Promise<TransactionRow> {
  const account = await lockAccount(tx, given.accountId, given.createTime);
  const [known] = await tx
    .select()
    .from(ledgerTransactions)
    .where(eq(ledgerTransactions.idempotencyKey, given.idempotencyKey));
  if (known !== undefined) {
    const isSame =
      known.accountId === given.accountId &&
      known.kind === given.kind &&
      known.amountMicros === given.amountMicros;
    if (isSame) return known;
    throw new AppError("ALREADY_EXISTS", "The requestId was used for something else.", {
      param: "requestId",
    });
  }
  return (await writeTransaction(tx, account, given)).row;
}

/** Writes a transaction for the account whose row is held; gives the row as it is then. */
async function writeTransaction(
  tx: Transaction,
  account: BillingAccountRow,
  { charges, ...given }: NewTransaction,
): Promise<{ row: TransactionRow; account: BillingAccountRow }> {
  const { accountId, kind, amountMicros, createTime } = given;
  const row = { ...given, id: uuidv7Hex(createTime.getTime()) };
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
  // Read under the lock: another process may have charged it a moment ago.
  const known = await tx
    .select({ ...postedColumns, waived: billingCharges.waived })
    .from(billingCharges)
    .where(and(eq(billingCharges.accountId, accountId), eq(billingCharges.hour, hour), isUsage))
    .groupBy(billingCharges.hour, billingCharges.kind, billingCharges.subject, billingCharges.waived);
  const knownMicros = sumOf(known);
  for (const [kind, parts] of Object.entries(splitWaived(totals, known, isWaived))) {
    const amountMicros = sumOf(parts);
    if (amountMicros === 0n) continue;
    const written = await writeTransaction(tx, account, {
      ...{ accountId, kind: kind as TransactionKind, amountMicros, createTime: now },
      ...{ reference: "", createdBy: "", description: `Usage from ${hour.toISOString()}` },
      idempotencyKey: `${kind}/${accountId}/${hour.toISOString()}/${knownMicros}`,
      charges: parts.map((part) => ({ ...part, hour })),
    });
    account = written.account;
  }
}

type ChargePart = Omit<Charge, "hour">;

/** What is new in the totals. What was charged once is never taken back. */
function splitWaived(
  totals: readonly CostTotal[],
  known: readonly (Charge & { waived: boolean })[],
  isWaived: boolean,
): { usage: ChargePart[]; waived_usage: ChargePart[] } {
  const parts: { usage: ChargePart[]; waived_usage: ChargePart[] } = { usage: [], waived_usage: [] };
  for (const { kind, subject, micros, reservedMicros } of totals) {
    const same = known.filter((one) => one.kind === kind && one.subject === subject);
    const fresh = micros - sumOf(same);
    if (fresh <= 0n) continue;
    const missing = isWaived ? fresh : reservedMicros - sumOf(same.filter(({ waived }) => waived));
    const toWaive = clamp(missing, fresh);
    if (fresh > toWaive) parts.usage.push({ kind, subject, micros: fresh - toWaive });
    if (toWaive > 0n) parts.waived_usage.push({ kind, subject, micros: toWaive });
  }
  return parts;
}

function sumOf(parts: readonly { micros: bigint }[]): bigint {
  return parts.reduce((sum, { micros }) => sum + micros, 0n);
}

/** From 0 to `most`. */
export function clamp(value: bigint, most: bigint): bigint {
  if (value < 0n) return 0n;
  return value > most ? most : value;
}

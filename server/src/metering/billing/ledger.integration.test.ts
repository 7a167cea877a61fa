import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import type { Database } from "../../platform/db/database.ts";
import { balanceChangeOf, ledgerEntriesOf } from "./ledger-entries.ts";
import { ledgerStore, type NewTransaction } from "./ledger-store.ts";
import { TRANSACTION_KINDS, type TransactionKind } from "./table.ts";

const DOLLAR = 1_000_000n;
const HOUR = new Date("2026-11-20T09:00:00Z");
const NOW = new Date("2026-11-20T10:30:00Z");
const SECRET = Buffer.alloc(32);

let database: TestDatabase;
let accounts = 0;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

const freshAccount = (): string => `account-${accounts++}`;

function newTransaction(
  accountId: string,
  kind: TransactionKind,
  micros: bigint,
  key: string,
): NewTransaction {
  const common = { accountId, kind, amountMicros: micros, idempotencyKey: `${accountId}/${key}` };
  return { ...common, reference: "", description: "", createdBy: "", createTime: NOW, charges: [] };
}

const usage = (accountId: string, micros: bigint, reservedMicros = 0n) => ({
  accountId,
  hour: HOUR,
  totals: [{ kind: "text", subject: "m", micros, reservedMicros }],
});

/** A customer's balances, computed from the ledger's entries. */
async function sums(accountId: string): Promise<Record<string, bigint>> {
  const rows = await database.sql<{ name: string; micros: string }[]>`
    select ledger_account as name, sum(micros)::text as micros from ledger_entries
    where account_id = ${accountId} group by 1 having sum(micros) <> 0`;
  return Object.fromEntries(rows.map(({ name, micros }) => [name, BigInt(micros)]));
}

async function total(): Promise<bigint> {
  const [row] = await database.sql`select coalesce(sum(micros), 0)::text as micros from ledger_entries`;
  return BigInt(row!["micros"]);
}

/** A database whose transactions fail at statement number `at`. */
function failing(at: number): Pick<Database, "db"> {
  const STATEMENTS = new Set<string | symbol>(["select", "insert", "update", "execute"]);
  let remaining = at;
  const breaking = (tx: object): object =>
    new Proxy(tx, {
      get(target, name) {
        if (STATEMENTS.has(name) && remaining-- === 0) throw new Error("crashed");
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const transaction = (fn: (tx: object) => Promise<unknown>) =>
    database.db.transaction((tx) => fn(breaking(tx)));
  return {
    db: new Proxy(database.db, {
      get: (db, name) => (name === "transaction" ? transaction : Reflect.get(db, name)),
    }),
  };
}

describe("ledger entries", () => {
  test("add up to zero, and a customer never has credits and debt at once", () => {
    const amount = fc.bigInt(1n, 10n ** 15n);
    fc.assert(
      fc.property(
        fc.bigInt(-(10n ** 15n), 10n ** 15n),
        fc.constantFrom(...TRANSACTION_KINDS),
        amount,
        (net, kind, micros) => {
          const entries = ledgerEntriesOf(net, kind, micros);
          expect(entries.reduce((sum, entry) => sum + entry.micros, 0n)).toBe(0n);
          const of = (name: string) =>
            entries.find(({ ledgerAccount }) => ledgerAccount === name)?.micros ?? 0n;
          const owed = (net < 0n ? -net : 0n) + of("balance");
          const credits = (net > 0n ? net : 0n) - of("credits");
          expect([owed >= 0n, credits >= 0n, owed * credits]).toEqual([true, true, 0n]);
          expect(credits - owed).toBe(net + balanceChangeOf(kind, micros));
        },
      ),
    );
  });
});

describe("the database", () => {
  test("refuses a transaction whose entries don't add up to zero, or without entries", async () => {
    const insert = (entries: string) =>
      database.sql.begin(async (tx) => {
        const id = `t${accounts++}`;
        await tx`insert into ledger_transactions values (${id}, 'a', 'payment', 5, ${id}, '', '', '', now())`;
        if (entries !== "")
          await tx.unsafe(`insert into ledger_entries values ${entries.replaceAll("ID", `'${id}'`)}`);
      });
    await expect(insert("(ID, 'payments', 'a', 5), (ID, 'credits', 'a', -4)")).rejects.toThrow(
      /add up to zero/,
    );
    await expect(insert("(ID, 'payments', 'a', 5)")).rejects.toThrow(/add up to zero/);
    await expect(insert("")).rejects.toThrow(/add up to zero/);
    await insert("(ID, 'payments', 'a', 5), (ID, 'credits', 'a', -5)");
  });

  test("refuses changes and deletions of the ledger", async () => {
    const accountId = freshAccount();
    await ledgerStore(database, SECRET).post(newTransaction(accountId, "payment", DOLLAR, "1"));
    for (const change of [
      "update ledger_entries set micros = 1",
      "delete from ledger_entries",
      "update ledger_transactions set description = 'x'",
      "delete from ledger_transactions",
      "truncate ledger_transactions cascade",
    ]) {
      await expect(database.sql.unsafe(change), change).rejects.toThrow(/append-only/);
    }
  });
});

describe("the examples of the reference documentation", () => {
  test("hold: $500 of credits on a bill of $750 leave $250 to pay and no credits", async () => {
    const [ledger, accountId] = [ledgerStore(database, SECRET), freshAccount()];
    await ledger.postUsage(usage(accountId, 750n * DOLLAR), NOW, false);
    await ledger.post(newTransaction(accountId, "credit_purchase", 500n * DOLLAR, "1"));
    expect(await sums(accountId)).toEqual({
      balance: 250n * DOLLAR,
      revenue: -750n * DOLLAR,
      payments: 500n * DOLLAR,
    });
  });

  test("hold: $83 of usage on $20 of credits leave $63 to pay", async () => {
    const [ledger, accountId] = [ledgerStore(database, SECRET), freshAccount()];
    await ledger.post(newTransaction(accountId, "credit_purchase", 20n * DOLLAR, "1"));
    await ledger.postUsage(usage(accountId, 83n * DOLLAR), NOW, false);
    expect(await sums(accountId)).toMatchObject({ balance: 63n * DOLLAR });
  });
});

describe("charging usage", () => {
  test("charges each micro-dollar once, even if repeated and by several processes", async () => {
    const [ledger, accountId] = [ledgerStore(database, SECRET), freshAccount()];
    await Promise.all(Array.from({ length: 8 }, () => ledger.postUsage(usage(accountId, 7n), NOW, false)));
    await ledger.postUsage(usage(accountId, 10n), NOW, false);
    // An older total of the same hour.
    await ledger.postUsage(usage(accountId, 7n), NOW, false);
    expect(await sums(accountId)).toEqual({ balance: 10n, revenue: -10n });
    const { n } = (
      await database.sql`select count(*)::int as n from ledger_transactions where account_id = ${accountId}`
    )[0]!;
    expect(n).toBe(2);
  });

  test("records usage that is waived or served by reserved capacity as revenue that nobody owes", async () => {
    const [ledger, accountId] = [ledgerStore(database, SECRET), freshAccount()];
    await ledger.postUsage(usage(accountId, 6n, 4n), NOW, false);
    await ledger.postUsage(usage(accountId, 10n, 5n), NOW, false);
    expect(await sums(accountId)).toEqual({ balance: 5n, revenue: -10n, adjustments: 5n });
    await ledger.postUsage(usage(accountId, 12n), NOW, true);
    expect(await sums(accountId)).toEqual({ balance: 5n, revenue: -12n, adjustments: 7n });
  });
});

test("concurrent payments both count, a repeated payment counts once, and its key can't be used for another", async () => {
  const [ledger, accountId] = [ledgerStore(database, SECRET), freshAccount()];
  const twice = newTransaction(accountId, "payment", 5n * DOLLAR, "same");
  const [first, again] = await Promise.all([
    ledger.post(twice),
    ledger.post(twice),
    ledger.post(newTransaction(accountId, "payment", 3n * DOLLAR, "other")),
  ]);
  expect(again.id).toBe(first.id);
  expect((await ledger.account(accountId))?.netMicros).toBe(8n * DOLLAR);
  await expect(ledger.post({ ...twice, amountMicros: DOLLAR })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
  });
});

test("an amount that would overflow the account's sums is refused with the name of the field", async () => {
  const [ledger, accountId] = [ledgerStore(database, SECRET), freshAccount()];
  const maxMicros = 2n ** 63n - 1n;
  await ledger.post(newTransaction(accountId, "payment", maxMicros, "1"));
  await expect(ledger.post(newTransaction(accountId, "payment", 1n, "2"))).rejects.toMatchObject({
    code: "BAD_REQUEST",
    param: "amountUsd",
  });
  await ledger.post(newTransaction(accountId, "adjustment", maxMicros, "3"));
  expect((await ledger.account(accountId))?.netMicros).toBe(0n);
});

/** An event of one of three customers. `crashAt`: number of the statement at which the process dies. */
const step = fc.record({
  who: fc.nat(2),
  kind: fc.constantFrom(
    ...TRANSACTION_KINDS.filter((kind) => kind !== "waived_usage" && kind !== "reservation"),
  ),
  micros: fc.bigInt(1n, 10n ** 12n),
  /** From a small range, so that some repeat. */
  key: fc.nat(5),
  hour: fc.nat(2),
  crashAt: fc.option(fc.nat(7), { freq: 3 }),
});

test("the ledger equals a simple model after random histories with repetitions and crashes between statements", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const customers = [freshAccount(), freshAccount(), freshAccount()];
      const model = customers.map(() => ({
        keys: new Map<string, bigint>(),
        hours: new Map<number, bigint>(),
      }));
      for (const { who: customer, kind, micros, key, hour, crashAt } of steps) {
        const accountId = customers[customer]!;
        const run = (ledger: ReturnType<typeof ledgerStore>) =>
          kind === "usage"
            ? ledger.postUsage(
                { ...usage(accountId, micros), hour: new Date(HOUR.getTime() + hour * 3_600_000) },
                NOW,
                false,
              )
            : ledger.post(newTransaction(accountId, kind, micros, `${kind}${key}`)).then(() => {});
        if (crashAt !== null) await run(ledgerStore(failing(crashAt), SECRET)).catch(() => {});
        await run(ledgerStore(database, SECRET)).catch((error) => {
          if (error.code !== "ALREADY_EXISTS") throw error;
        });
        const { keys, hours } = model[customer]!;
        if (kind === "usage") hours.set(hour, micros > (hours.get(hour) ?? 0n) ? micros : hours.get(hour)!);
        else if (!keys.has(`${kind}${key}`)) keys.set(`${kind}${key}`, balanceChangeOf(kind, micros));
      }
      for (const [i, { keys, hours }] of model.entries()) {
        const used = [...hours.values()].reduce((sum, one) => sum + one, 0n);
        const net = [...keys.values()].reduce((sum, one) => sum + one, -used);
        const { balance = 0n, credits = 0n } = await sums(customers[i]!);
        expect([balance, credits]).toEqual(net < 0n ? [-net, 0n] : [0n, -net]);
        const row = await ledgerStore(database, SECRET).account(customers[i]!);
        expect(row?.netMicros ?? 0n).toBe(net);
      }
      expect(await total()).toBe(0n);
    }),
    { numRuns: 30 },
  );
});

test("a failure of any statement leaves no partial transaction", async () => {
  for (let at = 0; at < 8; at++) {
    const accountId = freshAccount();
    const crashed = await ledgerStore(failing(at), SECRET)
      .postUsage(usage(accountId, 9n), NOW, false)
      .then(
        () => false,
        () => true,
      );
    expect(await sums(accountId)).toEqual(crashed ? {} : { balance: 9n, revenue: -9n });
    await ledgerStore(database, SECRET).postUsage(usage(accountId, 9n), NOW, false);
    expect(await sums(accountId)).toEqual({ balance: 9n, revenue: -9n });
  }
  expect(await total()).toBe(0n);
  const [{ used }] = (await database.db.execute(
    sql`select sum(micros)::text as used from billing_charges`,
  )) as unknown as [{ used: string }];
  expect(BigInt(used)).toBeGreaterThan(0n);
});

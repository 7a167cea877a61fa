import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import type { SuspendState } from "./ports.ts";
import { type Billing, createBilling } from "./service.ts";
import type { PaymentTerms, Tier } from "./table.ts";
import { FakeSuspensions, FakeUsage } from "./testing.ts";
import { spendLimitOf } from "./tiers.ts";
import { DAY_MS, HOUR_MS, hourOf, monthOf } from "./utc-periods.ts";

const DOLLAR = 1_000_000n;

let database: TestDatabase;
let accounts = 0;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

/** A clock that runs no timers, so that nothing happens unless the test triggers it. */
class StillClock extends FakeClock {
  override after(): () => void {
    return () => {};
  }
}

const dollars = fc.bigInt(1n, 60n * DOLLAR);
const gateway = fc.nat(1);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ at: gateway, use: dollars, hoursAgo: fc.constantFrom(0, 1, 30) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      book: fc.constantFrom("payment", "credit_purchase", "credit_grant", "adjustment"),
      amount: dollars,
      /** From a small range, so that some repeat. */
      requestId: fc.nat(6),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      wait: fc.constantFrom(HOUR_MS, 9 * HOUR_MS, 4 * DAY_MS, 8 * DAY_MS, 17 * DAY_MS),
    }),
  },
  fc.record({ limit: fc.option(fc.bigInt(0n, 80n * DOLLAR)) }),
  fc.record({ tier: fc.option(fc.constantFrom<Tier>("TIER_2", "UNLIMITED")) }),
  { weight: 2, arbitrary: fc.record({ paymentTerms: fc.constantFrom<PaymentTerms>("PREPAID", "POSTPAID") }) },
  fc.record({ block: fc.boolean() }),
  fc.record({ restart: gateway }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface ModelCharge {
  hourMs: number;
  micros: bigint;
  /** Null: not charged yet. */
  chargedMs: number | null;
  isInvoiced: boolean;
  isAdjustment: boolean;
}

/** Reference model: the rules of docs/billing.md in their simplest form. */
class Model {
  readonly charges: ModelCharge[] = [];
  readonly invoices: { id: number; total: bigint; dueMs: number }[] = [];
  readonly terms = {
    tier: null as Tier | null,
    qualifyingMicros: 0n,
    spendLimitMicros: null as bigint | null,
  };
  paymentTerms: PaymentTerms = "POSTPAID";
  received = 0n;
  isBlocked = false;

  settle(nowMs: number): void {
    for (const charge of this.charges) if (charge.hourMs < hourOf(nowMs)) charge.chargedMs ??= nowMs;
    const { startMs, endMs } = monthOf(monthOf(nowMs - HOUR_MS).startMs - 1);
    if (this.invoices.some(({ id }) => id === startMs)) return;
    const due = this.charges.filter(
      ({ isInvoiced, chargedMs, hourMs }) =>
        !isInvoiced && chargedMs !== null && hourMs < endMs && (hourMs >= startMs || chargedMs < endMs),
    );
    for (const charge of due) charge.isInvoiced = true;
    if (due.length > 0) this.invoices.push({ id: startMs, total: sum(due), dueMs: nowMs + 14 * DAY_MS });
  }

  state(nowMs: number): SuspendState {
    if (this.isBlocked) return "BLOCKED_BY_ABUSE_RULE";
    let invoiced = 0n;
    for (const { total, dueMs } of this.invoices) {
      invoiced += total;
      if (dueMs < nowMs && this.received < invoiced) return "FAILED_PAYMENTS";
    }
    if (this.paymentTerms === "PREPAID" && this.received <= sum(this.charges)) return "CREDIT_DEPLETED";
    const { limitMicros } = spendLimitOf(this.terms);
    return limitMicros !== null && this.spent(nowMs) >= limitMicros
      ? "MONTHLY_SPEND_LIMIT_EXCEEDED"
      : "UNSUSPENDED";
  }

  spent(nowMs: number): bigint {
    const { startMs, endMs } = monthOf(nowMs);
    return sum(
      this.charges.filter((one) => !one.isAdjustment && one.hourMs >= startMs && one.hourMs < endMs),
    );
  }

  net(): bigint {
    return this.received - sum(this.charges.filter(({ chargedMs }) => chargedMs !== null));
  }
}

function sum(charges: readonly ModelCharge[]): bigint {
  return charges.reduce((total, { micros }) => total + micros, 0n);
}

/** Two gateways and the reference model. */
async function play(steps: readonly Step[]): Promise<void> {
  const accountId = `account-${accounts++}`;
  const clock = new StillClock(Date.UTC(2026, 10, 28, 9, 30));
  const [usage, suspensions, model] = [new FakeUsage(), new FakeSuspensions(), new Model()];
  const start = async () => {
    const own = usage.gateway(clock);
    const common = { database, clock, log: silentLog, suspensions, tokenSecret: Buffer.alloc(32) };
    const billing = createBilling({ ...common, enabled: true, usage: own });
    await billing.start();
    return { billing, own };
  };
  const gateways = [await start(), await start()];
  const booked = new Set<string>();
  for (const step of steps) {
    const { billing } = gateways[0]!;
    if ("use" in step) {
      const startedMs = clock.now() - step.hoursAgo * HOUR_MS;
      gateways[step.at]!.own.close(accountId, step.use, startedMs);
      const hourMs = hourOf(startedMs);
      model.charges.push({
        hourMs,
        micros: step.use,
        chargedMs: null,
        isInvoiced: false,
        isAdjustment: false,
      });
    } else if ("book" in step) {
      const key = `${step.book} ${step.requestId}`;
      const booking = {
        accountId,
        kind: step.book,
        amountMicros: step.amount,
        requestId: String(step.requestId),
      };
      const texts = { reference: "", description: "", createdBy: "" };
      const posted = billing.recordEntry({ ...booking, ...texts } as Parameters<Billing["recordEntry"]>[0]);
      await posted.catch((error) => expect(error).toMatchObject({ code: "ALREADY_EXISTS" }));
      if (!booked.has(key)) noteBooking(model, step.book, step.amount, clock.now());
      booked.add(key);
    } else if ("wait" in step) clock.advance(step.wait);
    else if ("limit" in step) {
      model.terms.spendLimitMicros = step.limit;
      await billing.setTerms(accountId, { spendLimitMicros: step.limit });
    } else if ("tier" in step) {
      model.terms.tier = step.tier;
      await billing.setTerms(accountId, { tier: step.tier });
    } else if ("paymentTerms" in step) {
      model.paymentTerms = step.paymentTerms;
      await billing.setTerms(accountId, { paymentTerms: step.paymentTerms });
    } else if ("block" in step) {
      model.isBlocked = step.block;
      await gateways[1]!.billing.setBlocked(accountId, step.block);
    } else {
      const gone = gateways[step.restart]!;
      // Its usage survives in its spool.
      await gone.own.flush();
      await gone.billing.close();
      gateways[step.restart] = await start();
    }
    for (const { own } of gateways) await own.flush();
    for (const { billing } of gateways) await billing.runCycle();
    model.settle(clock.now());
    await compare(gateways, accountId, suspensions, model, clock.now());
  }
  for (const { billing } of gateways) await billing.close();
}

function noteBooking(model: Model, kind: string, amount: bigint, nowMs: number): void {
  if (kind === "adjustment") {
    const charge = { hourMs: hourOf(nowMs), micros: amount, chargedMs: nowMs };
    model.charges.push({ ...charge, isInvoiced: false, isAdjustment: true });
    return;
  }
  model.received += amount;
  if (kind !== "credit_grant") model.terms.qualifyingMicros += amount;
}

async function compare(
  gateways: readonly { billing: Billing }[],
  accountId: string,
  suspensions: FakeSuspensions,
  model: Model,
  nowMs: number,
): Promise<void> {
  const state = model.state(nowMs);
  expect(suspensions.states.get(accountId) ?? "UNSUSPENDED").toBe(state);
  for (const { billing } of gateways) {
    expect(billing.isSuspended(accountId)).toBe(state !== "UNSUSPENDED");
    if (state === "UNSUSPENDED") billing.check(accountId);
    else
      expect(() => billing.check(accountId)).toThrow(expect.objectContaining({ code: "PAYMENT_REQUIRED" }));
  }
  const { creditMicros, owedMicros, spentMicros } = await gateways[0]!.billing.status(accountId);
  expect([creditMicros - owedMicros, spentMicros]).toEqual([model.net(), model.spent(nowMs)]);
  const { rows } = await gateways[0]!.billing.listInvoices({ orderBy: "periodStart" }, accountId);
  expect(rows.map(({ totalMicros }) => totalMicros)).toEqual(model.invoices.map(({ total }) => total));
}

test("billing suspends and resumes accounts like the reference model after random usage, payments, terms, time and restarts", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 20 }), play), { numRuns: 8 });
  const [row] = await database.sql`select coalesce(sum(micros), 0)::text as micros from ledger_entries`;
  expect(row!["micros"]).toBe("0");
});

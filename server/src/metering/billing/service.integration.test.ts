import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { type Billing, createBilling, type LedgerEntryInput } from "./service.ts";
import { SPEND_REFRESH_MS } from "./spend-monitor.ts";
import { FakeSuspensions, FakeUsage } from "./testing.ts";

const DOLLAR = 1_000_000n;
const DAY_MS = 24 * 3_600_000;

let database: TestDatabase;
let clock: FakeClock;
let usage: FakeUsage;
let suspensions: FakeSuspensions;
let gateways: Billing[];
let thresholds: Map<string, bigint[]>;
let accounts = 0;
let accountId: string;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await Promise.all((gateways ?? []).map((one) => one.close()));
  gateways = [];
  clock = new FakeClock(Date.UTC(2026, 10, 20, 9, 30));
  usage = new FakeUsage();
  suspensions = new FakeSuspensions();
  thresholds = new Map();
  accountId = `account-${accounts++}`;
});
afterAll(() => Promise.all(gateways.map((one) => one.close())));

async function startGateway(enabled = true) {
  const own = usage.gateway(clock);
  const common = { database, clock, log: silentLog, suspensions, tokenSecret: Buffer.alloc(32) };
  const spendThresholds = async () => thresholds;
  const billing = createBilling({ ...common, enabled, usage: own, spendThresholds });
  gateways.push(billing);
  await billing.start();
  return { billing, close: own.close, flush: own.flush };
}

function entryOf(
  kind: LedgerEntryInput["kind"],
  dollars: bigint,
  requestId: string | null = null,
): LedgerEntryInput {
  const amountMicros = dollars * DOLLAR;
  return { accountId, kind, amountMicros, requestId, reference: "", description: "", createdBy: "" };
}

/** Whether a request passes the spending check. */
function isOpen({ check }: Billing): boolean {
  try {
    check(accountId);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "PAYMENT_REQUIRED" });
    return false;
  }
}

describe("spending", () => {
  test("stops at the tier's limit and resumes with a payment for a higher tier or in the next month", async () => {
    const { billing, close } = await startGateway();
    close(accountId, 50n * DOLLAR - 1n);
    expect(isOpen(billing)).toBe(true);
    close(accountId, 1n);
    expect(isOpen(billing)).toBe(false);
    await billing.runCycle();
    expect([isOpen(billing), billing.isSuspended(accountId)]).toEqual([false, true]);
    expect(suspensions.states.get(accountId)).toBe("MONTHLY_SPEND_LIMIT_EXCEEDED");

    await billing.recordEntry(entryOf("credit_purchase", 50n));
    expect([isOpen(billing), billing.isSuspended(accountId)]).toEqual([true, false]);
    expect((await billing.status(accountId)).limit).toMatchObject({
      tier: "TIER_2",
      limitMicros: 500n * DOLLAR,
    });
    close(accountId, 450n * DOLLAR);
    await billing.runCycle();
    expect(suspensions.states.get(accountId)).toBe("MONTHLY_SPEND_LIMIT_EXCEEDED");

    clock.advance(11 * DAY_MS);
    expect(isOpen(billing)).toBe(true);
    await billing.runCycle();
    expect(suspensions.states.has(accountId)).toBe(false);
    expect((await billing.status(accountId)).spentMicros).toBe(0n);
  });

  test("is not raised to a higher tier by free credits", async () => {
    const { billing } = await startGateway();
    await billing.recordEntry(entryOf("credit_grant", 5_000n));
    expect((await billing.status(accountId)).limit.tier).toBe("TIER_1");
  });

  test("is limited by the account's own limit if lower than the tier's, and the operator's tier takes precedence", async () => {
    const { billing, close } = await startGateway();
    close(accountId, 10n * DOLLAR);
    await billing.setTerms(accountId, { spendLimitMicros: 10n * DOLLAR });
    expect(isOpen(billing)).toBe(false);
    await billing.setTerms(accountId, { spendLimitMicros: 90n * DOLLAR });
    expect((await billing.status(accountId)).limit.limitMicros).toBe(50n * DOLLAR);
    await billing.setTerms(accountId, { spendLimitMicros: null, tier: "UNLIMITED" });
    close(accountId, 1_000_000n * DOLLAR);
    await billing.runCycle();
    expect(isOpen(billing)).toBe(true);
  });

  test("triggers one alert each at 50, 80 and 100 %", async () => {
    const { billing, close } = await startGateway();
    const percents = async () => (await billing.alerts(accountId)).map(({ percent }) => percent).sort();
    close(accountId, 25n * DOLLAR - 1n);
    await billing.runCycle();
    expect(await percents()).toEqual([]);
    close(accountId, 1n);
    await billing.runCycle();
    await billing.runCycle();
    expect(await percents()).toEqual([50]);
    close(accountId, 25n * DOLLAR);
    await billing.runCycle();
    expect(await percents()).toEqual([100, 50, 80]);
  });

  test("triggers alerts at the account's own thresholds too, even without limits", async () => {
    const { billing, close } = await startGateway();
    const off = await startGateway(false);
    thresholds.set(accountId, [3n * DOLLAR, 45n * DOLLAR]).set("somebody", [DOLLAR]);
    const readAlerts = async () =>
      (await billing.alerts(accountId)).map(({ percent, thresholdMicros }) => [
        percent,
        thresholdMicros / DOLLAR,
      ]);
    close(accountId, 3n * DOLLAR - 1n);
    await billing.runCycle();
    expect(await readAlerts()).toEqual([]);
    close(accountId, 1n);
    await billing.runCycle();
    await off.billing.runCycle();
    expect(await readAlerts()).toEqual([[0, 3n]]);
    await billing.setTerms(accountId, { tier: "UNLIMITED" });
    close(accountId, 42n * DOLLAR);
    await billing.runCycle();
    expect(await readAlerts()).toEqual([
      [0, 45n],
      [0, 3n],
    ]);
    clock.advance(11 * DAY_MS);
    off.close(accountId, 5n * DOLLAR);
    await off.flush();
    await off.billing.runCycle();
    expect((await readAlerts()).length).toBe(3);
  });

  test("stops with the credits of a prepaid account, at once here and soon on other gateways, and resumes with new credits", async () => {
    const { billing, close, flush } = await startGateway();
    await billing.setTerms(accountId, { paymentTerms: "PREPAID" });
    expect([isOpen(billing), suspensions.states.get(accountId)]).toEqual([false, "CREDIT_DEPLETED"]);
    await billing.recordEntry(entryOf("credit_grant", 10n));
    expect([isOpen(billing), suspensions.states.has(accountId)]).toEqual([true, false]);
    close(accountId, 10n * DOLLAR - 1n);
    expect(isOpen(billing)).toBe(true);
    close(accountId, 1n);
    expect(isOpen(billing)).toBe(false);
    expect(() => billing.check(accountId)).toThrow(/credits are used up/);
    await flush();
    const other = await startGateway();
    expect([isOpen(other.billing), other.billing.isSuspended(accountId)]).toEqual([false, true]);
    await other.billing.close();
    // It makes no difference whether the hour is charged yet or a new month has begun.
    for (const ms of [3_600_000, 11 * DAY_MS]) {
      clock.advance(ms);
      await billing.runCycle();
      expect(suspensions.states.get(accountId)).toBe("CREDIT_DEPLETED");
    }
    await billing.recordEntry(entryOf("payment", 5n));
    expect([isOpen(billing), suspensions.states.has(accountId)]).toEqual([true, false]);
    close(accountId, 3n * DOLLAR);
    await billing.runCycle();
    await billing.recordEntry(entryOf("adjustment", 2n));
    expect(suspensions.states.get(accountId)).toBe("CREDIT_DEPLETED");
    await billing.setTerms(accountId, { paymentTerms: "POSTPAID" });
    expect([isOpen(billing), suspensions.states.has(accountId)]).toEqual([true, false]);
  });

  test("that the operator stopped resumes only when the operator says so, not with payments or time", async () => {
    const [{ billing, close }, other] = [await startGateway(), await startGateway()];
    await billing.setBlocked(accountId, true);
    await billing.setBlocked(accountId, true);
    await billing.recordEntry(entryOf("payment", 5_000n));
    clock.advance(31 * DAY_MS);
    await other.billing.runCycle();
    expect([isOpen(billing), isOpen(other.billing), billing.isSuspended(accountId)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(() => billing.check(accountId)).toThrow(/suspended by the operator/);
    await billing.setBlocked(accountId, false);
    expect([isOpen(billing), billing.isSuspended(accountId)]).toEqual([true, false]);
    // Another reason for suspension applies at once.
    await billing.setBlocked(accountId, true);
    await billing.setTerms(accountId, { spendLimitMicros: DOLLAR });
    close(accountId, DOLLAR);
    await billing.setBlocked(accountId, false);
    expect(suspensions.states.get(accountId)).toBe("MONTHLY_SPEND_LIMIT_EXCEEDED");
    await billing.setBlocked(accountId, false);
    expect(suspensions.states.get(accountId)).toBe("MONTHLY_SPEND_LIMIT_EXCEEDED");
  });

  test("is unlimited and owed by nobody with billing off, and suspensions for money end", async () => {
    suspensions.states.set(accountId, "MONTHLY_SPEND_LIMIT_EXCEEDED").set("bad", "BLOCKED_BY_ABUSE_RULE");
    const { billing, close, flush } = await startGateway(false);
    close(accountId, 1_000n * DOLLAR);
    await flush();
    clock.advance(3_600_000);
    await billing.runCycle();
    expect([isOpen(billing), billing.isSuspended(accountId)]).toEqual([true, false]);
    const { owedMicros, spentMicros } = await billing.status(accountId);
    expect([owedMicros, spentMicros]).toEqual([0n, 1_000n * DOLLAR]);
    expect(() => billing.check("bad")).toThrow(/suspended by the operator/);
  });

  test("is known after a restart, and to other gateways at their next refresh", async () => {
    const first = await startGateway();
    const second = await startGateway();
    first.close(accountId, 50n * DOLLAR);
    await first.flush();
    expect(isOpen(second.billing)).toBe(true);
    await second.billing.runCycle();
    expect(isOpen(second.billing)).toBe(false);
    expect(isOpen((await startGateway()).billing)).toBe(false);
  });

  test("on two gateways in parallel overshoots by at most the requests in flight and those since the last refresh", async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const [limit, largest, parallel] = [50n * DOLLAR, 3n * DOLLAR, 4];
    let spent = 0n;
    let untold = 0n;
    for (let round = 0; round < 20; round++) {
      for (const gateway of [first, second]) {
        // All requests begin before any of them ends.
        const admitted = Array.from({ length: parallel }).filter(() => isOpen(gateway.billing)).length;
        for (let i = 0; i < admitted; i++) {
          gateway.close(accountId, largest);
          spent += largest;
          untold += largest;
        }
      }
      const inFlight = BigInt(2 * parallel) * largest;
      expect(spent <= limit + inFlight + untold).toBe(true);
      if (round % 2 === 1) {
        for (const gateway of [first, second]) await gateway.flush();
        for (const gateway of [first, second]) await gateway.billing.runCycle();
        untold = 0n;
      }
    }
    expect(spent >= limit).toBe(true);
    expect(spent <= limit + BigInt(2 * 2 * parallel) * largest).toBe(true);
    expect([isOpen(first.billing), isOpen(second.billing)]).toEqual([false, false]);
  });

  test.each([
    ["limit", 50n],
    ["credits", 20n],
  ])("on one gateway overshoots the %s by at most the requests in flight", async (what, allowed) => {
    const { billing, close } = await startGateway();
    if (what === "credits") {
      await billing.setTerms(accountId, { paymentTerms: "PREPAID" });
      await billing.recordEntry(entryOf("credit_grant", allowed));
    }
    let spent = 0n;
    for (let round = 0; round < 30; round++) {
      const admitted = Array.from({ length: 10 }).filter(() => isOpen(billing)).length;
      for (let i = 0; i < admitted; i++) {
        close(accountId, DOLLAR);
        spent += DOLLAR;
      }
      if (round % 7 === 0) clock.advance(SPEND_REFRESH_MS);
    }
    expect(spent >= allowed * DOLLAR && spent <= (allowed + 9n) * DOLLAR).toBe(true);
  });
});

describe("invoices", () => {
  test("contain a month's charges by subject, and payments settle the oldest invoice first", async () => {
    const { billing, close, flush } = await startGateway();
    await billing.setTerms(accountId, { tier: "UNLIMITED" });
    await billing.recordEntry(entryOf("credit_purchase", 20n));
    close(accountId, 83n * DOLLAR);
    await flush();
    clock.advance(15 * DAY_MS);
    await billing.runCycle();
    const november = await billing.getInvoice(accountId, "2026-11");
    expect(november).toMatchObject({ totalMicros: 83n * DOLLAR, paidMicros: 20n * DOLLAR, isPastDue: false });
    expect(november?.lines).toEqual([
      {
        kind: "text",
        subject: "accounts/fireworks/models/m",
        month: new Date("2026-11-01T00:00:00Z"),
        startTime: new Date("2026-11-20T09:00:00Z"),
        endTime: new Date("2026-11-20T10:00:00Z"),
        micros: 83n * DOLLAR,
      },
    ]);
    close(accountId, 5n * DOLLAR);
    // Usage of a month that has an invoice already.
    close(accountId, 2n * DOLLAR, Date.UTC(2026, 10, 30, 23, 59));
    await flush();
    clock.advance(DAY_MS);
    await billing.runCycle();
    clock.advance(29 * DAY_MS);
    await billing.runCycle();
    const december = await billing.getInvoice(accountId, "2026-12");
    expect(december?.lines.map(({ month, micros }) => [month.getUTCMonth(), micros])).toEqual([
      [10, 2n * DOLLAR],
      [11, 5n * DOLLAR],
    ]);
    await billing.recordEntry(entryOf("payment", 64n));
    const { rows } = await billing.listInvoices({}, accountId);
    expect(rows.map(({ id, paidMicros }) => [id, paidMicros])).toEqual([
      ["2026-12", DOLLAR],
      ["2026-11", 83n * DOLLAR],
    ]);
  });

  test("contain late usage with its real hours, even if a clock was far ahead", async () => {
    const { billing, close, flush } = await startGateway();
    close(accountId, DOLLAR);
    await flush();
    clock.advance(3_600_000);
    await billing.runCycle();
    close(accountId, 2n * DOLLAR, Date.UTC(2024, 1, 29, 23, 59));
    close(accountId, 3n * DOLLAR, Date.UTC(2026, 6, 1, 5));
    close(accountId, 4n * DOLLAR, Date.UTC(2026, 10, 30, 23));
    await flush();
    await billing.runCycle();
    expect((await billing.status(accountId)).owedMicros).toBe(DOLLAR);
    clock.advance(DAY_MS);
    await billing.runCycle();
    expect((await billing.status(accountId)).owedMicros).toBe(6n * DOLLAR);
    clock.advance(12 * DAY_MS);
    await billing.runCycle();
    const { totalMicros, lines } = (await billing.getInvoice(accountId, "2026-11"))!;
    expect([totalMicros, lines.map(({ startTime, micros }) => [startTime.toISOString(), micros])]).toEqual([
      10n * DOLLAR,
      [
        ["2024-02-29T23:00:00.000Z", 2n * DOLLAR],
        ["2026-07-01T05:00:00.000Z", 3n * DOLLAR],
        ["2026-11-20T09:00:00.000Z", 5n * DOLLAR],
      ],
    ]);
  });

  test("contain no usage from times when billing was off", async () => {
    const off = await startGateway(false);
    off.close(accountId, DOLLAR, Date.UTC(2026, 7, 1));
    off.close(accountId, 2n * DOLLAR);
    await off.flush();
    await off.billing.close();
    const { billing, close, flush } = await startGateway();
    expect((await billing.status(accountId)).spentMicros).toBe(0n);
    // Usage of the same hour.
    close(accountId, 4n * DOLLAR);
    await flush();
    clock.advance(15 * DAY_MS);
    await billing.runCycle();
    expect((await billing.getInvoice(accountId, "2026-11"))?.totalMicros).toBe(4n * DOLLAR);
  });

  test("are issued once, by whichever gateway and however the clock steps", async () => {
    const { billing, close, flush } = await startGateway();
    const other = (await startGateway()).billing;
    close(accountId, DOLLAR);
    await flush();
    clock.advance(12 * DAY_MS);
    await Promise.all([billing.runCycle(), other.runCycle(), billing.runCycle()]);
    clock.advance(-20 * DAY_MS);
    await billing.runCycle();
    clock.advance(20 * DAY_MS);
    await other.runCycle();
    const { rows } = await billing.listInvoices({}, accountId);
    expect(rows.map(({ id, totalMicros }) => [id, totalMicros])).toEqual([["2026-11", DOLLAR]]);
    expect((await billing.status(accountId)).owedMicros).toBe(DOLLAR);
  });

  test("that are overdue suspend the account until they are paid", async () => {
    const { billing, close, flush } = await startGateway();
    close(accountId, 10n * DOLLAR);
    await flush();
    clock.advance(12 * DAY_MS);
    await billing.runCycle();
    clock.advance(15 * DAY_MS);
    await billing.runCycle();
    expect(suspensions.states.get(accountId)).toBe("FAILED_PAYMENTS");
    expect((await billing.getInvoice(accountId, "2026-11"))?.isPastDue).toBe(true);
    expect(isOpen(billing)).toBe(false);
    await billing.recordEntry(entryOf("payment", 9n));
    expect(isOpen(billing)).toBe(false);
    await Promise.all([
      billing.recordEntry(entryOf("payment", 1n, "x")),
      billing.recordEntry(entryOf("payment", 1n, "x")),
    ]);
    expect(isOpen(billing)).toBe(true);
    expect((await billing.status(accountId)).creditMicros).toBe(0n);
  });
});

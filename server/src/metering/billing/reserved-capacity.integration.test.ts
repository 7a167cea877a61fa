import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import type { AcceleratorTime, ReservedCapacity } from "./ports.ts";
import { reservationCharge, reservedShareKey, reservedShares } from "./reserved-capacity.ts";
import { createBilling } from "./service.ts";
import { FakeSuspensions } from "./testing.ts";
import { HOUR_MS } from "./utc-periods.ts";

const HOUR = new Date("2026-11-20T09:00:00Z");
const H100 = "NVIDIA_H100_80GB";
/** $5 an hour. */
const prices = {
  priceOf: () => ({ input: 0n, cachedInput: 0n, output: 0n, quantity: 5_000_000n, per: BigInt(HOUR_MS) }),
};

const reserve = (count: number, overrides: Partial<ReservedCapacity> = {}): ReservedCapacity => ({
  accountId: "acme",
  name: "accounts/acme/reservations/r",
  acceleratorType: H100,
  count,
  startTime: new Date("2026-11-01T00:00:00Z"),
  endTime: new Date("2026-12-01T00:00:00Z"),
  ...overrides,
});
const ran = (deployment: string, accelerators: number): AcceleratorTime => ({
  accountId: "acme",
  hour: HOUR,
  acceleratorType: H100,
  deployment,
  durationMs: BigInt(accelerators * HOUR_MS),
  costMicros: BigInt(accelerators) * 5_000_000n,
});

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

test("a reservation of 12 accelerators serves 12 of 16, and 4 are billed on demand", () => {
  const shares = reservedShares([ran("a", 8), ran("b", 8)], [reserve(12)]);
  expect([
    shares.get(reservedShareKey("acme", HOUR, "a")),
    shares.get(reservedShareKey("acme", HOUR, "b")),
  ]).toEqual([40_000_000n, 20_000_000n]);
});

test("a reservation serves only its account, type and time, and half an hour serves half of an hour", () => {
  const share = (overrides: Partial<ReservedCapacity>) =>
    reservedShares([ran("a", 2)], [reserve(2, overrides)]).get(reservedShareKey("acme", HOUR, "a"));
  expect(share({ accountId: "other" })).toBe(0n);
  expect(share({ acceleratorType: "NVIDIA_A100_80GB" })).toBe(0n);
  expect(share({ startTime: new Date("2026-11-20T10:00:00Z") })).toBe(0n);
  expect(share({ endTime: new Date("2026-11-20T09:30:00Z") })).toBe(5_000_000n);
});

test("a share never exceeds the cost, and all shares together never exceed the reserved capacity", () => {
  const uses = fc.array(fc.nat(20), { maxLength: 5 });
  fc.assert(
    fc.property(uses, fc.array(fc.nat(10), { maxLength: 3 }), (counts, reserved) => {
      const times = counts.map((count, i) => ran(`d${i}`, count));
      const shares = reservedShares(
        times,
        reserved.map((count) => reserve(count)),
      );
      let sum = 0n;
      for (const { deployment, costMicros } of times) {
        const share = shares.get(reservedShareKey("acme", HOUR, deployment)) ?? 0n;
        expect(share <= costMicros).toBe(true);
        sum += share;
      }
      const total = (list: readonly number[]) => list.reduce((all, one) => all + one, 0);
      expect(sum).toBe(BigInt(Math.min(total(counts), total(reserved))) * 5_000_000n);
    }),
  );
});

test("a reservation is charged for each day that it lasts, used or not", () => {
  const short = reserve(2, { endTime: new Date("2026-11-02T12:00:00Z") });
  const on = (day: number) =>
    reservationCharge({ reservation: short, prices, dayMs: Date.UTC(2026, 10, day), now: HOUR })
      ?.amountMicros;
  expect([0, 1, 2, 3].map(on)).toEqual([undefined, 240_000_000n, 120_000_000n, undefined]);
});

test("usage that a reservation serves is not spending, and the month has separate invoices for it and for the other usage", async () => {
  const clock = new FakeClock(Date.UTC(2026, 10, 19, 12));
  const both = [ran("a", 8), ran("b", 8)];
  const within = (from: Date, to: Date) => both.filter(({ hour }) => hour >= from && hour < to);
  const suspensions = new FakeSuspensions();
  const billing = createBilling({
    database,
    clock,
    log: silentLog,
    enabled: true,
    tokenSecret: Buffer.alloc(32),
    suspensions,
    usage: {
      onClosed: () => {},
      flush: async () => {},
      firstDay: async () => HOUR,
      costs: async (from, to) =>
        new Map([["acme", within(from, to).reduce((sum, { costMicros }) => sum + costMicros, 0n)]]),
      hourlyCosts: async (from, to) =>
        within(from, to).map(({ deployment, ...one }) => ({
          ...one,
          kind: "gpu_seconds",
          subject: deployment,
        })),
    },
    reservations: {
      prices,
      between: async (from, to) =>
        [
          reserve(12, {
            startTime: new Date("2026-11-20T00:00:00Z"),
            endTime: new Date("2026-11-21T00:00:00Z"),
          }),
        ].filter(({ startTime, endTime }) => startTime < to && endTime > from),
      acceleratorTime: async (_accountIds, from, to) => within(from, to),
    },
  });
  await billing.start();
  const texts = { reference: "", description: "", createdBy: "", requestId: null };
  const credits = { accountId: "acme", kind: "credit_grant", amountMicros: 21_000_000n, ...texts } as const;
  await billing.recordEntry(credits);
  await billing.setTerms("acme", { paymentTerms: "PREPAID" });
  // $60 of the $80 are served: during the hour, after it, and after it was charged.
  for (const hours of [21.5, 0.5, 1, 1]) {
    clock.advance(hours * HOUR_MS);
    await billing.runCycle();
    expect((await billing.status("acme")).spentMicros).toBe(20_000_000n);
    expect(suspensions.states.get("acme")).toBeUndefined();
  }
  clock.advance(14 * 24 * HOUR_MS);
  await billing.runCycle();
  const { rows } = await billing.listInvoices({ orderBy: "name" }, "acme");
  expect(rows.map(({ id, totalMicros }) => [id, totalMicros])).toEqual([
    ["2026-11", 20_000_000n],
    ["2026-11-reservations", BigInt(12 * 24) * 5_000_000n],
  ]);
  expect(suspensions.states.get("acme")).toBe("CREDIT_DEPLETED");
  await billing.close();
});

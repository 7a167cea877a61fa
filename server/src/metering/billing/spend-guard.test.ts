import { expect, test } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import { SpendGuard } from "./spend-guard.ts";

const NOVEMBER = Date.UTC(2026, 10);
const DECEMBER = Date.UTC(2026, 11);

function start() {
  const clock = new FakeClock(DECEMBER - 1_000);
  const guard = new SpendGuard(clock);
  const read = (spentMicros: bigint, monthStartMs = NOVEMBER, creditMicros: bigint | null = null) =>
    guard.endRefresh({
      monthStartMs,
      defaultLimitMicros: 100n,
      accounts: new Map([
        ["acme", { limitMicros: 100n, spentMicros, creditMicros, state: "UNSUSPENDED" as const }],
      ]),
    });
  guard.beginRefresh();
  read(0n);
  return { clock, guard, read, close: (micros: bigint) => guard.recordCost("acme", micros, clock.now()) };
}

test("failed refreshes lose no costs, and costs during a refresh are kept", () => {
  const { guard, read, close } = start();
  close(10n);
  guard.beginRefresh();
  close(5n);
  guard.beginRefresh();
  expect(guard.spent("acme")).toBe(15n);
  close(3n);
  read(15n);
  expect(guard.spent("acme")).toBe(18n);
});

test("a request counts in the month in which it began, before and after the refresh at the month's end", () => {
  const { clock, guard, read, close } = start();
  const begunMs = clock.now();
  clock.advance(1_000);
  expect(guard.spent("acme")).toBe(0n);
  close(4n);
  guard.recordCost("acme", 50n, begunMs);
  expect(guard.spent("acme")).toBe(4n);
  guard.beginRefresh();
  close(2n);
  read(4n, DECEMBER);
  guard.recordCost("acme", 50n, begunMs);
  expect(guard.spent("acme")).toBe(6n);
});

test("credits are used up by requests that end on this gateway, before and after the month's end", () => {
  const { clock, guard, read, close } = start();
  const depleted = () => expect(() => guard.check("acme")).toThrow(/credits are used up/);
  read(40n, NOVEMBER, 10n);
  close(4n);
  guard.check("acme");
  clock.advance(1_000);
  close(5n);
  guard.check("acme");
  close(1n);
  depleted();
  guard.beginRefresh();
  close(2n);
  read(6n, DECEMBER, 3n);
  guard.check("acme");
  close(1n);
  depleted();
  read(0n, DECEMBER, 0n);
  depleted();
});

test("unknown accounts have the default limit", () => {
  const { guard, clock } = start();
  guard.recordCost("new", 99n, clock.now());
  guard.check("new");
  guard.recordCost("new", 1n, clock.now());
  expect(() => guard.check("new")).toThrow(expect.objectContaining({ code: "PAYMENT_REQUIRED" }));
});

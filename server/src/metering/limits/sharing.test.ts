import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { type AccountCaps, createLimits, type Limits, type LimitsOptions } from "./service.ts";

const MODEL = "accounts/fireworks/models/m";
const SERVERLESS = { model: MODEL, deployment: MODEL, isolation: "account" } as const;
const ASK = { n: 1, bodySizeBytes: 400, maxTokens: 100 };
const ACME = { accountId: "acme", keyId: "key-1" };
const LIMIT = 600;

let database: TestDatabase;
let clock: FakeClock;
const open: Limits[] = [];
beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(async () => {
  for (const limits of open.splice(0)) await limits.close();
  await database.sql`truncate limit_states`;
  clock = new FakeClock();
});
afterAll(async () => {
  for (const limits of open.splice(0)) await limits.close();
  await database.drop();
});

async function gateway(more: Partial<LimitsOptions> = {}): Promise<Limits> {
  const share = { database, log: silentLog };
  const limits = await createLimits({ clock, share, requestsPerMinute: LIMIT, ...more });
  open.push(limits);
  return limits;
}

/** How many of so many requests are let in. */
function offer(limits: Limits, count: number, principal = ACME): number {
  let admitted = 0;
  for (let i = 0; i < count; i++) {
    try {
      limits.admit(principal, SERVERLESS, ASK).settle({ promptTokens: 10, completionTokens: 5 });
      admitted++;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return admitted;
}

/** Most that any minute had. */
function busiestMinute(admitted: readonly { atMs: number; count: number }[]): number {
  return Math.max(
    ...admitted.map(({ atMs }) =>
      admitted.filter((a) => a.atMs > atMs - 60_000 && a.atMs <= atMs).reduce((sum, a) => sum + a.count, 0),
    ),
  );
}

function remaining(limits: Limits, name: string): number {
  const admission = limits.admit(ACME, SERVERLESS, { ...ASK, bodySizeBytes: 0, maxTokens: 0 });
  const headers = admission.headers({ promptTokens: 0, completionTokens: 0 }, true);
  admission.settle({ promptTokens: 0, completionTokens: 0 });
  return Number(headers[headers.indexOf(name) + 1]);
}

describe("two gateways on one database", () => {
  // Offers of both in a quarter of a second, given how many quarters have passed.
  const loads: [string, (quarter: number) => [number, number]][] = [
    ["both far too busy", () => [20, 20]],
    ["one busy", () => [20, 0]],
    ["one after the other", (quarter) => (quarter % 80 < 40 ? [60, 0] : [0, 60])],
    ["in bursts", (quarter) => (quarter % 17 === 0 ? [400, 300] : [0, 0])],
  ];
  test.each(loads)("let in no more than a hundredth above the limit in any minute: %s", async (_, load) => {
    const [first, second] = [await gateway(), await gateway()];
    await first.share();
    const admitted: { atMs: number; count: number }[] = [];
    let offered = 0;
    for (let quarter = 0; quarter < 360; quarter++) {
      const [a, b] = load(quarter);
      offered += a + b;
      admitted.push({ atMs: clock.now(), count: offer(first, a) });
      clock.advance(125);
      admitted.push({ atMs: clock.now(), count: offer(second, b) });
      // They tell each other at different times.
      if (quarter % 3 !== 2) await first.share();
      clock.advance(125);
      if (quarter % 3 !== 1) await second.share();
    }
    const busiest = busiestMinute(admitted);
    expect(busiest).toBeLessThanOrEqual(LIMIT * 1.01);
    expect(offered).toBeGreaterThan(LIMIT * 2);
    expect(busiest, "the limit is there to be used").toBeGreaterThan(LIMIT * 0.9);
  });

  test("charge the guaranteed limits of an account with what either of them let in", async () => {
    const [first, second] = [await gateway(), await gateway()];
    offer(first, 40);
    await first.share();
    await second.share();
    expect(remaining(second, "x-ratelimit-remaining-requests")).toBe(19);
    expect(remaining(second, "x-ratelimit-remaining-tokens-prompt")).toBe(60_000 - 400);
    expect(remaining(second, "x-ratelimit-remaining-tokens-generated")).toBe(6_000 - 200);
    // Hearing the same again changes nothing.
    await second.share();
    expect(remaining(second, "x-ratelimit-remaining-tokens-prompt")).toBe(60_000 - 400);
  });

  test("share the limits of keys and the tokens of the day", async () => {
    const keys = new Map([["key-1", 10]]);
    const caps = new Map<string, AccountCaps>([["acme", { requestsPerMinute: null, keys }]]);
    const [first, second] = [await gateway(), await gateway()];
    for (const limits of [first, second]) limits.setCaps(caps);
    expect(offer(first, 9)).toBeGreaterThan(1);
    const other = { ...ACME, keyId: "key-2" };
    const admission = first.admit(other, SERVERLESS, ASK);
    admission.settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
    for (const limits of [first, second, first, second]) await limits.share();
    expect(offer(second, 1, other)).toBe(0);
    expect(() => second.admit(other, SERVERLESS, ASK)).toThrow("tokens a day");
  });

  test("let all of a limit be used that is smaller than they are many, also on an account's own deployment", async () => {
    const caps = new Map<string, AccountCaps>([
      ["acme", { requestsPerMinute: null, keys: new Map([["key-1", 2]]) }],
    ]);
    const [first, second] = [await gateway(), await gateway()];
    for (const limits of [first, second]) limits.setCaps(caps);
    for (const limits of [first, second]) await limits.share();
    const own = { ...SERVERLESS, isolation: "deployment" } as const;
    const ask = () => first.admit(ACME, own, ASK).settle({ promptTokens: 0, completionTokens: 0 });
    ask();
    await first.share();
    ask();
    for (const limits of [first, second]) await limits.share();
    expect(() => second.admit(ACME, own, ASK)).toThrow("The API key may make 2");
    clock.advance(61_000);
    second.admit(ACME, own, ASK);
  });
});

describe("a gateway that starts", () => {
  test("goes on with the limits, the minute and the day where others were", async () => {
    const first = await gateway();
    for (let minute = 0; minute < 12; minute++) {
      offer(first, 130);
      clock.advance(60_000);
    }
    clock.advance(1_000);
    expect(offer(first, LIMIT)).toBe(LIMIT);
    await first.close();
    const second = await gateway();
    expect(offer(second, 1)).toBe(0);
    clock.advance(61_000);
    const admission = second.admit(ACME, SERVERLESS, ASK);
    const headers = admission.headers({ promptTokens: 0, completionTokens: 0 }, true);
    const limit = Number(headers[headers.indexOf("x-ratelimit-limit-requests") + 1]);
    expect(limit).toBeGreaterThan(60);
  });

  test("does not believe the dead to be alive for ever", async () => {
    const first = await gateway();
    offer(first, 10);
    await first.close();
    await database.sql`update limit_states set updated_at = updated_at - interval '2 minutes'`;
    const second = await gateway();
    expect(offer(second, LIMIT + 1)).toBe(LIMIT);
  });
});

test("a minute that crosses midnight is one minute", async () => {
  const limits = await gateway();
  clock.advance(86_398_000);
  await limits.share();
  expect(offer(limits, LIMIT)).toBe(LIMIT);
  clock.advance(4_000);
  await limits.share();
  clock.advance(2_000);
  await limits.share();
  expect(offer(limits, 1)).toBe(0);
});

test("gateways that lost sight of each other keep to their parts", async () => {
  const [first] = [await gateway(), await gateway()];
  await first.share();
  await database.sql`alter table limit_states rename to limit_states_gone`;
  clock.advance(6_000);
  await first.share().catch(() => {});
  expect(offer(first, LIMIT)).toBe(LIMIT / 2);
  await database.sql`alter table limit_states_gone rename to limit_states`;
  await first.share();
  expect(offer(first, LIMIT)).toBeGreaterThan(0);
});

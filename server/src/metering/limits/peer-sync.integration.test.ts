import { createClient } from "@redis/client";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { type TestRedis, testRedis } from "../../../test/harness/redis.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { JOIN_MS } from "./peer-sync.ts";
import {
  type AccountRequestLimits,
  createLimits,
  type Limits,
  type LimitsStore,
  openLimitsStore,
} from "./service.ts";

const MODEL = "accounts/fireworks/models/m";
const SERVERLESS = { model: MODEL, deployment: MODEL, isolation: "account" } as const;
const ASK = { n: 1, bodySizeBytes: 400, maxTokens: 100 };
const ACME = { accountId: "acme", keyId: "key-1" };
const LIMIT = 600;

let database: TestDatabase;
let redis: TestRedis;
let redisUrl: string | null;
let clock: JoiningClock;
const open: Limits[] = [];
beforeAll(async () => {
  [database, redis] = await Promise.all([testDatabase(), testRedis()]);
});
afterAll(async () => {
  await redis?.stop();
  await database.drop();
});
beforeEach(async () => {
  await wipe();
  clock = new JoiningClock();
});
afterEach(async () => {
  for (const limits of open.splice(0)) await limits.close();
});

/** A clock without the waiting time of a gateway that joins: rounds of all open gateways take its place. */
class JoiningClock extends FakeClock {
  #skippedMs = 0;

  override now(): number {
    return super.now() + this.#skippedMs;
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#skippedMs;
  }

  /** Moves time forward without running timers: four rounds a second of a whole day would take seconds. */
  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  override after(delayMs: number, fn: () => void): () => void {
    if (delayMs !== JOIN_MS) return super.after(delayMs, fn);
    Promise.allSettled(open.map((limits) => limits.syncPeers())).then(fn);
    return () => {};
  }
}

/** Connection between a gateway and its store, to inject faults. */
interface Link {
  /** Runs before each call of the store. The call fails if this rejects, and hangs while this is pending. */
  pass(call: "pull" | "publish" | "prune"): Promise<void>;
}

const healthy: Link = { pass: () => Promise.resolve() };
const down = (): Promise<void> => Promise.reject(new Error("down"));

async function gateway(link: Link = healthy): Promise<Limits> {
  const store = linkedStore(link, await openLimitsStore({ database, redisUrl, log: silentLog }));
  const limits = await createLimits({ clock, peerSync: { store, log: silentLog }, requestsPerMinute: LIMIT });
  open.push(limits);
  return limits;
}

function linkedStore(link: Link, store: LimitsStore): LimitsStore {
  return {
    pull: (...args) => link.pass("pull").then(() => store.pull(...args)),
    publish: (...args) => link.pass("publish").then(() => store.publish(...args)),
    prune: () => link.pass("prune").then(() => store.prune()),
    close: (id) => store.close(id),
  };
}

/** Makes everything in both stores older. */
async function age(ms: number): Promise<void> {
  await database.sql`update limit_states set updated_at = updated_at - make_interval(secs => ${ms / 1000})`;
  await onRedis(`
    for _, name in ipairs(redis.call('KEYS', '*told')) do
      for _, member in ipairs(redis.call('ZRANGE', name, 0, -1)) do redis.call('ZINCRBY', name, -${ms}, member) end
    end
    for _, name in ipairs(redis.call('KEYS', '*gateways')) do
      for _, id in ipairs(redis.call('HKEYS', name)) do
        if id ~= 'epoch' then redis.call('HINCRBY', name, id, -${ms}) end
      end
    end`);
}

async function wipe(): Promise<void> {
  await database.sql`truncate limit_states`;
  await onRedis("redis.call('FLUSHALL')");
}

async function onRedis(script: string): Promise<void> {
  const client = createClient({ url: redis.url, RESP: 2 });
  await client.connect();
  await client.eval(script, { keys: [], arguments: [] });
  client.destroy();
}

/** Sends `count` requests and returns how many are admitted. */
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

/** Highest number of requests admitted in any minute. */
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

describe.each(["PostgreSQL", "Redis"])("on %s", (name) => {
  beforeAll(() => {
    redisUrl = name === "Redis" ? redis.url : null;
  });

  describe("two gateways", () => {
    // Requests sent to each gateway in a quarter of a second, by the number of the quarter.
    const loads: [string, (quarter: number) => [number, number]][] = [
      ["both overloaded", () => [20, 20]],
      ["one overloaded", () => [20, 0]],
      ["alternating", (quarter) => (quarter % 80 < 40 ? [60, 0] : [0, 60])],
      ["in bursts", (quarter) => (quarter % 17 === 0 ? [400, 300] : [0, 0])],
    ];
    test.each(loads)(
      "admit at most 1 % more than the limit in any minute, and use most of it: %s",
      async (_, load) => {
        const [first, second] = [await gateway(), await gateway()];
        await first.syncPeers();
        const admitted: { atMs: number; count: number }[] = [];
        let offered = 0;
        for (let quarter = 0; quarter < 270; quarter++) {
          const [a, b] = load(quarter);
          offered += a + b;
          admitted.push({ atMs: clock.now(), count: offer(first, a) });
          clock.advance(125);
          admitted.push({ atMs: clock.now(), count: offer(second, b) });
          // The gateways synchronize at different times.
          if (quarter % 3 !== 2) await first.syncPeers();
          clock.advance(125);
          if (quarter % 3 !== 1) await second.syncPeers();
        }
        const busiest = busiestMinute(admitted);
        expect(busiest).toBeLessThanOrEqual(LIMIT * 1.01);
        expect(offered).toBeGreaterThan(LIMIT * 1.5);
        expect(busiest, "the gateways use the limit").toBeGreaterThan(LIMIT * 0.9);
      },
    );

    test("charge an account's guaranteed limits for the requests that either of them admits", async () => {
      const [first, second] = [await gateway(), await gateway()];
      offer(first, 40);
      await first.syncPeers();
      await second.syncPeers();
      expect(remaining(second, "x-ratelimit-remaining-requests")).toBe(19);
      expect(remaining(second, "x-ratelimit-remaining-tokens-prompt")).toBe(60_000 - 400);
      expect(remaining(second, "x-ratelimit-remaining-tokens-generated")).toBe(6_000 - 200);
      // Reading the same state again charges nothing.
      await second.syncPeers();
      expect(remaining(second, "x-ratelimit-remaining-tokens-prompt")).toBe(60_000 - 400);
    });

    test("share the request limits of API keys and the tokens of the day", async () => {
      const keys = new Map([["key-1", 10]]);
      const requestLimits = new Map<string, AccountRequestLimits>([
        ["acme", { requestsPerMinute: null, keys }],
      ]);
      const [first, second] = [await gateway(), await gateway()];
      for (const limits of [first, second]) limits.setRequestLimits(requestLimits);
      expect(offer(first, 9)).toBeGreaterThan(1);
      const otherKey = { ...ACME, keyId: "key-2" };
      const admission = first.admit(otherKey, SERVERLESS, ASK);
      admission.settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
      for (const limits of [first, second, first, second]) await limits.syncPeers();
      expect(offer(second, 1, otherKey)).toBe(0);
      expect(() => second.admit(otherKey, SERVERLESS, ASK)).toThrow("tokens a day");
    });

    test("know the tokens that a peer used on a new day before their own first request of that day", async () => {
      const [first, second] = [await gateway(), await gateway()];
      offer(second, 1);
      clock.skip(86_400_000);
      first.admit(ACME, SERVERLESS, ASK).settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
      for (const limits of [first, second]) await limits.syncPeers();
      expect(() => second.admit(ACME, SERVERLESS, ASK)).toThrow("tokens a day");
      clock.skip(86_400_000);
      second.admit(ACME, SERVERLESS, ASK);
    });

    test("let a key use its whole limit even if each gateway's share is one request, also on an account's own deployment", async () => {
      const requestLimits = new Map<string, AccountRequestLimits>([
        ["acme", { requestsPerMinute: null, keys: new Map([["key-1", 2]]) }],
      ]);
      const [first, second] = [await gateway(), await gateway()];
      for (const limits of [first, second]) limits.setRequestLimits(requestLimits);
      for (const limits of [first, second]) await limits.syncPeers();
      const dedicated = { ...SERVERLESS, isolation: "deployment" } as const;
      const request = () =>
        first.admit(ACME, dedicated, ASK).settle({ promptTokens: 0, completionTokens: 0 });
      request();
      await first.syncPeers();
      request();
      for (const limits of [first, second]) await limits.syncPeers();
      expect(() => second.admit(ACME, dedicated, ASK)).toThrow("The API key may make 2");
      clock.advance(61_000);
      second.admit(ACME, dedicated, ASK);
    });
  });

  describe("a gateway that starts", () => {
    test("takes over the grown limits, the current minute and the current day from an earlier gateway", async () => {
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

    test("reserves no share for a gateway that died", async () => {
      const link = { ...healthy };
      const first = await gateway(link);
      offer(first, 10);
      await first.syncPeers();
      link.pass = down;
      await age(120_000);
      const second = await gateway();
      expect(offer(second, LIMIT + 1)).toBe(LIMIT);
    });

    test("may use the whole limit at once when the earlier gateway has closed", async () => {
      const first = await gateway();
      offer(first, 10);
      await first.close();
      open.length = 0;
      const second = await gateway();
      expect(offer(second, LIMIT)).toBe(LIMIT - 10);
    });
  });

  test("a minute that crosses midnight counts as one minute", async () => {
    const limits = await gateway();
    clock.skip(86_398_000);
    await limits.syncPeers();
    expect(offer(limits, LIMIT)).toBe(LIMIT);
    clock.advance(4_000);
    await limits.syncPeers();
    clock.advance(2_000);
    await limits.syncPeers();
    expect(offer(limits, 1)).toBe(0);
  });

  describe("while the store can't be reached", () => {
    test.each(["fails", "hangs"])(
      "each gateway uses up its published ceiling, then keeps to an equal share of the limit: the store %s",
      async (how) => {
        const link = { ...healthy };
        const [first, second] = [await gateway(link), await gateway(link)];
        offer(first, 10);
        await first.syncPeers();
        let release = (): void => {};
        const hang = new Promise<void>((resolve) => (release = resolve));
        link.pass = how === "fails" ? down : () => hang;
        const admitted = offer(first, LIMIT);
        expect(admitted).toBeGreaterThan(LIMIT * 0.4);
        expect(admitted).toBeLessThan(LIMIT * 0.6);
        clock.advance(6_000);
        expect(offer(second, LIMIT)).toBe(LIMIT / 2);
        expect(offer(first, LIMIT)).toBe(0);
        clock.advance(61_000);
        expect(offer(first, LIMIT)).toBe(LIMIT / 2);
        link.pass = healthy.pass;
        release();
      },
    );

    test("a gateway that alone is cut off keeps to its share, and its peers count it as dead until it is back", async () => {
      const link = { ...healthy };
      const [first, second] = [await gateway(link), await gateway()];
      await second.syncPeers();
      link.pass = down;
      await age(60_000);
      for (let i = 0; i < 3; i++) {
        clock.advance(2_000);
        await second.syncPeers();
      }
      expect(offer(second, LIMIT + 1)).toBe(LIMIT);
      expect(offer(first, LIMIT)).toBe(LIMIT / 2);
      link.pass = healthy.pass;
      for (const limits of [first, second, first, second]) await limits.syncPeers();
      clock.advance(61_000);
      for (const limits of [first, second, first, second]) await limits.syncPeers();
      expect(offer(first, LIMIT)).toBeLessThanOrEqual(LIMIT / 4);
      expect(offer(second, LIMIT)).toBeLessThanOrEqual(LIMIT / 4);
    });

    test("a gateway that can pull but not publish does not count its peers as dead", async () => {
      const link = { ...healthy };
      const gateways = [await gateway(link), await gateway(link)];
      for (const limits of gateways) await limits.syncPeers();
      link.pass = (call) => (call === "publish" ? down() : healthy.pass(call));
      await age(60_000);
      clock.advance(6_000);
      for (const limits of gateways) await limits.syncPeers().catch(() => {});
      clock.advance(250);
      for (const limits of gateways) expect(offer(limits, LIMIT)).toBe(LIMIT / 2);
    });

    const step = fc.record({
      offers: fc.tuple(fc.constantFrom(0, 0, 5, 60, 400), fc.constantFrom(0, 0, 5, 60, 400)),
      afterMs: fc.constantFrom(50, 250, 250, 700, 3_000),
      fault: fc.constantFrom("none", "none", "none", "none", "none", "down", "up", "up", "loses all"),
    });
    test("two gateways exceed the limit by at most one share, whatever the store loses, and use all of it again afterwards", async () => {
      const property = fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 80 }), async (steps) => {
        const link = { ...healthy };
        const gateways = [await gateway(link), await gateway(link)];
        const admitted: { atMs: number; count: number }[] = [];
        const syncAll = async (): Promise<void> => {
          for (const limits of gateways) await limits.syncPeers().catch(() => {});
        };
        for (const { offers, afterMs, fault } of steps) {
          for (const [i, limits] of gateways.entries()) {
            admitted.push({ atMs: clock.now(), count: offer(limits, offers[i]!) });
          }
          if (fault === "down") link.pass = down;
          if (fault === "up") link.pass = healthy.pass;
          if (fault === "loses all" && redisUrl !== null) await wipe();
          clock.advance(afterMs);
          await syncAll();
        }
        expect(busiestMinute(admitted)).toBeLessThanOrEqual(LIMIT * 1.5);
        link.pass = healthy.pass;
        for (let i = 0; i < 4; i++) await syncAll();
        clock.advance(61_000);
        for (let i = 0; i < 4; i++) await syncAll();
        let all = 0;
        for (let i = 0; i < 12; i++) {
          all += offer(gateways[0]!, LIMIT);
          await syncAll();
        }
        expect(all, "a single busy gateway may use nearly the whole limit").toBeGreaterThan(LIMIT * 0.95);
        expect(all).toBeLessThanOrEqual(LIMIT);
        for (const limits of open.splice(0)) await limits.close();
        await wipe();
      });
      await fc.assert(property, { numRuns: 6 });
    });

    test("a gateway that starts after the store lost its states learns of earlier requests from its peers", async () => {
      const first = await gateway();
      expect(offer(first, LIMIT)).toBe(LIMIT);
      await first.syncPeers();
      if (redisUrl !== null) await wipe();
      await first.syncPeers();
      await first.syncPeers();
      expect(offer(await gateway(), 1)).toBe(0);
    });
  });
});

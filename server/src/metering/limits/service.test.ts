import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { type AccountRequestLimits, type Admission, createLimits, type LimitsOptions } from "./service.ts";

const ACME = { accountId: "acme", keyId: "key-1" };
const MODEL = "accounts/fireworks/models/m";
const SERVERLESS = { model: MODEL, deployment: MODEL, isolation: "account" } as const;
const NOTHING = { promptTokens: 0, completionTokens: 0 };
const ask = (n = 1, more = {}) => ({ n, bodySizeBytes: 400, maxTokens: 100, ...more });

async function start(options: Partial<LimitsOptions> = {}) {
  const clock = new FakeClock();
  const limits = await createLimits({ clock, ...options });
  const admit = (n = 1, more = {}) => limits.admit(ACME, SERVERLESS, ask(n, more));
  return { clock, limits, admit };
}

/** Its wall clock may be set. */
class SteppingClock extends FakeClock {
  stepMs = 0;
  override now(): number {
    return super.now() + this.stepMs;
  }
}

function headersOf(admission: Admission, use = NOTHING, isWhole = true): Record<string, string> {
  const list = admission.headers(use, isWhole);
  const pairs = list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]!]] : []));
  return Object.fromEntries(pairs);
}

function refusal(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error("It was not refused.");
}

describe("requests in flight", () => {
  test("an account at its limit gets 429 with retry-after, others are untouched, and an end makes room", async () => {
    const { limits, admit } = await start({ maxInFlight: 2 });
    const first = admit();
    admit();
    expect(refusal(admit)).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", status: 429, retryAfterS: 1 });
    limits.admit({ accountId: "other", keyId: "k" }, SERVERLESS, ask());
    first.settle(NOTHING);
    admit();
  });

  test("the count is the sum of what was let in and is not over, never above the limit", async () => {
    const step = fc.record({ ends: fc.boolean(), which: fc.nat(), n: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step), async (steps) => {
        const { limits, admit } = await start({ maxInFlight: 10 });
        const held: { n: number; admission: Admission }[] = [];
        let all = 0;
        for (const { ends, which, n } of steps) {
          const one = held[which % Math.max(1, held.length)];
          if (ends && one !== undefined) {
            // Twice: the second does nothing.
            one.admission.settle(NOTHING);
            one.admission.settle(NOTHING);
            held.splice(held.indexOf(one), 1);
            all -= one.n;
          } else if (all + n > 10) {
            expect(() => admit(n)).toThrow(AppError);
          } else {
            held.push({ n, admission: admit(n) });
            all += n;
          }
          expect(limits.inFlight("acme")).toBe(all);
        }
      }),
    );
  });
});

describe("requests per minute", () => {
  test("no minute has more than the limit, however requests come, and n choices count n", async () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 9_000 }),
      n: fc.integer({ min: 1, max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { clock, admit } = await start({ requestsPerMinute: 30 });
        const admitted: { atMs: number; n: number }[] = [];
        for (const { afterMs, n } of steps) {
          clock.advance(afterMs);
          const inMinute = (ms: number) =>
            admitted.filter((a) => a.atMs > clock.now() - ms).reduce((sum, a) => sum + a.n, 0);
          try {
            admit(n).settle(NOTHING);
            admitted.push({ atMs: clock.now(), n });
            expect(inMinute(60_000)).toBeLessThanOrEqual(30);
          } catch (error) {
            if (!(error instanceof AppError)) throw error;
            expect(inMinute(61_000) + n, "refused though there was room").toBeGreaterThan(30);
            expect(error).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", status: 429 });
          }
        }
      }),
    );
  });

  test("after the time in retry-after the request is let in", async () => {
    const { clock, admit } = await start({ requestsPerMinute: 5 });
    for (let i = 0; i < 5; i++) {
      admit().settle(NOTHING);
      clock.advance(700);
    }
    const { retryAfterS } = refusal(admit);
    clock.advance(retryAfterS! * 1000);
    admit();
  });

  test("a key with a limit of its own is held to it on all routes, the account's other keys are not", async () => {
    const { limits } = await start();
    const keys = new Map([["key-1", 2]]);
    limits.setRequestLimits(
      new Map<string, AccountRequestLimits>([["acme", { requestsPerMinute: null, keys }]]),
    );
    const own = { ...SERVERLESS, isolation: "deployment" } as const;
    limits.admit(ACME, SERVERLESS, ask());
    limits.admit(ACME, own, ask());
    expect(refusal(() => limits.admit(ACME, SERVERLESS, ask())).message).toContain("The API key may make 2");
    expect(refusal(() => limits.admit(ACME, own, ask())).status).toBe(429);
    limits.admit({ ...ACME, keyId: "key-2" }, SERVERLESS, ask());
    limits.setRequestLimits(new Map());
    limits.admit(ACME, SERVERLESS, ask());
  });

  test("an account's own limit takes the place of the default, also while it is in use", async () => {
    const { limits, admit } = await start({ requestsPerMinute: 2 });
    admit(2);
    expect(refusal(admit).message).toContain("2 requests per minute");
    limits.setRequestLimits(
      new Map<string, AccountRequestLimits>([["acme", { requestsPerMinute: 3, keys: new Map() }]]),
    );
    admit();
    expect(refusal(admit).message).toContain("3 requests per minute");
  });

  test("an account's own deployment has no limit, and its replies no headers", async () => {
    const { limits } = await start({ requestsPerMinute: 1 });
    for (let i = 0; i < 5; i++) {
      const admission = limits.admit(ACME, { ...SERVERLESS, isolation: "deployment" }, ask());
      expect(admission.headers(NOTHING, true)).toEqual([]);
      expect(admission.isOverLimit).toBe(false);
    }
  });
});

describe("guaranteed limits", () => {
  test("the headers tell the limits and what remains, with what the request itself used", async () => {
    const { admit } = await start();
    const admission = admit(2);
    const use = { promptTokens: 25, completionTokens: 40 };
    expect(headersOf(admission, use)).toEqual({
      "x-ratelimit-limit-requests": "60",
      "x-ratelimit-limit-tokens-prompt": "60000",
      "x-ratelimit-limit-tokens-generated": "6000",
      "x-ratelimit-remaining-requests": "58",
      "x-ratelimit-remaining-tokens-prompt": "59975",
      "x-ratelimit-remaining-tokens-generated": "5960",
      "x-ratelimit-over-limit": "no",
    });
  });

  test("a stream's headers tell the prompt's tokens and what the output is expected to have", async () => {
    const { admit } = await start();
    const headers = headersOf(admit(), { promptTokens: 25, completionTokens: 1 }, false);
    expect(headers).toMatchObject({
      "x-ratelimit-remaining-tokens-prompt": "59975",
      "x-ratelimit-remaining-tokens-generated": "5900",
    });
  });

  test("at any time the headers tell what three plain meters hold, n choices count n, and exhausted ones say so", async () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 900 }),
      n: fc.integer({ min: 1, max: 8 }),
      bodySizeBytes: fc.integer({ min: 0, max: 40_000 }),
      maxTokens: fc.integer({ min: 1, max: 2_000 }),
      promptTokens: fc.integer({ min: 1, max: 8_000 }),
      completionTokens: fc.integer({ min: 0, max: 1_500 }),
    });
    const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, admit } = await start();
      const most = [60, 60_000, 6_000];
      let left = [...most];
      for (const { afterMs, n, promptTokens, completionTokens, ...more } of steps) {
        clock.advance(afterMs);
        left = left.map((amount, i) => Math.min(most[i]!, amount + (most[i]! * afterMs) / 60_000));
        // What is within rounding of the edge may be seen either way.
        const isOver = left.some((amount) => amount < 1);
        if (left.some((amount) => Math.abs(amount - 1) < 1e-6)) return;
        const use = { promptTokens, completionTokens };
        const admission = admit(n, more);
        if (!isOver) left = left.map((amount, i) => amount - [n, promptTokens, completionTokens][i]!);
        const headers = headersOf(admission, use);
        admission.settle(use);
        expect(headers["x-ratelimit-over-limit"]).toBe(isOver ? "yes" : "no");
        for (const [i, name] of ["requests", "tokens-prompt", "tokens-generated"].entries()) {
          const told = Number(headers[`x-ratelimit-remaining-${name}`]);
          expect(Math.abs(told - Math.max(0, left[i]! - 0.5)), name).toBeLessThan(0.51);
          expect(headers[`x-ratelimit-limit-${name}`]).toBe(`${most[i]}`);
        }
      }
    });
    await fc.assert(property);
  });

  test("the requests told are those of the narrowest limit, the hard one's and the key's too", async () => {
    const { clock, limits, admit } = await start({ requestsPerMinute: 30 });
    admit(5).settle(NOTHING);
    clock.advance(20_000);
    const requests = (admission: Admission) => {
      const headers = headersOf(admission);
      return [headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]];
    };
    expect(requests(admit())).toEqual(["30", "24"]);
    const keys = new Map([["key-1", 10]]);
    limits.setRequestLimits(
      new Map<string, AccountRequestLimits>([["acme", { requestsPerMinute: null, keys }]]),
    );
    expect(requests(admit(3))).toEqual(["10", "7"]);
    expect(requests(limits.admit({ ...ACME, keyId: "key-2" }, SERVERLESS, ask()))).toEqual(["30", "20"]);
  });

  test("a refusal has the headers too, but for the account's own deployments", async () => {
    const { limits, admit } = await start({ requestsPerMinute: 2 });
    admit(2);
    const { headers } = refusal(admit);
    expect(headers).toHaveLength(14);
    expect(headers.slice(-2)).toEqual(["x-ratelimit-over-limit", "yes"]);
    expect(headers[headers.indexOf("x-ratelimit-remaining-requests") + 1]).toBe("0");
    limits.setRequestLimits(
      new Map<string, AccountRequestLimits>([
        ["acme", { requestsPerMinute: null, keys: new Map([["key-1", 1]]) }],
      ]),
    );
    const own = { ...SERVERLESS, isolation: "deployment" } as const;
    limits.admit(ACME, own, ask());
    expect(refusal(() => limits.admit(ACME, own, ask())).headers).toEqual([]);
  });

  test("what one of them has exhausted says so, and is replenished continuously", async () => {
    const { clock, admit } = await start();
    for (let i = 0; i < 60; i++) admit().settle({ promptTokens: 1, completionTokens: 1 });
    const over = admit();
    expect(over.isOverLimit).toBe(true);
    expect(headersOf(over)).toMatchObject({
      "x-ratelimit-over-limit": "yes",
      "x-ratelimit-remaining-requests": "0",
    });
    clock.advance(1_000);
    expect(admit().isOverLimit).toBe(false);
    expect(admit().isOverLimit).toBe(true);
  });

  test("more tokens than were left are owed, and those beyond the guarantee are not", async () => {
    const { clock, admit } = await start();
    const first = admit();
    first.settle({ promptTokens: 1, completionTokens: 12_000 });
    const over = admit();
    expect(over.isOverLimit).toBe(true);
    over.settle({ promptTokens: 1, completionTokens: 50_000 });
    clock.advance(59_000);
    expect(admit().isOverLimit).toBe(true);
    clock.advance(1_100);
    expect(admit().isOverLimit).toBe(false);
  });

  test("beyond them and with the deployment overloaded a request is refused, within them it is not", async () => {
    let isOverloaded = true;
    const { admit } = await start({ isOverloaded: (deployment) => deployment === MODEL && isOverloaded });
    for (let i = 0; i < 60; i++) admit().settle(NOTHING);
    expect(refusal(admit)).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", retryAfterS: 5 });
    isOverloaded = false;
    expect(admit().isOverLimit).toBe(true);
  });

  const request = fc.record({
    afterMs: fc.integer({ min: 0, max: 5_000 }),
    lastsMs: fc.integer({ min: 0, max: 30_000 }),
    bodySizeBytes: fc.integer({ min: 0, max: 40_000 }),
    prompt: fc.integer({ min: 0, max: 9_000 }),
    completion: fc.integer({ min: 0, max: 3_000 }),
  });

  test("in the long run exactly what guaranteed requests really used is charged, failed and aborted ones too", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 60 }), async (requests) => {
        const { clock, limits } = await start();
        let guaranteed = 0;
        const startMs = clock.now();
        for (const { afterMs, lastsMs, bodySizeBytes, prompt, completion } of requests) {
          clock.advance(afterMs);
          const admission = limits.admit(ACME, SERVERLESS, { n: 1, bodySizeBytes, maxTokens: 4_000 });
          const use = { promptTokens: prompt, completionTokens: completion };
          clock.after(lastsMs, () => admission.settle(use));
          if (!admission.isOverLimit) guaranteed += prompt;
        }
        clock.advance(30_000);
        const minutes = (clock.now() - startMs) / 60_000;
        const probe = limits.admit(ACME, SERVERLESS, { n: 1, bodySizeBytes: 0, maxTokens: 0 });
        const headers = headersOf(probe);
        // So short a history doesn't grow the limits: a full bucket, what came in, and what ran at once.
        expect(headers["x-ratelimit-limit-tokens-prompt"]).toBe("60000");
        expect(guaranteed).toBeLessThanOrEqual(60_000 * (1 + minutes) + 60 * 9_000);
        clock.advance(30 * 60_000);
        const rested = headersOf(limits.admit(ACME, SERVERLESS, { n: 1, bodySizeBytes: 0, maxTokens: 0 }));
        expect(rested["x-ratelimit-remaining-tokens-prompt"]).toBe("60000");
        expect(rested["x-ratelimit-remaining-tokens-generated"]).toBe("6000");
      }),
      { numRuns: 50 },
    );
  });
});

describe("tokens a day", () => {
  const sizes: [number | null, number][] = [
    [null, 2_500_000_000],
    [39.9e9, 2_500_000_000],
    [40e9, 1_250_000_000],
    [100e9, 1_250_000_000],
    [100.1e9, 600_000_000],
    [671e9, 600_000_000],
  ];
  test.each(sizes)("of a model with %d parameters are %i, until midnight", async (parameters, tokens) => {
    const { clock, limits, admit } = await start({ parametersOf: () => parameters });
    clock.advance(23 * 3_600_000);
    admit().settle({ promptTokens: tokens - 2, completionTokens: 1 });
    admit().settle({ promptTokens: 0, completionTokens: 1 });
    const refused = refusal(admit);
    expect(refused).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", retryAfterS: 3_600 });
    expect(refused.message).toContain(`${tokens} tokens a day`);
    limits.admit({ accountId: "other", keyId: "k" }, SERVERLESS, ask());
    clock.advance(3_600_000);
    admit();
  });

  test("a request that crosses midnight counts for the day it ends on, and a clock that steps back begins no day anew", async () => {
    const clock = new SteppingClock();
    const limits = await createLimits({ clock });
    const admit = () => limits.admit(ACME, SERVERLESS, ask());
    clock.advance(86_399_000);
    const crossing = admit();
    clock.advance(2_000);
    crossing.settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
    expect(refusal(admit).retryAfterS).toBe(86_399);
    clock.stepMs = -7_200_000;
    expect(refusal(admit).status).toBe(429);
  });

  test("a clock that was years ahead for a moment leaves no day that never ends", async () => {
    const clock = new SteppingClock();
    const limits = await createLimits({ clock });
    const admit = () => limits.admit(ACME, SERVERLESS, ask());
    clock.stepMs = 10 * 366 * 86_400_000;
    admit().settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
    expect(refusal(admit).message).toContain("tokens a day");
    clock.stepMs = 0;
    admit().settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
    expect(refusal(admit).message).toContain("tokens a day");
    clock.advance(86_400_000);
    admit();
  });
});

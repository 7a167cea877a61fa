import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { type AccountRequestLimits, type Admission, createLimits, type LimitsOptions } from "./service.ts";

const ACME = { accountId: "acme", keyId: "key-1" };
const MODEL = "accounts/fireworks/models/m";
const SERVERLESS = { model: MODEL, deployment: MODEL, isolation: "account" } as const;
const NOTHING = { promptTokens: 0, completionTokens: 0 };
const estimate = (n = 1, overrides = {}) => ({ n, bodySizeBytes: 400, maxTokens: 100, ...overrides });

async function start(options: Partial<LimitsOptions> = {}) {
  const clock = new FakeClock();
  const limits = await createLimits({ clock, ...options });
  const admit = (n = 1, overrides = {}) => limits.admit(ACME, SERVERLESS, estimate(n, overrides));
  return { clock, limits, admit };
}

/** A clock whose wall time a test can shift; the monotonic time is not affected. */
class SteppingClock extends FakeClock {
  stepMs = 0;
  override now(): number {
    return super.now() + this.stepMs;
  }
}

function headersOf(admission: Admission, use = NOTHING, isFinal = true): Record<string, string> {
  const list = admission.headers(use, isFinal);
  const pairs = list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]!]] : []));
  return Object.fromEntries(pairs);
}

function refusal(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error("The request was not refused.");
}

describe("requests in flight", () => {
  test("beyond the limit get 429 with retry-after, other accounts are not affected, and a request that ends makes room", async () => {
    const { limits, admit } = await start({ maxInFlight: 2 });
    const first = admit();
    admit();
    expect(refusal(admit)).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", status: 429, retryAfterS: 1 });
    limits.admit({ accountId: "other", keyId: "k" }, SERVERLESS, estimate());
    first.settle(NOTHING);
    admit();
  });

  test("never exceed the limit and equal the choices of all admitted requests that are not settled", async () => {
    const step = fc.record({ ends: fc.boolean(), which: fc.nat(), n: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step), async (steps) => {
        const { limits, admit } = await start({ maxInFlight: 10 });
        const held: { n: number; admission: Admission }[] = [];
        let all = 0;
        for (const { ends, which, n } of steps) {
          const admission = held[which % Math.max(1, held.length)];
          if (ends && admission !== undefined) {
            // Settling again must do nothing.
            admission.admission.settle(NOTHING);
            admission.admission.settle(NOTHING);
            held.splice(held.indexOf(admission), 1);
            all -= admission.n;
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
  test("never exceed the limit in any minute, and a request with n choices counts n times", async () => {
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
            expect(
              inMinute(61_000) + n,
              "a request is refused only if it would exceed the limit",
            ).toBeGreaterThan(30);
            expect(error).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", status: 429 });
          }
        }
      }),
    );
  });

  test("have room again after the time in retry-after", async () => {
    const { clock, admit } = await start({ requestsPerMinute: 5 });
    for (let i = 0; i < 5; i++) {
      admit().settle(NOTHING);
      clock.advance(700);
    }
    const { retryAfterS } = refusal(admit);
    clock.advance(retryAfterS! * 1000);
    admit();
  });

  test("are limited on all deployments by a key's own limit, and the account's other keys are not limited by it", async () => {
    const { limits } = await start();
    const keys = new Map([["key-1", 2]]);
    limits.setRequestLimits(
      new Map<string, AccountRequestLimits>([["acme", { requestsPerMinute: null, keys }]]),
    );
    const dedicated = { ...SERVERLESS, isolation: "deployment" } as const;
    limits.admit(ACME, SERVERLESS, estimate());
    limits.admit(ACME, dedicated, estimate());
    expect(refusal(() => limits.admit(ACME, SERVERLESS, estimate())).message).toContain(
      "The API key may make 2",
    );
    expect(refusal(() => limits.admit(ACME, dedicated, estimate())).status).toBe(429);
    limits.admit({ ...ACME, keyId: "key-2" }, SERVERLESS, estimate());
    limits.setRequestLimits(new Map());
    limits.admit(ACME, SERVERLESS, estimate());
  });

  test("follow the account's own limit instead of the default, also when it changes during use", async () => {
    const { limits, admit } = await start({ requestsPerMinute: 2 });
    admit(2);
    expect(refusal(admit).message).toContain("2 requests per minute");
    limits.setRequestLimits(
      new Map<string, AccountRequestLimits>([["acme", { requestsPerMinute: 3, keys: new Map() }]]),
    );
    admit();
    expect(refusal(admit).message).toContain("3 requests per minute");
  });

  test("to an account's own deployment are not limited, and their responses have no headers", async () => {
    const { limits } = await start({ requestsPerMinute: 1 });
    for (let i = 0; i < 5; i++) {
      const admission = limits.admit(ACME, { ...SERVERLESS, isolation: "deployment" }, estimate());
      expect(admission.headers(NOTHING, true)).toEqual([]);
      expect(admission.isOverLimit).toBe(false);
    }
  });
});

describe("guaranteed limits", () => {
  test("are reported in the headers with the remaining amounts, after the request's own use", async () => {
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

  test("are reported in a stream's headers after the real prompt tokens and the expected output tokens", async () => {
    const { admit } = await start();
    const headers = headersOf(admit(), { promptTokens: 25, completionTokens: 1 }, false);
    expect(headers).toMatchObject({
      "x-ratelimit-remaining-tokens-prompt": "59975",
      "x-ratelimit-remaining-tokens-generated": "5900",
    });
  });

  test("behave like three simple token buckets at any time: n choices count n times, and an exhausted bucket is reported", async () => {
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
      let levels = [...most];
      for (const { afterMs, n, promptTokens, completionTokens, ...overrides } of steps) {
        clock.advance(afterMs);
        levels = levels.map((amount, i) => Math.min(most[i]!, amount + (most[i]! * afterMs) / 60_000));
        // A level within rounding error of the threshold may be reported either way.
        const isOver = levels.some((amount) => amount < 1);
        if (levels.some((amount) => Math.abs(amount - 1) < 1e-6)) return;
        const use = { promptTokens, completionTokens };
        const admission = admit(n, overrides);
        if (!isOver) levels = levels.map((amount, i) => amount - [n, promptTokens, completionTokens][i]!);
        const headers = headersOf(admission, use);
        admission.settle(use);
        expect(headers["x-ratelimit-over-limit"]).toBe(isOver ? "yes" : "no");
        for (const [i, name] of ["requests", "tokens-prompt", "tokens-generated"].entries()) {
          const reported = Number(headers[`x-ratelimit-remaining-${name}`]);
          expect(Math.abs(reported - Math.max(0, levels[i]! - 0.5)), name).toBeLessThan(0.51);
          expect(headers[`x-ratelimit-limit-${name}`]).toBe(`${most[i]}`);
        }
      }
    });
    await fc.assert(property);
  });

  test("give way in the request headers to the hard limit or the key's limit when that is narrower", async () => {
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
    expect(requests(limits.admit({ ...ACME, keyId: "key-2" }, SERVERLESS, estimate()))).toEqual(["30", "20"]);
  });

  test("are reported with a refusal too, except for the account's own deployments", async () => {
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
    const dedicated = { ...SERVERLESS, isolation: "deployment" } as const;
    limits.admit(ACME, dedicated, estimate());
    expect(refusal(() => limits.admit(ACME, dedicated, estimate())).headers).toEqual([]);
  });

  test("are reported as exhausted when one of them is, and refill continuously", async () => {
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

  test("go into debt for tokens beyond the remaining ones, but not for requests that were already over the limit", async () => {
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

  test("protect requests from refusal while the deployment is overloaded; requests beyond them are refused", async () => {
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

  test("are charged for the real use of guaranteed requests in the long run, including failed and aborted ones", async () => {
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
        // The limits have not grown yet, so the bound is a full bucket, the refill, and the requests in flight.
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
  test.each(sizes)(
    "of a model with %d parameters are limited to %i until midnight",
    async (parameters, tokens) => {
      const { clock, limits, admit } = await start({ parameterCountOf: () => parameters });
      clock.advance(23 * 3_600_000);
      admit().settle({ promptTokens: tokens - 2, completionTokens: 1 });
      admit().settle({ promptTokens: 0, completionTokens: 1 });
      const error = refusal(admit);
      expect(error).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", retryAfterS: 3_600 });
      expect(error.message).toContain(`${tokens} tokens a day`);
      limits.admit({ accountId: "other", keyId: "k" }, SERVERLESS, estimate());
      clock.advance(3_600_000);
      admit();
    },
  );

  test("count for the day on which the request ends, and a clock that steps back over midnight does not reset them", async () => {
    const clock = new SteppingClock();
    const limits = await createLimits({ clock });
    const admit = () => limits.admit(ACME, SERVERLESS, estimate());
    clock.advance(86_399_000);
    const crossing = admit();
    clock.advance(2_000);
    crossing.settle({ promptTokens: 2_500_000_000, completionTokens: 0 });
    expect(refusal(admit).retryAfterS).toBe(86_399);
    clock.stepMs = -7_200_000;
    expect(refusal(admit).status).toBe(429);
  });

  test("are counted by real days again after the clock was years ahead for a moment", async () => {
    const clock = new SteppingClock();
    const limits = await createLimits({ clock });
    const admit = () => limits.admit(ACME, SERVERLESS, estimate());
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

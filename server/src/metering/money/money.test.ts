import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AppError } from "../../lib/errors.ts";
import { costOf, divideRounded, formatDollars, loadPrices, type Prices, parseDollars } from "./service.ts";

const CATALOG = fileURLToPath(new URL("../../../../catalog/prices/", import.meta.url));
const AT = Date.UTC(2026, 0, 1);
const NOTHING = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, quantity: 0 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hearth-prices-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function priceFile(prices: unknown): string {
  const file = join(folder, `p${files++}.json`);
  writeFileSync(file, typeof prices === "string" ? prices : JSON.stringify({ prices }));
  return file;
}

function load(prices: unknown, override: unknown = null, sizes: Record<string, number> = {}): Prices {
  return loadPrices({
    files: [priceFile(prices)],
    overrideFile: override === null ? null : priceFile(override),
    parameterCount: (model) => sizes[model] ?? null,
  });
}

describe("amounts", () => {
  test("are parsed to exactly the amount that was formatted", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 999_999_999_999_999n }), (micros) => {
        expect(parseDollars("amount", formatDollars(micros))).toBe(micros);
        expect(formatDollars(-micros)).toBe(micros === 0n ? "0.00" : `-${formatDollars(micros)}`);
      }),
    );
  });

  test("must be plain decimals without sign, currency, exponent, separator or seventh decimal", () => {
    const bad = [
      "",
      "-1",
      "+1",
      "$5",
      "5 USD",
      "1e3",
      "1,000",
      ".5",
      "5.",
      "01",
      "0.1234567",
      "1000000000",
      "∞",
      "NaN",
      "0x1",
      " 1",
      "1\n",
    ];
    for (const text of bad) {
      expect(() => parseDollars("amount", text), text).toThrow(AppError);
      expect(() => parseDollars("amount", text)).toThrow(/^amount /);
    }
    expect(parseDollars("amount", "0.000001")).toBe(1n);
    expect(formatDollars(1_500_000n)).toBe("1.50");
  });

  test("are divided with half-to-even rounding", () => {
    const positive = fc.bigInt({ min: 1n, max: 10n ** 20n });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), positive, (dividend, divisor) => {
        const twiceOff = 2n * (divideRounded(dividend, divisor) * divisor - dividend);
        expect(twiceOff <= divisor && -twiceOff <= divisor).toBe(true);
      }),
    );
    expect([1n, 3n, 5n].map((dividend) => divideRounded(dividend, 2n))).toEqual([0n, 2n, 2n]);
  });
});

describe("prices", () => {
  test("load from the shipped files and equal the published prices", () => {
    const shipped = loadPrices({
      files: readdirSync(CATALOG).map((name) => join(CATALOG, name)),
      overrideFile: null,
      parameterCount: (model) => (model === "accounts/fireworks/models/small" ? 135_000_000 : null),
    });
    const million = { ...NOTHING, promptTokens: 1_000_000, completionTokens: 1_000_000 };
    const text = (model: string) =>
      costOf(shipped.priceOf("text", `accounts/fireworks/models/${model}`, AT), million);
    expect(text("deepseek-r1-0528")).toBe(11_000_000n);
    expect(text("qwen3-235b-a22b")).toBe(1_100_000n);
    expect(text("small")).toBe(400_000n);
    expect(text("some-other")).toBe(1_800_000n);
    const hour = { ...NOTHING, quantity: 3_600_000 };
    expect(costOf(shipped.priceOf("gpu_seconds", "NVIDIA_H100_80GB", AT), hour)).toBe(5_000_000n);
    expect(shipped.priceOf("cpu_seconds", "CPU", AT)).toBeNull();
    const minute = { ...NOTHING, quantity: 60_000 };
    expect(costOf(shipped.priceOf("audio", "accounts/fireworks/models/whisper-v3", AT), minute)).toBe(
      200_000n,
    );
  });

  test("apply from their start (inclusive) to their end (exclusive)", () => {
    const prices = load([
      { kind: "text", model: "m", input: "1", output: "1", to: "2026-01-01T00:00:00Z" },
      {
        kind: "text",
        model: "m",
        input: "2",
        output: "2",
        from: "2026-01-01T00:00:00Z",
        to: "2026-02-01T00:00:00+01:00",
      },
    ]);
    const input = (atMs: number) => prices.priceOf("text", "m", atMs)?.input ?? null;
    expect([AT - 1, AT, Date.UTC(2026, 0, 31, 23) - 1, Date.UTC(2026, 0, 31, 23)].map(input)).toEqual([
      1_000_000n,
      2_000_000n,
      2_000_000n,
      null,
    ]);
  });

  test("are chosen by the model first, then by the smallest size that fits, then by the kind", () => {
    const text = (price: string, rest: object) => ({ kind: "text", input: price, output: price, ...rest });
    const prices = load(
      [
        text("1", { model: "own" }),
        text("3", { maxParameters: 20 }),
        text("2", { maxParameters: 10 }),
        text("4", {}),
        { kind: "embeddings", input: "9" },
      ],
      null,
      { own: 5, small: 10, large: 11, huge: 21 },
    );
    const inputs = ["own", "small", "large", "huge", "unknown"].map(
      (model) => prices.priceOf("text", model, AT)?.input,
    );
    expect(inputs).toEqual([1_000_000n, 2_000_000n, 3_000_000n, 4_000_000n, 4_000_000n]);
    expect(prices.priceOf("audio", "own", AT)).toBeNull();
  });

  test("are the operator's for a subject that the operator prices, and the shipped ones for all others", () => {
    const prices = load(
      [
        { kind: "text", model: "a", input: "1", output: "1", to: "2026-01-01T00:00:00Z" },
        { kind: "text", model: "b", input: "1", output: "1" },
      ],
      [{ kind: "text", model: "a", input: "7", cachedInput: "0", output: "7", from: "2026-01-01T00:00:00Z" }],
    );
    expect(prices.priceOf("text", "a", AT - 1)).toBeNull();
    expect(prices.priceOf("text", "a", AT)).toMatchObject({ input: 7_000_000n, cachedInput: 0n });
    expect(prices.priceOf("text", "b", AT)?.input).toBe(1_000_000n);
  });

  test("give a cost that is the exact sum of its parts, rounded once", () => {
    const rate = fc.integer({ min: 0, max: 99_999_999 }).map((micros) => formatDollars(BigInt(micros)));
    const tokens = fc.integer({ min: 0, max: 2_147_483_647 });
    fc.assert(
      fc.property(
        rate,
        rate,
        rate,
        tokens,
        tokens,
        tokens,
        (input, cachedInput, output, prompt, cached, completion) => {
          const price = load([{ kind: "text", input, cachedInput, output }]).priceOf("text", "m", AT);
          const hits = Math.min(prompt, cached);
          const exact =
            BigInt(prompt - hits) * parseDollars("", input) +
            BigInt(hits) * parseDollars("", cachedInput) +
            BigInt(completion) * parseDollars("", output);
          const cost = costOf(price, {
            promptTokens: prompt,
            cachedTokens: cached,
            completionTokens: completion,
            quantity: 0,
          });
          expect(cost).toBe(divideRounded(exact, 1_000_000n));
        },
      ),
      { numRuns: 50 },
    );
  });

  test.each([
    ["not JSON", "{", /not valid JSON/],
    ["an unknown kind", [{ kind: "air", input: "1" }], /prices\.0/],
    ["an unknown field", [{ kind: "embeddings", input: "1", inptu: "1" }], /prices\.0/],
    ["a number instead of a text", [{ kind: "embeddings", input: 0.1 }], /prices\.0\.input/],
    ["a negative price", [{ kind: "embeddings", input: "-1" }], /prices\.0\.input/],
    ["a huge price", [{ kind: "embeddings", input: "1000000" }], /prices\.0\.input/],
    ["a missing rate", [{ kind: "text", input: "1" }], /needs output/],
    ["a rate of another kind", [{ kind: "audio", perMinute: "1", output: "1" }], /no output/],
    ["two things", [{ kind: "embeddings", input: "1", model: "m", maxParameters: 1 }], /more than one/],
    ["a bad time", [{ kind: "embeddings", input: "1", from: "2026-02-30T00:00:00Z" }], /bad from/],
    [
      "an end before its beginning",
      [{ kind: "embeddings", input: "1", from: "2026-02-01T00:00:00Z", to: "2026-01-01T00:00:00Z" }],
      /ends before/,
    ],
    [
      "two prices at one time",
      [
        { kind: "embeddings", input: "1" },
        { kind: "embeddings", input: "2", from: "2026-01-01T00:00:00Z" },
      ],
      /prices\.1 has another/,
    ],
  ])("from a file with %s are refused with the file's name and the entry", (_defect, prices, message) => {
    expect(() => load(prices)).toThrow(message as RegExp);
    expect(() => load(prices)).toThrow(/^p\d+\.json: /);
  });
});

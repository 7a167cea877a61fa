import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { floatToHalf, halfToFloat, quantizeQ8_0, toFloat16, toFloat32 } from "./number-formats.ts";

const finite = (max: number) =>
  fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-max), max: Math.fround(max) });

describe("the conversion to 16-bit floats", () => {
  test("keeps every 16-bit float", () => {
    for (let half = 0; half < 65_536; half++) {
      const value = halfToFloat(half);
      if (!Number.isNaN(value)) expect(floatToHalf(value)).toBe(half);
    }
  });

  test("rounds to the nearest, ties to even", () => {
    fc.assert(
      fc.property(fc.oneof(finite(65_504), finite(1), finite(1e-4)), (value) => {
        const half = floatToHalf(value);
        const distance = Math.abs(halfToFloat(half) - value);
        for (const neighbour of [half - 1, half + 1]) {
          if ((neighbour & 0x7fff) > 0x7bff || (neighbour ^ half) & 0x8000) continue;
          const other = Math.abs(halfToFloat(neighbour & 0xffff) - value);
          expect(distance).toBeLessThanOrEqual(other);
          if (distance === other) expect(half & 1).toBe(0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("refuses numbers beyond the range, and NaN", () => {
    for (const value of [65_520, -1e30, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(() => toFloat16(Float32Array.of(1, value))).toThrow(RangeError);
    }
    expect([...toFloat16(Float32Array.of(65_519, -0, 2 ** -25, 2 ** -24))]).toEqual([0x7bff, 0x8000, 0, 1]);
  });

  test("is the inverse of reading stored numbers of each type", () => {
    const bytes = (...values: number[]) => Buffer.from(Uint16Array.from(values).buffer);
    expect([...toFloat32(bytes(0x3c00, 0xc000), "F16")]).toEqual([1, -2]);
    expect([...toFloat32(bytes(0x3f80, 0xc000), "BF16")]).toEqual([1, -2]);
    expect([...toFloat32(Buffer.from(Float32Array.of(0.1, -7).buffer), "F32")]).toEqual([
      Math.fround(0.1),
      -7,
    ]);
  });
});

describe("the conversion to Q8_0", () => {
  const block = fc.tuple(
    fc.array(finite(1), { minLength: 32, maxLength: 32 }),
    fc.integer({ min: -10, max: 10 }),
  );

  test("changes each number by at most half a step plus the rounding of the scale", () => {
    fc.assert(
      fc.property(block, ([values, exponent]) => {
        const numbers = Float32Array.from(values, (value) => value * 2 ** exponent);
        const bytes = quantizeQ8_0(numbers);
        expect(bytes).toHaveLength(34);
        const scale = halfToFloat(bytes.readUInt16LE(0));
        const max = Math.max(...numbers.map(Math.abs));
        // The scale is rounded to 11 significant bits, or to the smallest subnormal number.
        const tolerance = scale / 2 + max * 2 ** -11 + 127 * 2 ** -25;
        for (let i = 0; i < 32; i++) {
          expect(Math.abs(bytes.readInt8(2 + i) * scale - numbers[i]!)).toBeLessThanOrEqual(
            tolerance * 1.0001,
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  test("stores the largest number as 127 steps, keeps opposites opposite, and keeps zero", () => {
    fc.assert(
      fc.property(block, ([values]) => {
        fc.pre(values.some((value) => Math.abs(value) > 1e-2));
        const there = quantizeQ8_0(Float32Array.from(values));
        const back = quantizeQ8_0(Float32Array.from(values, (value) => -value));
        const steps = (bytes: Buffer) => Array.from({ length: 32 }, (_, i) => bytes.readInt8(2 + i));
        expect(Math.max(...steps(there).map(Math.abs))).toBe(127);
        expect(steps(back)).toEqual(steps(there).map((step) => 0 - step));
      }),
    );
    expect(quantizeQ8_0(new Float32Array(64))).toEqual(Buffer.alloc(68));
  });

  test("refuses NaN", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e30]) {
      expect(() => quantizeQ8_0(Float32Array.from({ length: 32 }, (_, i) => (i === 5 ? value : 1)))).toThrow(
        RangeError,
      );
    }
  });
});

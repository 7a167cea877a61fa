import fc from "fast-check";
import { expect, test } from "vitest";
import { AppError } from "../../lib/errors.ts";
import { createLimits } from "./service.ts";

const acme = { accountId: "acme" };

test("an account at its limit gets 429 with retry-after, other accounts are untouched, and a release makes room", () => {
  const limits = createLimits({ maxInFlight: 2 });
  const release = limits.admit(acme, "m", 1);
  limits.admit(acme, "m", 1);
  let refusal: unknown;
  try {
    limits.admit(acme, "m", 1);
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(AppError);
  expect(refusal).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", status: 429, retryAfterS: 1 });
  limits.admit({ accountId: "other" }, "m", 1);
  release();
  limits.admit(acme, "m", 1);
});

test("the count in flight is the sum of what was let in and not released, never above the limit", () => {
  const step = fc.record({ release: fc.boolean(), which: fc.nat(), n: fc.integer({ min: 1, max: 4 }) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const limits = createLimits({ maxInFlight: 10 });
      const held: { n: number; release: () => void }[] = [];
      let all = 0;
      for (const { release, which, n } of steps) {
        const one = held[which % Math.max(1, held.length)];
        if (release && one !== undefined) {
          // Twice: the second does nothing.
          one.release();
          one.release();
          held.splice(held.indexOf(one), 1);
          all -= one.n;
        } else if (all + n > 10) {
          expect(() => limits.admit(acme, "m", n)).toThrow(AppError);
        } else {
          held.push({ n, release: limits.admit(acme, "m", n) });
          all += n;
        }
        expect(limits.inFlight("acme")).toBe(all);
      }
    }),
  );
});

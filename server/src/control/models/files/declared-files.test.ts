import { resolve, sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AppError } from "../../../lib/errors.ts";
import { checkKey } from "../../../platform/blobs/blobs.ts";
import { checkFileName, filePrefix } from "./declared-files.ts";

test("an accepted file name stays in the model's folder, is a valid key, and is not a pickle or archive", () => {
  const part = fc.oneof(
    fc.constantFrom("..", ".", "", "a", "config.json", "C:", "\\", "\0", "~", "a.bin", "%2e%2e", "-"),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.stringMatching(/^[A-Za-z0-9._+=@-]{1,12}$/),
  );
  const owner = { accountId: "a".repeat(63), uid: "u".repeat(16) };
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 6 }),
      fc.constantFrom("/", "\\", ""),
      (parts, join) => {
        const name = parts.join(join);
        try {
          checkFileName("f", name);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).param).toBe("f");
          return;
        }
        expect(resolve("/top", name).startsWith(`/top${sep}`)).toBe(true);
        expect(name).not.toMatch(/\.(bin|zip)$/i);
        checkKey(filePrefix(owner) + name);
      },
    ),
    { numRuns: 2_000 },
  );
});

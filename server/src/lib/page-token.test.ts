import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openPageToken, sealPageToken } from "./page-token.ts";

const secret = randomBytes(32);
const refused = expect.objectContaining({ code: "BAD_REQUEST", param: "pageToken" });

describe("a page token", () => {
  test("opens in its own context and returns its payload", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (context, payload) => {
        const token = sealPageToken(secret, context, payload);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(openPageToken(secret, context, token)).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
    );
  });

  test("opens in no other context and with no other secret", () => {
    const token = sealPageToken(secret, "a", [1]);
    expect(() => openPageToken(secret, "b", token)).toThrow(refused);
    expect(() => openPageToken(randomBytes(32), "a", token)).toThrow(refused);
  });

  test("doesn't open after a character was changed, removed or added", () => {
    const token = sealPageToken(secret, "a", { position: ["2025", null] });
    for (let i = 0; i < token.length; i++) {
      for (const other of ["A", "B", "_", "", "AA", "=", "é"]) {
        const changed = token.slice(0, i) + other + token.slice(i + 1);
        if (changed !== token) expect(() => openPageToken(secret, "a", changed), changed).toThrow(refused);
      }
    }
  });

  test("reveals nothing without the secret, neither its content nor whether two tokens are equal", () => {
    const token = sealPageToken(secret, "a", "accounts/secret");
    expect(Buffer.from(token, "base64url").toString("latin1")).not.toContain("secret");
    expect(sealPageToken(secret, "a", "accounts/secret")).not.toBe(token);
  });

  test.each(["x", "a b", "eyJhIjoxfQ", "A".repeat(40), "A".repeat(100_000)])("is not %.20s", (token) => {
    expect(() => openPageToken(secret, "a", token)).toThrow(refused);
  });
});

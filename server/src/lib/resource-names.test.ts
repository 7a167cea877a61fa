import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fullModelName, parseModelName, shortModelName } from "./resource-names.ts";

const segment = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);

describe("model names", () => {
  it("have a full and a short form that parse to the same account and model", () => {
    fc.assert(
      fc.property(segment, segment, (accountId, modelId) => {
        const name = { accountId, modelId };
        expect(parseModelName(fullModelName(name))).toEqual(name);
        expect(parseModelName(shortModelName(name))).toEqual(name);
      }),
    );
  });

  it("are accepted only if they equal the full or the short form of the parsed name", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a/.\-_\n\0 ]{0,20}$/)),
        (text) => {
          const name = parseModelName(text);
          if (name !== null) expect([fullModelName(name), shortModelName(name)]).toContain(text);
        },
      ),
    );
  });

  it.each([
    "",
    "smollm2",
    "accounts/fireworks/models/",
    "accounts//models/x",
    "accounts/fireworks/models/x/",
    "/accounts/fireworks/models/x",
    "Accounts/fireworks/models/x",
    "accounts/fireworks/datasets/x",
    "accounts/fireworks/models/x\n",
    "fireworks/x\0",
    "fireworks/x#alice/1",
    "fireworks/.",
    "../x",
    "fireworks/\ud800",
    `fireworks/${"x".repeat(64)}`,
  ])("%j is not a model name", (text) => {
    expect(parseModelName(text)).toBeNull();
  });
});

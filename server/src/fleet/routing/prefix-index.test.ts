import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PrefixIndex, prefixBlockHashes } from "./prefix-index.ts";

const text = (length: number, letter = "a") => letter.repeat(length);

describe("the blocks of a prompt", () => {
  it("are its whole blocks, up to the limit", () => {
    expect(prefixBlockHashes(text(255), "")).toHaveLength(0);
    expect(prefixBlockHashes(text(600), "")).toHaveLength(2);
    expect(prefixBlockHashes(text(100_000), "")).toHaveLength(64);
    expect(prefixBlockHashes(new Array(130).fill(7), "")).toHaveLength(2);
    expect(prefixBlockHashes(new Array(100_000).fill(7), "")).toHaveLength(64);
  });

  it("are equal exactly as far as the prompts are", () => {
    const tokens = fc.array(fc.nat(150_000), { minLength: 200, maxLength: 200 });
    fc.assert(
      fc.property(tokens, fc.nat(199), (prompt, at) => {
        const other = prompt.with(at, prompt[at]! + 1);
        const [a, b] = [prefixBlockHashes(prompt, ""), prefixBlockHashes(other, "")];
        const same = Math.floor(at / 64);
        expect(b.slice(0, same)).toEqual(a.slice(0, same));
        for (let block = same; block < a.length; block++) expect(b[block]).not.toBe(a[block]);
      }),
    );
  });

  it("are different in different scopes", () => {
    expect(prefixBlockHashes(text(512), "a")).not.toEqual(prefixBlockHashes(text(512), "b"));
  });
});

describe("the prefix index of a replica", () => {
  it("returns how far it knows a prompt", () => {
    const memory = new PrefixIndex();
    memory.add(prefixBlockHashes(text(1024), ""));
    expect(memory.match(prefixBlockHashes(text(1024), ""))).toBe(4);
    expect(memory.match(prefixBlockHashes(text(512) + text(512, "b"), ""))).toBe(2);
    expect(memory.match(prefixBlockHashes(text(512, "b"), ""))).toBe(0);
  });

  it("is bounded and evicts the least recently used blocks", () => {
    const memory = new PrefixIndex();
    const prompt = (i: number) => prefixBlockHashes(`${i} `.padEnd(256 * 64, "x"), "");
    memory.add(prompt(0));
    for (let i = 1; i < 128; i++) memory.add(prompt(i));
    memory.add(prompt(0));
    memory.add(prompt(128));
    expect(memory.match(prompt(0))).toBe(64);
    expect(memory.match(prompt(128))).toBe(64);
    expect(memory.match(prompt(1))).toBe(0);
  });
});

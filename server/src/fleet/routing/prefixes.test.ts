import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blocksOf, PrefixMemory } from "./prefixes.ts";

const text = (length: number, letter = "a") => letter.repeat(length);

describe("the blocks of a prompt", () => {
  it("are as many as are whole, up to the limit", () => {
    expect(blocksOf(text(255), "")).toHaveLength(0);
    expect(blocksOf(text(600), "")).toHaveLength(2);
    expect(blocksOf(text(100_000), "")).toHaveLength(64);
    expect(blocksOf(new Array(130).fill(7), "")).toHaveLength(2);
    expect(blocksOf(new Array(100_000).fill(7), "")).toHaveLength(64);
  });

  it("are the same exactly as far as the prompts are", () => {
    const tokens = fc.array(fc.nat(150_000), { minLength: 200, maxLength: 200 });
    fc.assert(
      fc.property(tokens, fc.nat(199), (prompt, at) => {
        const other = prompt.with(at, prompt[at]! + 1);
        const [a, b] = [blocksOf(prompt, ""), blocksOf(other, "")];
        const same = Math.floor(at / 64);
        expect(b.slice(0, same)).toEqual(a.slice(0, same));
        for (let block = same; block < a.length; block++) expect(b[block]).not.toBe(a[block]);
      }),
    );
  });

  it("of different scopes have nothing in common", () => {
    expect(blocksOf(text(512), "a")).not.toEqual(blocksOf(text(512), "b"));
  });
});

describe("the memory of a replica", () => {
  it("knows how far a prompt has been seen", () => {
    const memory = new PrefixMemory();
    memory.remember(blocksOf(text(1024), ""));
    expect(memory.match(blocksOf(text(1024), ""))).toBe(4);
    expect(memory.match(blocksOf(text(512) + text(512, "b"), ""))).toBe(2);
    expect(memory.match(blocksOf(text(512, "b"), ""))).toBe(0);
  });

  it("is bounded and forgets what was used longest ago", () => {
    const memory = new PrefixMemory();
    const prompt = (i: number) => blocksOf(`${i} `.padEnd(256 * 64, "x"), "");
    memory.remember(prompt(0));
    for (let i = 1; i < 128; i++) memory.remember(prompt(i));
    memory.remember(prompt(0));
    memory.remember(prompt(128));
    expect(memory.match(prompt(0))).toBe(64);
    expect(memory.match(prompt(128))).toBe(64);
    expect(memory.match(prompt(1))).toBe(0);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { placePrompt, type SlotState } from "./place-prompt.ts";

const state = (cachedTokens: number[], lastUsed: number, free = true): SlotState => ({
  cachedTokens,
  exactTokens: 0,
  lastUsed,
  free,
});
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe("the placement of a prompt", () => {
  const slots = [state([1, 2, 9], 1), state([1, 2, 3, 4, 5], 7), state([1, 2, 3, 4], 5), state([], 0)];
  const plain = { exact: false, canCopy: false };

  it("picks the free slot with the longest common prefix, the least recently used of equal ones", () => {
    expect(placePrompt([1, 2, 3, 4, 6], slots, plain)).toMatchObject({ slot: slots[2], reuse: 4 });
    expect(placePrompt([8, 8], slots, plain)).toMatchObject({ slot: slots[3], reuse: 0 });
    expect(placePrompt([1, 2], [state([1, 2], 1, false), state([], 3)], plain)).toMatchObject({ reuse: 0 });
    expect(placePrompt([1], [state([1], 1, false)], plain)).toBeNull();
  });

  it("leaves at least one token to compute", () => {
    expect(placePrompt([1, 2, 3, 4], slots, plain)).toMatchObject({ slot: slots[2], reuse: 3 });
    expect(placePrompt([1], slots, plain)?.reuse).toBe(0);
  });

  const copying = { exact: false, canCopy: true };
  const shared = range(100, 200);

  it("copies the prefix from a busy slot", () => {
    const busy = state([...shared, 1, 2], 9, false);
    const [old, older] = [state([7], 5), state([8], 3)];
    const placement = placePrompt([...shared, 5], [busy, old, older], copying);
    expect(placement).toEqual({ slot: older, copyFrom: busy, reuse: 200 });
  });

  it("continues a conversation in its slot, and copies from one that only shares the beginning", () => {
    const conversation = state([...shared, ...range(500, 300)], 9);
    const empty = state([], 0);
    const slots = [conversation, empty];
    expect(placePrompt([...conversation.cachedTokens, 5], slots, copying)).toMatchObject({
      slot: conversation,
      copyFrom: null,
      reuse: 500,
    });
    expect(placePrompt([...shared, 5], slots, copying)).toEqual({
      slot: empty,
      copyFrom: conversation,
      reuse: 200,
    });
  });

  it("always picks a free slot, and never reuses more than its source holds", () => {
    const tokens = fc.array(fc.constantFrom(1, 2), { maxLength: 150 });
    const slot = fc.record({
      cachedTokens: tokens,
      exactTokens: fc.constantFrom(0, 64),
      lastUsed: fc.nat(20),
      free: fc.boolean(),
    });
    const rules = fc.record({ exact: fc.boolean(), canCopy: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(slot, { maxLength: 6 }),
        tokens,
        fc.constantFrom(1, 2),
        rules,
        (slots, some, last, r) => {
          const prompt = [...some, last];
          const placement = placePrompt(prompt, slots, r);
          expect(placement === null).toBe(!slots.some((s) => s.free));
          if (placement === null) return;
          const source = placement.copyFrom ?? placement.slot;
          expect(placement.slot.free).toBe(true);
          expect(placement.reuse).toBeLessThan(prompt.length);
          expect(source.cachedTokens.slice(0, placement.reuse)).toEqual(prompt.slice(0, placement.reuse));
          if (!r.canCopy) expect(placement.copyFrom).toBeNull();
        },
      ),
    );
  });
});

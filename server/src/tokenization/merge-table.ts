/** Merges by their pair: a hash table in flat arrays, which takes a fifth of a Map's memory and is faster. */
export class MergeTable {
  readonly #mask: number;
  /** Left, right, rank and result of each slot; left is -1 in an empty one. */
  readonly #slots: Int32Array;

  /** @param merges left, right and result of each; of equal pairs the last one counts. */
  constructor(merges: readonly number[], ranks: readonly number[] | null) {
    const count = merges.length / 3;
    let size = 16;
    while (size < 2 * count) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Int32Array(4 * size).fill(-1);
    for (let n = 0; n < count; n++) {
      const slot = this.#slotOf(merges[3 * n]!, merges[3 * n + 1]!);
      this.#slots.set([merges[3 * n]!, merges[3 * n + 1]!, ranks?.[n] ?? n, merges[3 * n + 2]!], slot);
    }
  }

  /** The slot of a pair's merge; -1 for a pair that does not merge. */
  find(left: number, right: number): number {
    const slot = this.#slotOf(left, right);
    return this.#slots[slot] === -1 ? -1 : slot;
  }

  rank(slot: number): number {
    return this.#slots[slot + 2]!;
  }

  result(slot: number): number {
    return this.#slots[slot + 3]!;
  }

  #slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const slot = 4 * at;
      const found = this.#slots[slot]!;
      if (found === -1 || (found === left && this.#slots[slot + 1] === right)) return slot;
    }
  }
}

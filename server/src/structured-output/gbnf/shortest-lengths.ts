import type { CharSet } from "./char-set.ts";
import type { GrammarSymbol, LoweredRule } from "./lowered-grammar.ts";

/** An alternative whose shortest length isn't known yet. */
interface PendingAlternative {
  rule: number;
  /** Bytes of its symbols whose length is known. */
  length: number;
  /** Number of its symbols whose length isn't known. */
  missing: number;
}

/**
 * UTF-8 bytes of each rule's shortest text; infinite for a rule that matches no finite text. Knuth's generalisation of
 * Dijkstra's algorithm: each step settles the shortest of the unsettled rules.
 */
export function shortestLengths(rules: readonly LoweredRule[]): number[] {
  const shortest = rules.map(() => Number.POSITIVE_INFINITY);
  const users: PendingAlternative[][] = rules.map(() => []);
  const heap = new MinHeap();
  rules.forEach(({ alternatives }, rule) => {
    for (const symbols of alternatives) {
      const pending: PendingAlternative = { rule, length: 0, missing: 0 };
      for (const symbol of symbols) {
        if (!("rule" in symbol)) pending.length += bytesOf(symbol.set);
        else {
          pending.missing++;
          users[symbol.rule]!.push(pending);
        }
      }
      if (pending.missing === 0) heap.push(pending);
    }
  });
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    if (shortest[next.rule] !== Number.POSITIVE_INFINITY) continue;
    shortest[next.rule] = next.length;
    for (const user of users[next.rule]!) {
      user.length += next.length;
      if (--user.missing === 0) heap.push(user);
    }
  }
  return shortest;
}

export function shortestLengthOf(symbol: GrammarSymbol, shortest: readonly number[]): number {
  return "rule" in symbol ? shortest[symbol.rule]! : bytesOf(symbol.set);
}

/** UTF-8 bytes of the set's lowest character, which is its shortest. */
function bytesOf(set: CharSet): number {
  const [lowest] = set;
  if (lowest === undefined) return Number.POSITIVE_INFINITY;
  return lowest < 0x80 ? 1 : lowest < 0x800 ? 2 : lowest < 0x10000 ? 3 : 4;
}

/** A binary heap, shortest length first. */
class MinHeap {
  readonly #items: PendingAlternative[] = [];

  push(item: PendingAlternative): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]!.length <= item.length) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): PendingAlternative | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]!.length < items[child]!.length) child++;
      if (items[child]!.length >= last.length) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return first;
  }
}

/** A set of Unicode code points: inclusive ranges `[lo, hi, lo, hi, …]`, ascending, disjoint, not touching. */
export type CharSet = readonly number[];

/** Every code point of well-formed text: all but the surrogates. */
export const UNICODE: CharSet = [0, 0xd7ff, 0xe000, 0x10ffff];
export const EMPTY_SET: CharSet = [];

export function range(lo: number, hi: number = lo): CharSet {
  return [lo, hi];
}

/** The code points of `text`, order and repeats ignored. */
export function charsOf(text: string): CharSet {
  return fromRanges([...text].map((char) => [char.codePointAt(0)!, char.codePointAt(0)!]));
}

/** Any ranges, in any order, overlapping or not. A range with `lo > hi` is empty. */
export function fromRanges(ranges: readonly (readonly [number, number])[]): CharSet {
  const sorted = ranges.filter(([lo, hi]) => lo <= hi).sort((a, b) => a[0] - b[0]);
  const set: number[] = [];
  for (const [lo, hi] of sorted) {
    const last = set.length - 1;
    if (last > 0 && lo <= set[last]! + 1) set[last] = Math.max(set[last]!, hi);
    else set.push(lo, hi);
  }
  return set;
}

export function union(...sets: readonly CharSet[]): CharSet {
  return fromRanges(sets.flatMap(toRanges));
}

export function intersect(a: CharSet, b: CharSet): CharSet {
  const set: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const lo = Math.max(a[i]!, b[j]!);
    const hi = Math.min(a[i + 1]!, b[j + 1]!);
    if (lo <= hi) set.push(lo, hi);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return set;
}

/** All code points of UNICODE that are not in `set`. */
export function complement(set: CharSet): CharSet {
  const rest: number[] = [];
  let next = 0;
  for (const [lo, hi] of toRanges(set)) {
    if (next < lo) rest.push(next, lo - 1);
    next = hi + 1;
  }
  if (next <= 0x10ffff) rest.push(next, 0x10ffff);
  return intersect(rest, UNICODE);
}

export function subtract(a: CharSet, b: CharSet): CharSet {
  return intersect(a, complement(b));
}

export function contains(set: CharSet, codePoint: number): boolean {
  let low = 0;
  let high = set.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (codePoint < set[middle * 2]!) high = middle - 1;
    else if (codePoint > set[middle * 2 + 1]!) low = middle + 1;
    else return true;
  }
  return false;
}

export function toRanges(set: CharSet): [number, number][] {
  const ranges: [number, number][] = [];
  for (let at = 0; at < set.length; at += 2) ranges.push([set[at]!, set[at + 1]!]);
  return ranges;
}

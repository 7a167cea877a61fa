/** Fast hashes for spreading requests; not for anything an attacker could gain from. */

/** FNV-1a over the characters from `start` to `end`, going on from an earlier hash. 32 bits. */
export function hashText(text: string, start = 0, end = text.length, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The same over the numbers from `start` to `end`. */
export function hashNumbers(numbers: readonly number[], start: number, end: number, from: number): number {
  let hash = from;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ numbers[i]!, 0x01000193);
  return murmurFinalize(hash);
}

/** Spreads the bits of a number over all others (the finalizer of MurmurHash3). */
export function murmurFinalize(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

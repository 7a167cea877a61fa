/** Fast hashes that spread requests. They are not collision resistant: an attacker can construct equal hashes. */

/** 32-bit FNV-1a over the characters from `start` to `end`. @param from an earlier hash to continue. */
export function hashText(text: string, start = 0, end = text.length, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** FNV-1a over the numbers from `start` to `end`, finalized by `murmurFinalize`. @param from an earlier hash to continue. */
export function hashNumbers(numbers: readonly number[], start: number, end: number, from: number): number {
  let hash = from;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ numbers[i]!, 0x01000193);
  return murmurFinalize(hash);
}

/** The finalizer of MurmurHash3: each bit of the input affects all bits of the result. */
export function murmurFinalize(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The bytes of all tokens, in an order in which tokens with a common beginning follow each other. */
export interface Vocabulary {
  /** Number of token ids, from 0. */
  readonly size: number;
  /** Tokens that output at least one byte and do not end the output, sorted by their bytes. */
  readonly sorted: Uint32Array;
  /** For each of `sorted`: how many first bytes it shares with the one before it. */
  readonly shared: Uint16Array;
  bytes(token: number): Uint8Array;
  isEnd(token: number): boolean;
  readonly endTokens: readonly number[];
}

/** @param size number of token ids, from 0. Takes some microseconds a token. */
export function createVocabulary(
  size: number,
  { bytes, isEnd }: Pick<Vocabulary, "bytes" | "isEnd">,
): Vocabulary {
  const ids = Array.from({ length: size }, (_, token) => token);
  // One character a byte: strings are compared faster than buffers.
  const keys = ids.map((token) => Buffer.from(bytes(token)).toString("latin1"));
  const sorted = Uint32Array.from(
    ids
      .filter((token) => !isEnd(token) && keys[token] !== "")
      .sort((a, b) => (keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : a - b)),
  );
  const shared = new Uint16Array(sorted.length);
  for (let i = 1; i < sorted.length; i++) {
    shared[i] = commonPrefixBytes(bytes(sorted[i - 1]!), bytes(sorted[i]!));
  }
  return { size, sorted, shared, bytes, isEnd, endTokens: ids.filter(isEnd) };
}

function commonPrefixBytes(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

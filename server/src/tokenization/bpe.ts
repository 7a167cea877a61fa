/** Byte-pair encoding of one piece, as the `tokenizers` library does it. */
import { byteLetters } from "./byte-letters.ts";
import { MergeQueue } from "./merge-queue.ts";
import { MergeTable } from "./merge-table.ts";
import type { TokenizerSpec } from "./types.ts";

/** Most pieces whose tokens are remembered, and the longest of them in UTF-16 code units. */
const MAX_CACHED = 20_000;
const MAX_CACHED_LENGTH = 64;

type BpeSpec = Omit<TokenizerSpec, "normalizers" | "preTokenizers" | "addedTokens"> & {
  /** Pieces are written in byte letters before they are looked up. */
  byteLevel: boolean;
};

export class Bpe {
  readonly #spec: BpeSpec;
  readonly #ids = new Map<string, number>();
  readonly #merges: MergeTable;
  /** `<0x00>` to `<0xFF>`; undefined for a byte without a token. */
  readonly #byteTokens: readonly (number | undefined)[];
  readonly #cached = new Map<string, readonly number[]>();

  constructor(spec: BpeSpec) {
    this.#spec = spec;
    for (const [id, text] of spec.tokens.entries()) if (text !== null) this.#ids.set(text, id);
    this.#merges = new MergeTable(spec.merges, spec.mergeRanks);
    this.#byteTokens = Array.from({ length: 256 }, (_, byte) => this.#ids.get(byteText(byte)));
  }

  /** Appends the piece's tokens to `tokens`. */
  encode(piece: string, tokens: number[]): void {
    let found = this.#cached.get(piece);
    if (found === undefined) {
      found = this.#encode(piece);
      if (piece.length <= MAX_CACHED_LENGTH) {
        if (this.#cached.size >= MAX_CACHED) this.#cached.clear();
        this.#cached.set(piece, found);
      }
    }
    for (const token of found) tokens.push(token);
  }

  #encode(piece: string): readonly number[] {
    const text = this.#spec.byteLevel ? byteLetters(piece) : piece;
    const whole = this.#spec.ignoreMerges ? this.#ids.get(text) : undefined;
    return whole === undefined ? this.#mergeAll(this.#characters(text)) : [whole];
  }

  /** The tokens of single characters, before any merging. */
  #characters(text: string): number[] {
    const { byteFallback, fuseUnknown, unknown } = this.#spec;
    const tokens: number[] = [];
    let isUnknown = false;
    for (const character of text) {
      const id = this.#ids.get(character);
      const bytes = id === undefined && byteFallback ? this.#bytesOf(character) : null;
      if (id !== undefined) tokens.push(id);
      else if (bytes !== null) tokens.push(...bytes);
      else if (unknown !== null && !(isUnknown && fuseUnknown)) tokens.push(unknown);
      isUnknown = id === undefined && bytes === null;
    }
    return tokens;
  }

  /** Null unless every byte has a token. */
  #bytesOf(character: string): number[] | null {
    const tokens = [...Buffer.from(character)].map((byte) => this.#byteTokens[byte]);
    return tokens.includes(undefined) ? null : (tokens as number[]);
  }

  /** Merges the pair of the lowest rank, the leftmost one among equals, until no pair merges. */
  #mergeAll(tokens: number[]): number[] {
    const merges = this.#merges;
    const count = tokens.length;
    if (count < 2) return tokens;
    const queue = new MergeQueue();
    const offer = (left: number, right: number) => {
      const slot = merges.find(tokens[left]!, tokens[right]!);
      if (slot >= 0) queue.push(merges.rank(slot), left, merges.result(slot));
    };
    for (let at = 0; at + 1 < count; at++) offer(at, at + 1);
    // Neighbours of each token: a merge leaves its left one, and takes its right one out.
    const next = Int32Array.from({ length: count }, (_, at) => at + 1);
    const previous = Int32Array.from({ length: count }, (_, at) => at - 1);
    while (queue.pop()) {
      const at = queue.position;
      const right = next[at]!;
      if (tokens[at] === REMOVED || right >= count) continue;
      // The pair may have changed since its merge was offered.
      const slot = merges.find(tokens[at]!, tokens[right]!);
      if (slot < 0 || merges.result(slot) !== queue.result) continue;
      tokens[at] = queue.result;
      tokens[right] = REMOVED;
      const after = next[right]!;
      next[at] = after;
      if (after < count) {
        previous[after] = at;
        offer(at, after);
      }
      if (previous[at]! >= 0) offer(previous[at]!, at);
    }
    return tokens.filter((token) => token !== REMOVED);
  }
}

const REMOVED = -1;

export function byteText(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

import { hashNumbers, hashText } from "./hash.ts";

/** The start of a prompt, as text or as tokens. */
export type PromptPrefix = string | readonly number[];

const BLOCK_CHARS = 256;
const BLOCK_TOKENS = 64;
/** A longer prefix would not change the choice of a replica: 16,384 characters or 4,096 tokens. */
const MAX_BLOCKS = 64;
/** Blocks kept for each replica: the prompts of a few hundred conversations. */
const MAX_INDEXED_BLOCKS = 8192;

/**
 * Chained hashes of the prefix: the hash of each whole block covers everything up to the end of the block.
 * @param scope prompts of different scopes share no blocks; for example, the id of the LoRA.
 */
export function prefixBlockHashes(prefix: PromptPrefix, scope: string): number[] {
  const blocks: number[] = [];
  const isText = typeof prefix === "string";
  const size = isText ? BLOCK_CHARS : BLOCK_TOKENS;
  const count = Math.min(MAX_BLOCKS, Math.floor(prefix.length / size));
  let hash = hashText(scope);
  for (let block = 0; block < count; block++) {
    const [start, end] = [block * size, (block + 1) * size];
    hash = isText ? hashText(prefix, start, end, hash) : hashNumbers(prefix, start, end, hash);
    blocks.push(hash);
  }
  return blocks;
}

/** The prompt prefixes that a replica was given last: an LRU set of block hashes. */
export class PrefixIndex {
  readonly #blocks = new Set<number>();

  /** The number of leading blocks that the index holds. */
  match(blocks: readonly number[]): number {
    let count = blocks.length;
    while (count > 0 && !this.#blocks.has(blocks[count - 1]!)) count--;
    return count;
  }

  add(blocks: readonly number[]): void {
    // LRU by Set order; inserted back to front, so that a prompt's first blocks are evicted last.
    for (let i = blocks.length - 1; i >= 0; i--) {
      this.#blocks.delete(blocks[i]!);
      this.#blocks.add(blocks[i]!);
    }
    for (const block of this.#blocks) {
      if (this.#blocks.size <= MAX_INDEXED_BLOCKS) break;
      this.#blocks.delete(block);
    }
  }
}

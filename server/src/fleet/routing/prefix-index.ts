import { hashNumbers, hashText } from "./hash.ts";

/** The start of a prompt: its text or its tokens. */
export type PromptPrefix = string | readonly number[];

const BLOCK_CHARS = 256;
const BLOCK_TOKENS = 64;
/** More of a prompt tells nothing new: 16,384 characters or 4,096 tokens. */
const MAX_BLOCKS = 64;
/** Blocks remembered of each replica: the prompts of a few hundred conversations. */
const MAX_INDEXED_BLOCKS = 8192;

/**
 * One number for each whole block from the start, which stands for everything up to its end.
 * @param scope prompts of different scopes share nothing: the adapter, say.
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

/** The beginnings of the prompts that a replica was given last. */
export class PrefixIndex {
  readonly #blocks = new Set<number>();

  /** How many of the blocks, from the start, it has seen. */
  match(blocks: readonly number[]): number {
    let count = blocks.length;
    while (count > 0 && !this.#blocks.has(blocks[count - 1]!)) count--;
    return count;
  }

  add(blocks: readonly number[]): void {
    // A set keeps the order of insertion: what was used last stands last. The start of a prompt outlives its end.
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

import type { GenerateRequest } from "../../../engine/generation.ts";

export interface ThinkingBudgetOptions {
  block: NonNullable<GenerateRequest["thinking"]>;
  /** A grammar constrains the text outside the block: then there is at most one block, at the beginning. */
  constrained: boolean;
  bytes(token: number): Uint8Array;
  encode(text: string): readonly number[];
}

/**
 * Limits the tokens of think blocks: once the budget is used up, the closing tag is forced. Also tells whether a grammar
 * applies to the next token: it does everywhere but in the block. Works on bytes, because a tag may be one token or
 * several, and may share a token with other text.
 */
export class ThinkingBudget {
  readonly #options: ThinkingBudgetOptions;
  readonly #openTag: string;
  readonly #closeTag: string;
  #open: boolean;
  /** No token has decided yet whether the constrained output begins with a block. */
  #undecided: boolean;
  /** The constrained text has begun: later tags are part of it. */
  #over = false;
  /** Tokens within blocks so far. */
  #used = 0;
  /** The closing tag has been forced, and is not complete yet. */
  #closing = false;
  /** The last bytes of the output, in which a tag may have begun; Latin-1, so that each character is a byte. */
  #tail = "";

  constructor(options: ThinkingBudgetOptions) {
    this.#options = options;
    this.#openTag = toBytes(options.block.open);
    this.#closeTag = toBytes(options.block.close);
    this.#open = options.block.opened;
    this.#undecided = options.constrained && !this.#open;
  }

  /** Whether the next token is known to be outside the block, so that a grammar applies to it. */
  get outsideBlock(): boolean {
    return !this.#open && !this.#undecided;
  }

  /** Tokens to force before the first one is sampled. */
  initialTokens(): readonly number[] {
    return this.#open ? this.#closeIfSpent() : [];
  }

  /**
   * Checks a token that was sampled without the grammar, before it is used.
   * @returns the tokens to output instead; null when the token may stay; empty when a token has to be sampled again, with
   * the grammar.
   */
  replacementFor(token: number, isEnd: boolean): readonly number[] | null {
    if (!this.#options.constrained || this.#over) return null;
    const text = this.#bytes(token);
    if (this.#undecided) return this.#decideByFirst(text);
    if (isEnd) return this.#forceClose();
    const all = this.#tail + text;
    const tagStart = all.indexOf(this.#closeTag);
    const tagEnd = tagStart + this.#closeTag.length;
    if (tagStart < 0 || all.slice(tagEnd).trim() === "") return null;
    // The token continues beyond the tag with text that the grammar has not checked: output the tag alone.
    return this.#options.encode(fromBytes(all.slice(this.#tail.length, tagEnd)));
  }

  /** Records the next token of the output. @returns the tokens to force after it. */
  onToken(token: number): readonly number[] {
    if (this.#over) return [];
    this.#undecided = false;
    if (this.#open) this.#used++;
    this.#tail += this.#bytes(token);
    for (;;) {
      const tag = this.#open ? this.#closeTag : this.#openTag;
      const at = this.#tail.indexOf(tag);
      if (at < 0) break;
      this.#tail = this.#tail.slice(at + tag.length);
      this.#open = !this.#open;
      this.#closing = false;
      if (!this.#open && this.#options.constrained) {
        this.#over = true;
        return [];
      }
    }
    this.#tail = this.#tail.slice(-Math.max(this.#openTag.length, this.#closeTag.length));
    return this.#open ? this.#closeIfSpent() : [];
  }

  /** The first token opens the block when it begins the tag; otherwise it belongs to the constrained text. */
  #decideByFirst(token: string): readonly number[] | null {
    const text = token.trimStart();
    if (text !== "" && this.#openTag.startsWith(text)) {
      return text.length < this.#openTag.length ? this.#options.encode(this.#options.block.open) : null;
    }
    if (text.startsWith(this.#openTag)) return null;
    this.#undecided = false;
    this.#over = true;
    return [];
  }

  #closeIfSpent(): readonly number[] {
    return this.#used >= this.#options.block.maxTokens && !this.#closing ? this.#forceClose() : [];
  }

  #forceClose(): readonly number[] {
    this.#closing = true;
    return this.#options.encode(this.#options.block.close);
  }

  #bytes(token: number): string {
    return Buffer.from(this.#options.bytes(token)).toString("latin1");
  }
}

function toBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function fromBytes(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

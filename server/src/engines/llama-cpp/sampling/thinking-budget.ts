import type { GenerateRequest } from "../../../engine/generation.ts";

export interface ThinkingBudgetOptions {
  block: NonNullable<GenerateRequest["thinking"]>;
  /** What is made outside the block is constrained: there is one block, or none, and it comes first. */
  constrained: boolean;
  bytes(token: number): Uint8Array;
  encode(text: string): readonly number[];
}

/**
 * Watches a think block: counts its tokens, ends it by force when they are too many, and tells where a grammar applies:
 * everywhere but in the block. Works on bytes, as tags may be tokens or several, and share tokens with other text.
 */
export class ThinkingBudget {
  readonly #options: ThinkingBudgetOptions;
  readonly #openTag: string;
  readonly #closeTag: string;
  #open: boolean;
  /** Nothing was made yet that decides whether there is a block. */
  #undecided: boolean;
  /** There will be no further block. */
  #over = false;
  #used = 0;
  #closing = false;
  /** The end of the bytes so far, where a tag may have begun; a character a byte. */
  #tail = "";

  constructor(spec: ThinkingBudgetOptions) {
    this.#options = spec;
    this.#openTag = toBytes(spec.block.open);
    this.#closeTag = toBytes(spec.block.close);
    this.#open = spec.block.opened;
    this.#undecided = spec.constrained && !this.#open;
  }

  /** Whether the next token is outside the block, so that a grammar applies to it. */
  get outsideBlock(): boolean {
    return !this.#open && !this.#undecided;
  }

  /** Tokens that must come before anything is made. */
  initialTokens(): readonly number[] {
    return this.#open ? this.#closeIfSpent() : [];
  }

  /**
   * The model would make `token` next, unconstrained. Gives what must come in its stead, or null when it may come. An
   * empty answer means: pick again, constrained.
   */
  replacementFor(token: number, isEnd: boolean): readonly number[] | null {
    if (!this.#options.constrained || this.#over) return null;
    const text = this.#bytes(token);
    if (this.#undecided) return this.#decide(text);
    if (isEnd) return this.#close();
    const all = this.#tail + text;
    const at = all.indexOf(this.#closeTag);
    const closed = at + this.#closeTag.length;
    if (at < 0 || all.slice(closed).trim() === "") return null;
    // With the tag comes what the grammar should have had a say in.
    return this.#options.encode(fromBytes(all.slice(this.#tail.length, closed)));
  }

  /** A token was made. Gives those that must follow. */
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

  /** The first token decides: it begins the tag, or it is of the constrained text. */
  #decide(text: string): readonly number[] | null {
    const begun = text.trimStart();
    if (begun !== "" && this.#openTag.startsWith(begun)) {
      return begun.length < this.#openTag.length ? this.#options.encode(this.#options.block.open) : null;
    }
    if (begun.startsWith(this.#openTag)) return null;
    this.#undecided = false;
    this.#over = true;
    return [];
  }

  #closeIfSpent(): readonly number[] {
    return this.#used >= this.#options.block.maxTokens && !this.#closing ? this.#close() : [];
  }

  #close(): readonly number[] {
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

import type { ReasoningFormat } from "./formats.ts";

export interface ReasoningPiece {
  type: "reasoning" | "content";
  text: string;
}

/**
 * Splits a choice's output into reasoning and content, as it comes. Only a block at the very start is reasoning: a tag
 * inside the answer is the answer's. The tags go, and white space that touches them; all else is passed on.
 * Text is held back only while it may be a part of a tag or white space before one.
 */
export class ReasoningSplitter {
  readonly #format: ReasoningFormat;
  /** `opened` and `closed`: right behind a tag, where white space is dropped. */
  #state: "start" | "opened" | "reasoning" | "closed" | "content";
  #input = "";

  /** @param opensInPrompt the prompt ends inside the block. */
  constructor(format: ReasoningFormat, opensInPrompt: boolean) {
    this.#format = format;
    this.#state = opensInPrompt ? "opened" : "start";
  }

  /** Whether the block is over, or there was none: what comes is content. */
  get inContent(): boolean {
    return this.#state === "closed" || this.#state === "content";
  }

  push(text: string): ReasoningPiece[] {
    this.#input += text;
    const pieces: ReasoningPiece[] = [];
    if (this.#state === "start") this.#start();
    if (this.#state === "opened") this.#dropBlank("reasoning");
    if (this.#state === "reasoning") this.#reasoning(pieces);
    if (this.#state === "closed") this.#dropBlank("content");
    if (this.#state === "content") add(pieces, "content", this.#take(this.#input.length));
    return pieces;
  }

  /** The end of the output: what was held back. */
  flush(): ReasoningPiece[] {
    const pieces: ReasoningPiece[] = [];
    const type = this.#state === "reasoning" || this.#state === "opened" ? "reasoning" : "content";
    add(pieces, type, this.#take(this.#input.length));
    return pieces;
  }

  #start(): void {
    const { open } = this.#format;
    const rest = this.#input.trimStart();
    if (rest.startsWith(open)) {
      this.#input = rest.slice(open.length);
      this.#state = "opened";
    } else if (!open.startsWith(rest)) {
      this.#state = "content";
    }
  }

  #dropBlank(next: "reasoning" | "content"): void {
    this.#input = this.#input.trimStart();
    if (this.#input !== "") this.#state = next;
  }

  #reasoning(pieces: ReasoningPiece[]): void {
    const { close } = this.#format;
    const at = this.#input.indexOf(close);
    if (at === -1) {
      const certain = this.#input.length - partialLength(this.#input, close);
      add(pieces, "reasoning", this.#take(this.#input.slice(0, certain).trimEnd().length));
      return;
    }
    add(pieces, "reasoning", this.#take(at).trimEnd());
    this.#take(close.length);
    this.#state = "closed";
  }

  #take(length: number): string {
    const text = this.#input.slice(0, length);
    this.#input = this.#input.slice(length);
    return text;
  }
}

function add(pieces: ReasoningPiece[], type: ReasoningPiece["type"], text: string): void {
  if (text !== "") pieces.push({ type, text });
}

/** Length of the longest end of the text that is the beginning of the tag. */
function partialLength(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (tag.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}

import type { ReasoningFormat } from "./formats.ts";

export interface ReasoningPiece {
  type: "reasoning" | "content";
  text: string;
}

/**
 * Splits a choice's output into reasoning and content incrementally. Only a block at the very start is reasoning; a tag
 * later on belongs to the content. The splitter removes the tags and the white space around them. It holds text back only
 * while the text may be part of a tag, or white space before one.
 */
export class ReasoningSplitter {
  readonly #format: ReasoningFormat;
  /** `opened` and `closed`: directly after a tag, where white space is dropped. */
  #state: "start" | "opened" | "reasoning" | "closed" | "content";
  #input = "";
  /** White space that is dropped if a tag follows. */
  #blank = "";

  /** @param opensInPrompt the prompt ends inside the think block. */
  constructor(format: ReasoningFormat, opensInPrompt: boolean) {
    this.#format = format;
    this.#state = opensInPrompt ? "opened" : "start";
  }

  /** Whether all further text is content. */
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
    if (this.#state === "content") add(pieces, "content", this.#takeAll());
    return pieces;
  }

  /** Ends the output. Returns the text that was held back. */
  flush(): ReasoningPiece[] {
    const pieces: ReasoningPiece[] = [];
    add(pieces, this.#state === "reasoning" ? "reasoning" : "content", this.#takeAll());
    return pieces;
  }

  #start(): void {
    const { open } = this.#format;
    const rest = this.#input.trimStart();
    this.#blank += this.#input.slice(0, this.#input.length - rest.length);
    this.#input = rest;
    if (rest.startsWith(open)) {
      this.#blank = "";
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
    const end = at === -1 ? this.#input.length - partialLength(this.#input, close) : at;
    const text = this.#input.slice(0, end);
    const visible = text.trimEnd();
    if (visible !== "") {
      add(pieces, "reasoning", this.#blank + visible);
      this.#blank = "";
    }
    if (at === -1) {
      this.#blank += text.slice(visible.length);
      this.#input = this.#input.slice(end);
    } else {
      this.#blank = "";
      this.#input = this.#input.slice(end + close.length);
      this.#state = "closed";
    }
  }

  #takeAll(): string {
    const text = this.#blank + this.#input;
    this.#blank = "";
    this.#input = "";
    return text;
  }
}

function add(pieces: ReasoningPiece[], type: ReasoningPiece["type"], text: string): void {
  if (text !== "") pieces.push({ type, text });
}

/** Length of the longest suffix of the text that is a prefix of the tag. */
function partialLength(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (tag.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}

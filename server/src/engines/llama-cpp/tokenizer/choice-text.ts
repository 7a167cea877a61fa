import { StopMatcher } from "../../../engine/stop-matcher.ts";
import { type Detokenize, IncrementalDetokenizer } from "./incremental-detokenizer.ts";

export interface ChoiceTextOptions {
  /** Leaves special tokens out. */
  detokenize: Detokenize;
  /** The text of a special token; null for other tokens. */
  specialText(token: number): string | null;
  prompt: readonly number[];
  stops: readonly string[];
  /** Special tokens within these texts are delivered. */
  markers: readonly string[];
}

/**
 * Turns the tokens of one choice into the text to deliver. Special tokens have no text unless they belong to a marker, but
 * stop texts match them all the same.
 */
export class ChoiceText {
  readonly #options: ChoiceTextOptions;
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #stopMatcher: StopMatcher;
  /** Characters that the matcher has got. */
  #matched = 0;
  /** Characters that the matcher has given back. */
  #returned = 0;
  /** Texts of special tokens that are matched and not delivered, as ranges of the matcher's characters, in order. */
  #hidden: { start: number; end: number }[] = [];

  constructor(options: ChoiceTextOptions) {
    this.#options = options;
    this.#detokenizer = new IncrementalDetokenizer(options.detokenize, options.prompt);
    this.#stopMatcher = new StopMatcher(options.stops);
  }

  /** True once a stop text was found. */
  get stopped(): boolean {
    return this.#stopMatcher.stopped;
  }

  /** Returns the text that may be delivered now. */
  push(token: number): string {
    const text = this.#match(this.#detokenizer.push(token));
    const special = this.#options.specialText(token);
    if (special === null || special === "") return text;
    if (!this.#options.markers.some((marker) => marker.includes(special))) {
      if (this.#options.stops.length === 0) return text;
      this.#hidden.push({ start: this.#matched, end: this.#matched + special.length });
    }
    return text + this.#match(special);
  }

  /** Ends the text. Returns the characters that were held back. */
  flush(): string {
    return this.#visible(this.#stopMatcher.flush());
  }

  #match(text: string): string {
    this.#matched += text.length;
    return this.#visible(this.#stopMatcher.push(text));
  }

  /** Removes hidden texts from the next characters that the matcher gives back. */
  #visible(text: string): string {
    const start = this.#returned;
    const end = start + text.length;
    this.#returned = end;
    if (this.#hidden.length === 0) return text;
    let visible = "";
    let at = start;
    for (const range of this.#hidden) {
      if (range.start >= end) break;
      visible += text.slice(at - start, Math.max(at, range.start) - start);
      at = Math.min(range.end, end);
    }
    this.#hidden = this.#hidden.filter((range) => range.end > end);
    return visible + text.slice(at - start);
  }
}

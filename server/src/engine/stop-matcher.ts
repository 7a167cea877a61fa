/**
 * Finds stop texts in a text that arrives in pieces, and never lets a character out that may still turn out to be the
 * start of one. Each stop text is matched by its own Knuth–Morris–Pratt automaton, so the cost is linear in the text
 * and the result doesn't depend on where the pieces were cut.
 *
 * The stop that is completed first wins; of several completed by the same character, the longest.
 */
export class StopMatcher {
  readonly #automata: Automaton[];
  /** Characters read but not delivered: the longest start of a stop text that the text so far ends with. */
  #held = "";
  #stopped = false;

  /** @param stops none empty. */
  constructor(stops: readonly string[]) {
    this.#automata = stops.map((text) => ({ text, fallback: fallbackTable(text), matched: 0 }));
  }

  /** True once a stop text was found; everything after it is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next piece, gives the text that may be delivered now. */
  push(piece: string): string {
    if (this.#stopped) return "";
    if (this.#automata.length === 0) return piece;
    const text = this.#held + piece;
    for (let i = this.#held.length; i < text.length; i++) {
      const foundLength = this.#step(text.charCodeAt(i));
      if (foundLength > 0) {
        this.#stopped = true;
        this.#held = "";
        return text.slice(0, i + 1 - foundLength);
      }
    }
    const heldLength = Math.max(...this.#automata.map((a) => a.matched));
    this.#held = text.slice(text.length - heldLength);
    return text.slice(0, text.length - heldLength);
  }

  /** The text has ended: gives what was held back. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Moves every automaton on by one character. Returns the length of the longest stop text completed, or 0. */
  #step(char: number): number {
    let foundLength = 0;
    for (const a of this.#automata) {
      while (a.matched > 0 && a.text.charCodeAt(a.matched) !== char) a.matched = a.fallback[a.matched - 1]!;
      if (a.text.charCodeAt(a.matched) === char) a.matched++;
      if (a.matched === a.text.length) foundLength = Math.max(foundLength, a.matched);
    }
    return foundLength;
  }
}

interface Automaton {
  text: string;
  fallback: number[];
  /** How many of the text's first characters the input ends with. */
  matched: number;
}

/** For each length − 1: the longest proper start of `text` that is also an end of its first `length` characters. */
function fallbackTable(text: string): number[] {
  const table = new Array<number>(text.length).fill(0);
  for (let i = 1, matched = 0; i < text.length; i++) {
    while (matched > 0 && text[i] !== text[matched]) matched = table[matched - 1]!;
    if (text[i] === text[matched]) matched++;
    table[i] = matched;
  }
  return table;
}

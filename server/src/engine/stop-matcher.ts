/**
 * Finds stop texts in a text that arrives in pieces. The matcher holds back characters that may be the start of a stop
 * text. Each stop text has its own Knuth–Morris–Pratt automaton, so the cost is linear in the text and the result doesn't
 * depend on where the pieces were cut.
 *
 * The stop text that is completed first wins; if one character completes several, the longest wins.
 */
export class StopMatcher {
  readonly #automata: Automaton[];
  /** Characters held back: the longest prefix of a stop text that the text so far ends with. */
  #held = "";
  #stopped = false;

  /** @param stops none empty. */
  constructor(stops: readonly string[]) {
    this.#automata = stops.map((text) => ({ text, fallback: fallbackTable(text), matched: 0 }));
  }

  /** True once a stop text was found; the matcher drops everything after it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next piece and returns the text that may be delivered now. */
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

  /** Call at the end of the text: returns the characters held back. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Advances every automaton by one character. Returns the length of the longest completed stop text, or 0. */
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
  /** Length of the longest prefix of `text` that the input ends with. */
  matched: number;
}

/** Entry `length − 1`: the longest proper prefix of `text` that is also a suffix of its first `length` characters. */
function fallbackTable(text: string): number[] {
  const table = new Array<number>(text.length).fill(0);
  for (let i = 1, matched = 0; i < text.length; i++) {
    while (matched > 0 && text[i] !== text[matched]) matched = table[matched - 1]!;
    if (text[i] === text[matched]) matched++;
    table[i] = matched;
  }
  return table;
}

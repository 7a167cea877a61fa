import { contains, toRanges } from "./char-set.ts";
import type { GrammarSymbol, LoweredGrammar } from "./lowered-grammar.ts";

/** Bound on the work for one text; a text that needs more counts as one that may occur. */
const MAX_STEPS = 1_000_000;

/**
 * Whether an output of the grammar can contain the text. Exact but for the bound on the work: the grammar's rules are
 * followed together with the text's Knuth–Morris–Pratt automaton, each rule once for each state in which it is entered.
 * @param grammar a checked one: each of its rules matches a finite text.
 */
export function mayContain(grammar: LoweredGrammar, text: string): boolean {
  return new OccurrenceSearch(grammar, text).run();
}

/** A rule entered in a state of the automaton. */
interface Entry {
  /** States in which the rule can end. */
  exits: Set<number>;
  /** Where the rules that use this one go on after it. */
  returns: Position[];
  /** The places and states that were reached, by alternative, as numbers. */
  reached: Map<readonly GrammarSymbol[], Set<number>>;
}

/** A place in an alternative of an entered rule. */
interface Position {
  entry: Entry;
  symbols: readonly GrammarSymbol[];
  at: number;
}

class OccurrenceSearch {
  readonly #grammar: LoweredGrammar;
  /** Code points of the text; state i of the automaton means that the first i of them were read. */
  readonly #codes: readonly number[];
  readonly #fallbacks: readonly number[];
  readonly #entries = new Map<number, Entry>();
  readonly #pending: { position: Position; state: number }[] = [];
  #steps = 0;

  constructor(grammar: LoweredGrammar, text: string) {
    this.#grammar = grammar;
    this.#codes = [...text].map((char) => char.codePointAt(0)!);
    this.#fallbacks = borderLengths(this.#codes);
  }

  run(): boolean {
    if (this.#codes.length === 0) return true;
    this.#enter(this.#grammar.root, 0);
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      if (++this.#steps > MAX_STEPS || this.#advance(next.position, next.state)) return true;
    }
    return false;
  }

  /** Goes on at the position. Returns whether the text has been found. */
  #advance({ entry, symbols, at }: Position, state: number): boolean {
    const reached = entry.reached.get(symbols)!;
    const key = at * this.#codes.length + state;
    if (reached.has(key)) return false;
    reached.add(key);
    const symbol = symbols[at];
    if (symbol === undefined) {
      if (entry.exits.has(state)) return false;
      entry.exits.add(state);
      for (const back of entry.returns) this.#pending.push({ position: back, state });
      return false;
    }
    const next: Position = { entry, symbols, at: at + 1 };
    if ("rule" in symbol) {
      const inner = this.#enter(symbol.rule, state);
      inner.returns.push(next);
      for (const exit of inner.exits) this.#pending.push({ position: next, state: exit });
      return false;
    }
    for (const to of this.#statesAfter(symbol.set, state)) {
      // Every rule has a finite text, so the output can be completed from here.
      if (to === this.#codes.length) return true;
      this.#pending.push({ position: next, state: to });
    }
    return false;
  }

  #enter(rule: number, state: number): Entry {
    const key = rule * this.#codes.length + state;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { exits: new Set(), returns: [], reached: new Map() };
      this.#entries.set(key, entry);
      for (const symbols of this.#grammar.rules[rule]!.alternatives) {
        entry.reached.set(symbols, new Set());
        this.#pending.push({ position: { entry, symbols, at: 0 }, state });
      }
    }
    return entry;
  }

  /** The states after one character of the set. */
  #statesAfter(set: readonly number[], state: number): Set<number> {
    const states = new Set<number>();
    let others = 0;
    for (const [lo, hi] of toRanges(set)) others += hi - lo + 1;
    for (const code of new Set(this.#codes)) {
      if (!contains(set, code)) continue;
      others--;
      states.add(this.#step(state, code));
    }
    if (others > 0) states.add(0);
    return states;
  }

  #step(from: number, code: number): number {
    let state = from;
    while (state > 0 && this.#codes[state] !== code) state = this.#fallbacks[state - 1]!;
    return this.#codes[state] === code ? state + 1 : 0;
  }
}

/** For each prefix the length of its longest proper prefix that is also its suffix. */
function borderLengths(codes: readonly number[]): number[] {
  const lengths = [0];
  for (let at = 1, border = 0; at < codes.length; at++) {
    while (border > 0 && codes[at] !== codes[border]) border = lengths[border - 1]!;
    if (codes[at] === codes[border]) border++;
    lengths.push(border);
  }
  return lengths;
}

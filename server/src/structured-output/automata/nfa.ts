import { contains, UNICODE } from "../gbnf/char-set.ts";
import { ANY_CHAR, type Pattern } from "./pattern-parser.ts";

/**
 * Decides for texts, read by character, whether they belong to a language. States are small integers; −1 is the dead state,
 * from which no text is accepted.
 */
export interface Automaton {
  start: number;
  step(state: number, codePoint: number): number;
  accepts(state: number): boolean;
  /** Code points at which the transitions may change: the first one of each range that the automaton distinguishes. */
  boundaries: readonly number[];
}

/** Patterns with more nodes are refused as too complex. */
const MAX_NODES = 5_000;

/** One node of a nondeterministic automaton. */
interface NfaNode {
  set: readonly number[] | null;
  /** The node after a character of `set`. */
  to: number;
  /** Nodes reached without a character. */
  epsilon: number[];
  /** Nodes reached without a character, only before the first one. */
  atStart: number[];
  /** Nodes reached without a character, only after the last one. */
  atEnd: number[];
}

/**
 * Accepts texts that contain a match of the pattern anywhere, as JSON Schema defines `pattern`.
 * @returns null when the pattern is too complex.
 */
export function patternAutomaton(pattern: Pattern): Automaton | null {
  const builder = new NfaBuilder();
  const first = builder.addNode();
  const before: Pattern = beginsAtStart(pattern) ? { kind: "seq", items: [] } : ANYTHING;
  const found = builder.add({ kind: "seq", items: [before, pattern] }, first);
  if (found === null) return null;
  // After a match any text may follow.
  const rest = builder.addNode();
  builder.nodes[found]!.epsilon.push(rest);
  Object.assign(builder.nodes[rest]!, { set: UNICODE, to: rest });
  return new PatternAutomaton(builder.nodes, first, rest);
}

const ANYTHING: Pattern = { kind: "repeat", item: ANY_CHAR, min: 0, max: null };

function beginsAtStart(pattern: Pattern): boolean {
  if (pattern.kind === "seq") return pattern.items.length > 0 && beginsAtStart(pattern.items[0]!);
  if (pattern.kind === "alt") return pattern.options.every(beginsAtStart);
  return pattern.kind === "start";
}

/** Thompson's construction. */
class NfaBuilder {
  readonly nodes: NfaNode[] = [];

  addNode(): number {
    return this.nodes.push({ set: null, to: -1, epsilon: [], atStart: [], atEnd: [] }) - 1;
  }

  /** Adds the pattern after node `from`; returns the node after the pattern, null when there are too many nodes. */
  add(pattern: Pattern, from: number): number | null {
    if (this.nodes.length > MAX_NODES) return null;
    switch (pattern.kind) {
      case "set": {
        const [reader, to] = [this.addNode(), this.addNode()];
        this.nodes[from]!.epsilon.push(reader);
        Object.assign(this.nodes[reader]!, { set: pattern.set, to });
        return to;
      }
      case "start":
      case "end": {
        const to = this.addNode();
        this.nodes[from]![pattern.kind === "start" ? "atStart" : "atEnd"].push(to);
        return to;
      }
      case "seq": {
        let at: number | null = from;
        for (const item of pattern.items) if (at !== null) at = this.add(item, at);
        return at;
      }
      case "alt": {
        const to = this.addNode();
        for (const option of pattern.options) {
          const end = this.add(option, from);
          if (end === null) return null;
          this.nodes[end]!.epsilon.push(to);
        }
        return to;
      }
      case "repeat":
        return this.#addRepeat(pattern, from);
    }
  }

  #addRepeat({ item, min, max }: Extract<Pattern, { kind: "repeat" }>, from: number): number | null {
    let at = from;
    for (let i = 0; i < min; i++) {
      const end = this.add(item, at);
      if (end === null) return null;
      at = end;
    }
    const to = this.addNode();
    if (max === null) {
      const loop = this.addNode();
      this.nodes[at]!.epsilon.push(loop);
      const end = this.add(item, loop);
      if (end === null) return null;
      this.nodes[end]!.epsilon.push(loop);
      this.nodes[loop]!.epsilon.push(to);
      return to;
    }
    for (let i = min; i < max; i++) {
      this.nodes[at]!.epsilon.push(to);
      const end = this.add(item, at);
      if (end === null) return null;
      at = end;
    }
    this.nodes[at]!.epsilon.push(to);
    return to;
  }
}

/** Lazy subset construction: every set of nodes that a text reaches is a state. */
class PatternAutomaton implements Automaton {
  readonly start: number;
  readonly boundaries: readonly number[];
  readonly #nodes: readonly NfaNode[];
  readonly #last: number;
  readonly #states: number[][] = [];
  readonly #numbers = new Map<string, number>();

  constructor(nodes: readonly NfaNode[], first: number, last: number) {
    this.#nodes = nodes;
    this.#last = last;
    this.start = this.#intern(this.#epsilonClosure([first], true, false));
    this.boundaries = [...new Set(nodes.flatMap((node) => boundariesOf(node.set ?? [])))];
  }

  step(state: number, codePoint: number): number {
    const next: number[] = [];
    for (const number of this.#states[state]!) {
      const node = this.#nodes[number]!;
      if (node.set !== null && contains(node.set, codePoint)) next.push(node.to);
    }
    return next.length === 0 ? -1 : this.#intern(this.#epsilonClosure(next, false, false));
  }

  accepts(state: number): boolean {
    return this.#epsilonClosure(this.#states[state]!, state === this.start, true).has(this.#last);
  }

  #epsilonClosure(from: readonly number[], atStart: boolean, atEnd: boolean): Set<number> {
    const closed = new Set(from);
    for (const number of closed) {
      const node = this.#nodes[number]!;
      for (const to of node.epsilon) closed.add(to);
      if (atStart) for (const to of node.atStart) closed.add(to);
      if (atEnd) for (const to of node.atEnd) closed.add(to);
    }
    return closed;
  }

  #intern(closed: Set<number>): number {
    // Only nodes that read a character or end the text matter later; once the last node accepts any rest, only it does.
    const relevant = closed.has(this.#last)
      ? [this.#last]
      : [...closed].filter((number) => {
          const node = this.#nodes[number]!;
          return node.set !== null || node.atEnd.length > 0;
        });
    relevant.sort((a, b) => a - b);
    const key = relevant.join();
    let state = this.#numbers.get(key);
    // Only the first state is before the first character, where ^ matches: no later state may be merged with it.
    if (state === undefined || (state === 0 && this.#states.length > 0 && this.#hasStart())) {
      state = this.#states.push(relevant) - 1;
      this.#numbers.set(key, state);
    }
    return state;
  }

  #hasStart(): boolean {
    return this.#nodes.some((node) => node.atStart.length > 0);
  }
}

/** Accepts texts of `min` to `max` characters; `max` null: unbounded. */
export function lengthAutomaton(min: number, max: number | null): Automaton {
  const most = max ?? min;
  return {
    start: 0,
    step: (state) => (state < most ? state + 1 : max === null ? state : -1),
    accepts: (state) => state >= min,
    boundaries: [],
  };
}

/** Accepts every text but these: a trie of the words. */
export function exceptAutomaton(words: readonly string[]): Automaton {
  const tree: { next: Map<number, number>; word: boolean }[] = [{ next: new Map(), word: false }];
  for (const word of words) {
    let at = 0;
    for (const char of word) {
      const codePoint = char.codePointAt(0)!;
      let next = tree[at]!.next.get(codePoint);
      if (next === undefined) {
        next = tree.push({ next: new Map(), word: false }) - 1;
        tree[at]!.next.set(codePoint, next);
      }
      at = next;
    }
    tree[at]!.word = true;
  }
  const free = tree.push({ next: new Map(), word: false }) - 1;
  return {
    start: 0,
    step: (state, codePoint) => tree[state]!.next.get(codePoint) ?? free,
    accepts: (state) => !tree[state]!.word,
    // One boundary pair for each character: a joined range of neighbours would not distinguish them.
    boundaries: [...new Set(words.join(""))].flatMap((char) => [
      char.codePointAt(0)!,
      char.codePointAt(0)! + 1,
    ]),
  };
}

/** Accepts every text that `inner` does not accept. */
export function complementAutomaton(inner: Automaton): Automaton {
  const DEAD = 2_000_000_000;
  return {
    start: inner.start,
    step(state, codePoint) {
      const next = state === DEAD ? -1 : inner.step(state, codePoint);
      return next === -1 ? DEAD : next;
    },
    accepts: (state) => state === DEAD || !inner.accepts(state),
    boundaries: inner.boundaries,
  };
}

/** Whether the automaton accepts the text. It accepts no text with lone surrogates. */
export function runAutomaton(automaton: Automaton, text: string): boolean {
  let state = automaton.start;
  for (const char of text) {
    const codePoint = char.codePointAt(0)!;
    state = contains(UNICODE, codePoint) ? automaton.step(state, codePoint) : -1;
    if (state === -1) return false;
  }
  return automaton.accepts(state);
}

function boundariesOf(set: readonly number[]): number[] {
  const cuts: number[] = [];
  for (let at = 0; at < set.length; at += 2) cuts.push(set[at]!, set[at + 1]! + 1);
  return cuts;
}

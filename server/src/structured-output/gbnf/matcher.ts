import { type CharSet, contains, intersect } from "./char-set.ts";
import { GrammarCheckError, type GrammarSymbol, type LoweredGrammar } from "./lowered-grammar.ts";
import { shortestLengthOf } from "./shortest-lengths.ts";

/** Most nodes expanded between two characters; grammars that pass `checkAmbiguity` stay far below. */
const MAX_EXPANDED = 10_000;

class AmbiguousGrammarError extends GrammarCheckError {
  constructor() {
    super("the grammar is too ambiguous", "alternatives that differ at their beginning");
  }
}

/**
 * A parser stack as a linked list: the symbols still to match in one alternative, then `parent`. Equal
 * stacks are one node, and stacks with a common bottom share it.
 */
interface StackNode {
  /** The alternative; its unmatched symbols start at `at`. Null at the end of the output. */
  symbols: GrammarSymbol[] | null;
  at: number;
  parent: StackNode | null;
  /** Fewest UTF-8 bytes from here to the end of the output. */
  minBytes: number;
  /** Identifies the node among all of its matcher. */
  id: number;
  children: Map<number, StackNode>;
}

/** All parser stacks that an output so far can have. Equal sets of stacks are one state. */
export interface MatcherState {
  readonly stacks: readonly StackNode[];
  /** The states after the characters that were tried. */
  readonly next: Map<number, MatcherState>;
}

/** An alternative met so far. */
interface KnownAlternative {
  /** Offset + position is a unique key of a position in an alternative. */
  offset: number;
  /** Fewest UTF-8 bytes of the symbols from each position on. */
  minBytes: Float64Array;
}

/** The output is not allowed: no stack is left. */
const DEAD: MatcherState = { stacks: [], next: new Map() };
/** Most stack nodes, states and transitions that are remembered; above it, all but the current state are forgotten. */
const MAX_REMEMBERED = 400_000;

/**
 * Matches an output against a grammar: nondeterministically, with all possible stacks in parallel. A lazily built
 * deterministic automaton: the state after a character is remembered, so that a character that was tried before costs
 * one look-up.
 */
export class GrammarMatcher {
  readonly #grammar: LoweredGrammar;
  readonly #alternatives = new Map<GrammarSymbol[], KnownAlternative>();
  #positions = 0;
  readonly #end: StackNode = { symbols: null, at: 0, parent: null, minBytes: 0, id: 0, children: new Map() };
  #nodes = 0;
  #states = new Map<string, MatcherState>();
  #remembered = 0;
  #state: MatcherState = DEAD;
  #visited = 0;

  constructor(grammar: LoweredGrammar) {
    this.#grammar = grammar;
    this.restart();
  }

  /** Returns to the start of the output. */
  restart(): void {
    this.#state = this.#stateOf(this.#expandRules(this.#enterRule(this.#grammar.root, this.#end)));
  }

  /** Whether the output so far is complete. */
  get canEnd(): boolean {
    return this.#state.stacks.includes(this.#end);
  }

  /** Number of stacks; the cost of a new character is proportional to it. */
  get stackCount(): number {
    return this.#state.stacks.length;
  }

  /** Nodes visited so far: the work done. */
  get visited(): number {
    return this.#visited;
  }

  /** The current state; set it to return to that point of the output. */
  get state(): MatcherState {
    return this.#state;
  }

  set state(state: MatcherState) {
    this.#state = state;
  }

  /**
   * The state after `state` and one more character; null when the grammar does not allow the character.
   * @throws GrammarCheckError when there would be too many stacks.
   */
  after(state: MatcherState, codePoint: number): MatcherState | null {
    let next = state.next.get(codePoint);
    if (next === undefined) {
      next = this.#stateOf(this.#step(state.stacks, codePoint));
      state.next.set(codePoint, next);
      this.#remembered++;
    }
    return next === DEAD ? null : next;
  }

  /** Whether the grammar allows one of `characters` after `state`. */
  allowsSome(state: MatcherState, characters: CharSet): boolean {
    return state.stacks.some(
      (node) => node.symbols !== null && intersect(terminal(node), characters).length > 0,
    );
  }

  /**
   * Fewest bytes that complete the output; infinite when nothing completes it.
   * @param first the next character must be one of these; absent: any character, or none.
   */
  minRemainingBytes(first?: CharSet): number {
    return this.#nearestEnd(first)?.bytes ?? Number.POSITIVE_INFINITY;
  }

  /** Appends the text to the output. False, without a change, when the grammar does not allow the text. */
  accept(text: string): boolean {
    let state = this.#state;
    for (const char of text) {
      const next = this.after(state, char.codePointAt(0)!);
      if (next === null) return false;
      state = next;
    }
    this.moveTo(state);
    return true;
  }

  /**
   * Makes a state that `after` returned the current one. Forgets the others when they have become many; they stay valid.
   * @throws GrammarCheckError when the current stacks alone are too deep to be kept.
   */
  moveTo(state: MatcherState): void {
    this.#state = state;
    if (this.#remembered > MAX_REMEMBERED) this.#forgetOthers();
  }

  /** Number of stacks after the character; 0 when the grammar does not allow it. */
  peekStackCount(codePoint: number): number {
    return this.after(this.#state, codePoint)?.stacks.length ?? 0;
  }

  /** One allowed character for each stack that expects one. */
  candidateChars(): number[] {
    return this.#state.stacks.flatMap((node) => {
      const symbol = node.symbols?.[node.at];
      return symbol !== undefined && "set" in symbol ? [readableChar(symbol.set)] : [];
    });
  }

  /** The shortest text, in bytes, that completes the output; null when nothing does. `first` as for `minRemainingBytes`. */
  shortestCompletion(first?: CharSet): string | null {
    const nearest = this.#nearestEnd(first);
    if (nearest === null) return null;
    let text = nearest.char;
    let node: StackNode | undefined = nearest.node;
    while (node !== undefined && node.symbols !== null) {
      text += String.fromCodePoint(readableChar(terminal(node)));
      node = nearestToEnd(this.#expandRules([this.#advance(node)]));
    }
    return text;
  }

  /** The node nearest to the end, and the character of `first` that leads there. */
  #nearestEnd(first: CharSet | undefined): { char: string; node: StackNode; bytes: number } | null {
    if (first === undefined) {
      const node = nearestToEnd(this.#state.stacks);
      return node === undefined ? null : { char: "", node, bytes: node.minBytes };
    }
    let nearest: { char: string; node: StackNode; bytes: number } | null = null;
    for (const node of this.#state.stacks) {
      const [codePoint] = node.symbols === null ? [] : intersect(terminal(node), first);
      if (codePoint === undefined) continue;
      const char = String.fromCodePoint(codePoint);
      const after = nearestToEnd(this.#expandRules([this.#advance(node)]));
      const bytes = Buffer.byteLength(char) + (after?.minBytes ?? Number.POSITIVE_INFINITY);
      if (after !== undefined && bytes < (nearest?.bytes ?? Number.POSITIVE_INFINITY)) {
        nearest = { char, node: after, bytes };
      }
    }
    return nearest;
  }

  #step(nodes: readonly StackNode[], codePoint: number): StackNode[] {
    const next: StackNode[] = [];
    for (const node of nodes) {
      const symbol = node.symbols?.[node.at];
      if (symbol !== undefined && "set" in symbol && contains(symbol.set, codePoint)) {
        next.push(this.#advance(node));
      }
    }
    return this.#expandRules(next);
  }

  /** Enters rules until every node is at a terminal or at the end. @throws GrammarCheckError when there are too many. */
  #expandRules(nodes: StackNode[]): StackNode[] {
    const seen = new Set(nodes);
    const expanded: StackNode[] = [];
    for (const node of seen) {
      if (seen.size > MAX_EXPANDED) throw new AmbiguousGrammarError();
      const symbol = node.symbols?.[node.at];
      if (symbol === undefined || !("rule" in symbol)) expanded.push(node);
      else for (const inner of this.#enterRule(symbol.rule, this.#advance(node))) seen.add(inner);
    }
    this.#visited += seen.size;
    return expanded;
  }

  #advance(node: StackNode): StackNode {
    const at = node.at + 1;
    return at === node.symbols!.length ? node.parent! : this.#stackNode(node.symbols!, at, node.parent!);
  }

  #enterRule(rule: number, after: StackNode): StackNode[] {
    return this.#grammar.rules[rule]!.alternatives.map((symbols) =>
      symbols.length === 0 ? after : this.#stackNode(symbols, 0, after),
    );
  }

  #stackNode(symbols: GrammarSymbol[], at: number, after: StackNode): StackNode {
    const { offset, minBytes } = this.#alternative(symbols);
    const key = offset + at;
    let node = after.children.get(key);
    if (node === undefined) {
      const rest = after.minBytes + minBytes[at]!;
      node = { symbols, at, parent: after, minBytes: rest, id: ++this.#nodes, children: new Map() };
      after.children.set(key, node);
      this.#remembered++;
    }
    return node;
  }

  #alternative(symbols: GrammarSymbol[]): KnownAlternative {
    let known = this.#alternatives.get(symbols);
    if (known === undefined) {
      const minBytes = new Float64Array(symbols.length + 1);
      for (let at = symbols.length - 1; at >= 0; at--) {
        minBytes[at] = minBytes[at + 1]! + shortestLengthOf(symbols[at]!, this.#grammar.shortest);
      }
      known = { offset: this.#positions, minBytes };
      this.#positions += symbols.length;
      this.#alternatives.set(symbols, known);
    }
    return known;
  }

  #stateOf(stacks: readonly StackNode[]): MatcherState {
    if (stacks.length === 0) return DEAD;
    const key = stacks
      .map(({ id }) => id)
      .sort((a, b) => a - b)
      .join();
    let state = this.#states.get(key);
    if (state === undefined) {
      state = { stacks, next: new Map() };
      this.#states.set(key, state);
      this.#remembered += stacks.length;
    }
    return state;
  }

  /** Copies the current stacks and drops all else, so that a long output does not grow the matcher's memory. */
  #forgetOthers(): void {
    this.#states = new Map();
    this.#remembered = 0;
    this.#end.children = new Map();
    const copies = new Map([[this.#end, this.#end]]);
    const stacks = this.#state.stacks.map((top) => {
      const missing: StackNode[] = [];
      for (let node = top; !copies.has(node); node = node.parent!) missing.push(node);
      for (const node of missing.reverse()) {
        copies.set(node, this.#stackNode(node.symbols!, node.at, copies.get(node.parent!)!));
      }
      return copies.get(top)!;
    });
    this.#state = this.#stateOf(stacks);
    if (this.#remembered > MAX_REMEMBERED / 2) throw new AmbiguousGrammarError();
  }
}

/** The terminal that an expanded node expects next. */
function terminal(node: StackNode): CharSet {
  return (node.symbols![node.at] as { set: CharSet }).set;
}

function nearestToEnd(nodes: readonly StackNode[]): StackNode | undefined {
  let best: StackNode | undefined;
  for (const node of nodes) if (best === undefined || node.minBytes < best.minBytes) best = node;
  return best;
}

/** A shortest character of the set: 0, a or A if the set has one, for readable texts. */
function readableChar(set: readonly number[]): number {
  for (const char of [0x30, 0x61, 0x41]) if (contains(set, char)) return char;
  return set[0]!;
}

/** More stacks than this make every token slow for all requests that share the engine. */
export const MAX_STACKS = 1_000;
const WALKS = 4;
const STEPS = 48;
/** Bound on the nodes visited by all walks. */
const MAX_VISITED = 100_000;

/**
 * Refuses grammars under which an output can have very many stacks: the engine checks every candidate token against each
 * of them, and some grammars double them with every character. Ambiguity is undecidable in general, so a few random
 * outputs are followed, preferring the characters that increase the number of stacks.
 * @throws GrammarCheckError
 */
export function checkAmbiguity(grammar: LoweredGrammar): void {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const matcher = new GrammarMatcher(grammar);
  for (let walk = 0; walk < WALKS; walk++) {
    matcher.restart();
    for (let step = 0; step < STEPS && matcher.visited < MAX_VISITED; step++) {
      if (matcher.stackCount > MAX_STACKS) throw new AmbiguousGrammarError();
      const candidates = matcher.candidateChars();
      if (candidates.length === 0) break;
      let chosen = candidates[random(candidates.length)]!;
      if (matcher.stackCount > 2 && random(4) > 0) {
        let most = matcher.peekStackCount(chosen);
        for (let i = 0; i < 4; i++) {
          const other = candidates[random(candidates.length)]!;
          const count = matcher.peekStackCount(other);
          if (count > most) [chosen, most] = [other, count];
        }
      }
      matcher.accept(String.fromCodePoint(chosen));
    }
  }
}

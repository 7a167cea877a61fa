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
  children: Map<number, StackNode>;
}

/** All parser stacks that an output so far can have. */
export type MatcherState = readonly StackNode[];

/** Matches an output against a grammar as the engine does: nondeterministically, with all possible stacks in parallel. */
export class GrammarMatcher {
  readonly #grammar: LoweredGrammar;
  /** Offset of each alternative met so far, so that offset + position is a unique key. */
  readonly #offsets = new Map<GrammarSymbol[], number>();
  #positions = 0;
  readonly #end: StackNode = { symbols: null, at: 0, parent: null, minBytes: 0, children: new Map() };
  #stacks: MatcherState = [];
  #visited = 0;

  constructor(grammar: LoweredGrammar) {
    this.#grammar = grammar;
    this.restart();
  }

  /** Returns to the start of the output. */
  restart(): void {
    this.#stacks = this.#expandRules(this.#enterRule(this.#grammar.root, this.#end));
  }

  /** Whether the output so far is complete. */
  get canEnd(): boolean {
    return this.#stacks.includes(this.#end);
  }

  /** Number of stacks; the engine's cost a candidate token is proportional to it. */
  get stackCount(): number {
    return this.#stacks.length;
  }

  /** Nodes visited so far: the work done. */
  get visited(): number {
    return this.#visited;
  }

  /** The current stacks; set them to return to that point of the output. */
  get state(): MatcherState {
    return this.#stacks;
  }

  set state(state: MatcherState) {
    this.#stacks = state;
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
    let nodes = this.#stacks;
    for (const char of text) {
      nodes = this.#step(nodes, char.codePointAt(0)!);
      if (nodes.length === 0) return false;
    }
    this.#stacks = nodes;
    return true;
  }

  /** Number of stacks after the character; 0 when the grammar does not allow it. */
  peekStackCount(codePoint: number): number {
    return this.#step(this.#stacks, codePoint).length;
  }

  /** One allowed character for each stack that expects one. */
  candidateChars(): number[] {
    return this.#stacks.flatMap((node) => {
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
      const node = nearestToEnd(this.#stacks);
      return node === undefined ? null : { char: "", node, bytes: node.minBytes };
    }
    let nearest: { char: string; node: StackNode; bytes: number } | null = null;
    for (const node of this.#stacks) {
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
    let offset = this.#offsets.get(symbols);
    if (offset === undefined) {
      offset = this.#positions;
      this.#positions += symbols.length;
      this.#offsets.set(symbols, offset);
    }
    const key = offset + at;
    let node = after.children.get(key);
    if (node === undefined) {
      let rest = after.minBytes;
      for (let i = at; i < symbols.length; i++) rest += shortestLengthOf(symbols[i]!, this.#grammar.shortest);
      node = { symbols, at, parent: after, minBytes: rest, children: new Map() };
      after.children.set(key, node);
    }
    return node;
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
const MAX_STACKS = 1_000;
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

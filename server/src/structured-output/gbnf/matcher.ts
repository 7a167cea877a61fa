import { type CharSet, contains, intersect } from "./char-set.ts";
import { GrammarCheckError, type GrammarSymbol, type LoweredGrammar } from "./lower.ts";
import { shortestLengthOf } from "./shortest-lengths.ts";

/** Places passed through between two characters; grammars that pass `checkAmbiguity` stay far below. */
const MAX_EXPANDED = 10_000;

class AmbiguousGrammarError extends GrammarCheckError {
  constructor() {
    super("the grammar is too ambiguous", "alternatives that differ at their beginning");
  }
}

/** A place in the grammar: what comes next, and what follows once the rule it is in has ended. Made once for each. */
interface StackNode {
  /** Unmatched symbols of one alternative start at `at`; null at the end of the output. */
  symbols: GrammarSymbol[] | null;
  at: number;
  parent: StackNode | null;
  /** Least number of bytes from here to the end of the output. */
  minBytes: number;
  children: Map<number, StackNode>;
}

/** Where an output is in a grammar. */
export type MatcherState = readonly StackNode[];

/** Follows an output through a grammar, as the engine does: all places at which it can be, side by side. */
export class GrammarMatcher {
  readonly #grammar: LoweredGrammar;
  /** Numbers the alternatives met so far, with room for their positions. */
  readonly #offsets = new Map<GrammarSymbol[], number>();
  #positions = 0;
  readonly #end: StackNode = { symbols: null, at: 0, parent: null, minBytes: 0, children: new Map() };
  #stacks: MatcherState = [];
  #visited = 0;

  constructor(grammar: LoweredGrammar) {
    this.#grammar = grammar;
    this.restart();
  }

  /** Begins again at the start of the output. */
  restart(): void {
    this.#stacks = this.#expandRules(this.#enterRule(this.#grammar.root, this.#end));
  }

  /** Whether the output may end here. */
  get canEnd(): boolean {
    return this.#stacks.includes(this.#end);
  }

  /** How many places the engine would hold for every candidate: its cost. */
  get stackCount(): number {
    return this.#stacks.length;
  }

  /** Places looked at so far: the work done. */
  get visited(): number {
    return this.#visited;
  }

  /** Where it is now; given back, it goes on from there. */
  get state(): MatcherState {
    return this.#stacks;
  }

  set state(position: MatcherState) {
    this.#stacks = position;
  }

  /**
   * Bytes that the output still needs, at least; infinite where it cannot go on so.
   * @param first what the next character is one of; absent: any, and the output may end.
   */
  minRemainingBytes(first?: CharSet): number {
    return this.#nearestEnd(first)?.rest ?? Number.POSITIVE_INFINITY;
  }

  /** Takes the text in; false, and nothing is taken, where the grammar does not allow it. */
  accept(text: string): boolean {
    let places = this.#stacks;
    for (const char of text) {
      places = this.#step(places, char.codePointAt(0)!);
      if (places.length === 0) return false;
    }
    this.#stacks = places;
    return true;
  }

  /** The width that the character would lead to; 0 where it is not allowed. */
  peekStackCount(codePoint: number): number {
    return this.#step(this.#stacks, codePoint).length;
  }

  /** A character that each place would take, for those that take one. */
  candidateChars(): number[] {
    return this.#stacks.flatMap((place) => {
      const symbol = place.symbols?.[place.at];
      return symbol !== undefined && "set" in symbol ? [readableChar(symbol.set)] : [];
    });
  }

  /** The shortest text, in bytes, with which the output can end; null where it cannot. `first` as for `minRemainingBytes`. */
  shortestCompletion(first?: CharSet): string | null {
    const nearest = this.#nearestEnd(first);
    if (nearest === null) return null;
    let text = nearest.char;
    let place: StackNode | undefined = nearest.place;
    while (place !== undefined && place.symbols !== null) {
      text += String.fromCodePoint(readableChar(terminal(place)));
      place = nearestToEnd(this.#expandRules([this.#advance(place)]));
    }
    return text;
  }

  /** The place from which the end is nearest, and the character that leads there where one is asked for. */
  #nearestEnd(first: CharSet | undefined): { char: string; place: StackNode; rest: number } | null {
    if (first === undefined) {
      const place = nearestToEnd(this.#stacks);
      return place === undefined ? null : { char: "", place, rest: place.minBytes };
    }
    let nearest: { char: string; place: StackNode; rest: number } | null = null;
    for (const place of this.#stacks) {
      const [codePoint] = place.symbols === null ? [] : intersect(terminal(place), first);
      if (codePoint === undefined) continue;
      const char = String.fromCodePoint(codePoint);
      const after = nearestToEnd(this.#expandRules([this.#advance(place)]));
      const rest = Buffer.byteLength(char) + (after?.minBytes ?? Number.POSITIVE_INFINITY);
      if (after !== undefined && rest < (nearest?.rest ?? Number.POSITIVE_INFINITY)) {
        nearest = { char, place: after, rest };
      }
    }
    return nearest;
  }

  #step(places: readonly StackNode[], codePoint: number): StackNode[] {
    const next: StackNode[] = [];
    for (const place of places) {
      const symbol = place.symbols?.[place.at];
      if (symbol !== undefined && "set" in symbol && contains(symbol.set, codePoint)) {
        next.push(this.#advance(place));
      }
    }
    return this.#expandRules(next);
  }

  /** Goes on through rules until every place stands before a terminal or at the end. */
  #expandRules(places: StackNode[]): StackNode[] {
    const seen = new Set(places);
    const settled: StackNode[] = [];
    for (const place of seen) {
      if (seen.size > MAX_EXPANDED) throw new AmbiguousGrammarError();
      const symbol = place.symbols?.[place.at];
      if (symbol === undefined || !("rule" in symbol)) settled.push(place);
      else for (const inner of this.#enterRule(symbol.rule, this.#advance(place))) seen.add(inner);
    }
    this.#visited += seen.size;
    return settled;
  }

  #advance(place: StackNode): StackNode {
    const at = place.at + 1;
    return at === place.symbols!.length ? place.parent! : this.#stackNode(place.symbols!, at, place.parent!);
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
    let place = after.children.get(key);
    if (place === undefined) {
      let rest = after.minBytes;
      for (let i = at; i < symbols.length; i++) rest += shortestLengthOf(symbols[i]!, this.#grammar.shortest);
      place = { symbols, at, parent: after, minBytes: rest, children: new Map() };
      after.children.set(key, place);
    }
    return place;
  }
}

/** What a settled place stands before. */
function terminal(place: StackNode): CharSet {
  return (place.symbols![place.at] as { set: CharSet }).set;
}

function nearestToEnd(places: readonly StackNode[]): StackNode | undefined {
  let best: StackNode | undefined;
  for (const place of places) if (best === undefined || place.minBytes < best.minBytes) best = place;
  return best;
}

/** A shortest character of the set, one that reads well if there is one. */
function readableChar(set: readonly number[]): number {
  for (const char of [0x30, 0x61, 0x41]) if (contains(set, char)) return char;
  return set[0]!;
}

/** More places side by side than this make every token slow for all who share the engine. */
const MAX_STACKS = 1_000;
const WALKS = 4;
const STEPS = 48;
/** Bounds the whole probe. */
const MAX_VISITED = 100_000;

/**
 * Refuses grammars under which an output can be in very many places at once: the engine holds them all, for every
 * candidate token, and some grammars double them with every character. Whether one does cannot be decided in
 * general, so a few outputs are followed, greedily the ones that widen.
 * @throws LoweringError
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
        let widest = matcher.peekStackCount(chosen);
        for (let i = 0; i < 4; i++) {
          const other = candidates[random(candidates.length)]!;
          const width = matcher.peekStackCount(other);
          if (width > widest) [chosen, widest] = [other, width];
        }
      }
      matcher.accept(String.fromCodePoint(chosen));
    }
  }
}

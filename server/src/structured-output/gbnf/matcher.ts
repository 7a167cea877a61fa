import { type CharSet, contains, intersect } from "./char-set.ts";
import { GrammarCheckError, type GrammarSymbol, type LoweredGrammar } from "./lower.ts";
import { shortestLengthOf } from "./shortest-lengths.ts";

/** Places passed through between two characters; grammars that pass `checkAmbiguity` stay far below. */
const MAX_SETTLED = 10_000;

class TooAmbiguous extends GrammarCheckError {
  constructor() {
    super("the grammar is too ambiguous", "alternatives that differ at their beginning");
  }
}

/** A place in the grammar: what comes next, and what follows once the rule it is in has ended. Made once for each. */
interface Place {
  /** Unmatched symbols of one alternative start at `at`; null at the end of the output. */
  symbols: GrammarSymbol[] | null;
  at: number;
  after: Place | null;
  /** Least number of bytes from here to the end of the output. */
  rest: number;
  children: Map<number, Place>;
}

/** Where an output is in a grammar. */
export type Position = readonly Place[];

/** Follows an output through a grammar, as the engine does: all places at which it can be, side by side. */
export class Matcher {
  readonly #grammar: LoweredGrammar;
  /** Numbers the alternatives met so far, with room for their positions. */
  readonly #offsets = new Map<GrammarSymbol[], number>();
  #positions = 0;
  readonly #end: Place = { symbols: null, at: 0, after: null, rest: 0, children: new Map() };
  #places: Position = [];
  #visited = 0;

  constructor(grammar: LoweredGrammar) {
    this.#grammar = grammar;
    this.restart();
  }

  /** Begins again at the start of the output. */
  restart(): void {
    this.#places = this.#settle(this.#enter(this.#grammar.root, this.#end));
  }

  /** Whether the output may end here. */
  get canEnd(): boolean {
    return this.#places.includes(this.#end);
  }

  /** How many places the engine would hold for every candidate: its cost. */
  get width(): number {
    return this.#places.length;
  }

  /** Places looked at so far: the work done. */
  get visited(): number {
    return this.#visited;
  }

  /** Where it is now; given back, it goes on from there. */
  get position(): Position {
    return this.#places;
  }

  set position(position: Position) {
    this.#places = position;
  }

  /**
   * Bytes that the output still needs, at least; infinite where it cannot go on so.
   * @param first what the next character is one of; absent: any, and the output may end.
   */
  rest(first?: CharSet): number {
    return this.#nearest(first)?.rest ?? Number.POSITIVE_INFINITY;
  }

  /** Takes the text in; false, and nothing is taken, where the grammar does not allow it. */
  accept(text: string): boolean {
    let places = this.#places;
    for (const char of text) {
      places = this.#step(places, char.codePointAt(0)!);
      if (places.length === 0) return false;
    }
    this.#places = places;
    return true;
  }

  /** The width that the character would lead to; 0 where it is not allowed. */
  peekWidth(codePoint: number): number {
    return this.#step(this.#places, codePoint).length;
  }

  /** A character that each place would take, for those that take one. */
  candidates(): number[] {
    return this.#places.flatMap((place) => {
      const symbol = place.symbols?.[place.at];
      return symbol !== undefined && "set" in symbol ? [pleasant(symbol.set)] : [];
    });
  }

  /** The shortest text, in bytes, with which the output can end; null where it cannot. `first` as for `rest`. */
  shortestEnd(first?: CharSet): string | null {
    const nearest = this.#nearest(first);
    if (nearest === null) return null;
    let text = nearest.char;
    let place: Place | undefined = nearest.place;
    while (place !== undefined && place.symbols !== null) {
      text += String.fromCodePoint(pleasant(terminal(place)));
      place = least(this.#settle([this.#next(place)]));
    }
    return text;
  }

  /** The place from which the end is nearest, and the character that leads there where one is asked for. */
  #nearest(first: CharSet | undefined): { char: string; place: Place; rest: number } | null {
    if (first === undefined) {
      const place = least(this.#places);
      return place === undefined ? null : { char: "", place, rest: place.rest };
    }
    let nearest: { char: string; place: Place; rest: number } | null = null;
    for (const place of this.#places) {
      const [codePoint] = place.symbols === null ? [] : intersect(terminal(place), first);
      if (codePoint === undefined) continue;
      const char = String.fromCodePoint(codePoint);
      const after = least(this.#settle([this.#next(place)]));
      const rest = Buffer.byteLength(char) + (after?.rest ?? Number.POSITIVE_INFINITY);
      if (after !== undefined && rest < (nearest?.rest ?? Number.POSITIVE_INFINITY)) {
        nearest = { char, place: after, rest };
      }
    }
    return nearest;
  }

  #step(places: readonly Place[], codePoint: number): Place[] {
    const next: Place[] = [];
    for (const place of places) {
      const symbol = place.symbols?.[place.at];
      if (symbol !== undefined && "set" in symbol && contains(symbol.set, codePoint)) {
        next.push(this.#next(place));
      }
    }
    return this.#settle(next);
  }

  /** Goes on through rules until every place stands before a terminal or at the end. */
  #settle(places: Place[]): Place[] {
    const seen = new Set(places);
    const settled: Place[] = [];
    for (const place of seen) {
      if (seen.size > MAX_SETTLED) throw new TooAmbiguous();
      const symbol = place.symbols?.[place.at];
      if (symbol === undefined || !("rule" in symbol)) settled.push(place);
      else for (const inner of this.#enter(symbol.rule, this.#next(place))) seen.add(inner);
    }
    this.#visited += seen.size;
    return settled;
  }

  #next(place: Place): Place {
    const at = place.at + 1;
    return at === place.symbols!.length ? place.after! : this.#place(place.symbols!, at, place.after!);
  }

  #enter(rule: number, after: Place): Place[] {
    return this.#grammar.rules[rule]!.alternatives.map((symbols) =>
      symbols.length === 0 ? after : this.#place(symbols, 0, after),
    );
  }

  #place(symbols: GrammarSymbol[], at: number, after: Place): Place {
    let offset = this.#offsets.get(symbols);
    if (offset === undefined) {
      offset = this.#positions;
      this.#positions += symbols.length;
      this.#offsets.set(symbols, offset);
    }
    const key = offset + at;
    let place = after.children.get(key);
    if (place === undefined) {
      let rest = after.rest;
      for (let i = at; i < symbols.length; i++) rest += shortestLengthOf(symbols[i]!, this.#grammar.shortest);
      place = { symbols, at, after, rest, children: new Map() };
      after.children.set(key, place);
    }
    return place;
  }
}

/** What a settled place stands before. */
function terminal(place: Place): CharSet {
  return (place.symbols![place.at] as { set: CharSet }).set;
}

function least(places: readonly Place[]): Place | undefined {
  let best: Place | undefined;
  for (const place of places) if (best === undefined || place.rest < best.rest) best = place;
  return best;
}

/** A shortest character of the set, one that reads well if there is one. */
function pleasant(set: readonly number[]): number {
  for (const char of [0x30, 0x61, 0x41]) if (contains(set, char)) return char;
  return set[0]!;
}

/** More places side by side than this make every token slow for all who share the engine. */
const MAX_WIDTH = 1_000;
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
  const matcher = new Matcher(grammar);
  for (let walk = 0; walk < WALKS; walk++) {
    matcher.restart();
    for (let step = 0; step < STEPS && matcher.visited < MAX_VISITED; step++) {
      if (matcher.width > MAX_WIDTH) throw new TooAmbiguous();
      const candidates = matcher.candidates();
      if (candidates.length === 0) break;
      let chosen = candidates[random(candidates.length)]!;
      if (matcher.width > 2 && random(4) > 0) {
        let widest = matcher.peekWidth(chosen);
        for (let i = 0; i < 4; i++) {
          const other = candidates[random(candidates.length)]!;
          const width = matcher.peekWidth(other);
          if (width > widest) [chosen, widest] = [other, width];
        }
      }
      matcher.accept(String.fromCodePoint(chosen));
    }
  }
}

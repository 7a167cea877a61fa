import { toRanges } from "./char-set.ts";
import { parseGbnf } from "./grammar.ts";
import type { GrammarSymbol, LoweredGrammar } from "./lower.ts";
import { GrammarMatcher } from "./matcher.ts";
import { shortestLengthOf } from "./shortest-lengths.ts";

/** Random numbers that a seed determines: whole, from 0 to below `n`. */
export type Random = (n: number) => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % n;
  };
}

/**
 * The worst generator: goes through the grammar blindly, any way that it allows. After `wild` choices it takes the
 * shortest way out, so it always ends.
 */
export function sample(grammar: LoweredGrammar, random: Random, wild: number): string {
  const stack: GrammarSymbol[] = [{ rule: grammar.root }];
  let output = "";
  for (let symbol = stack.pop(), choices = 0; symbol !== undefined; symbol = stack.pop()) {
    if ("set" in symbol) output += String.fromCodePoint(charOf(symbol.set, random));
    else if ("rule" in symbol) {
      const { alternatives } = grammar.rules[symbol.rule]!;
      let chosen = alternatives[random(alternatives.length)]!;
      if (choices++ > wild) {
        const length = (symbols: GrammarSymbol[]): number =>
          symbols.reduce((sum, next) => sum + shortestLengthOf(next, grammar.shortest), 0);
        chosen = alternatives.toSorted((a, b) => length(a) - length(b) || a.length - b.length)[0]!;
      }
      for (const next of chosen.toReversed()) stack.push(next);
    }
  }
  return output;
}

function charOf(set: readonly number[], random: Random): number {
  const ranges = toRanges(set);
  const [lo, hi] = ranges[random(ranges.length)]!;
  return [lo, hi, lo + random(hi - lo + 1)][random(3)]!;
}

/** Whether the grammar allows the whole text. */
export function allows(grammar: string, text: string): boolean {
  const matcher = new GrammarMatcher(parseGbnf(grammar).lowered);
  return matcher.accept(text) && matcher.canEnd;
}

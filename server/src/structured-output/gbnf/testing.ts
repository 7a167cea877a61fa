import { toRanges } from "./char-set.ts";
import { parseGbnf } from "./grammar.ts";
import type { GrammarSymbol, LoweredGrammar } from "./lowered-grammar.ts";
import { GrammarMatcher } from "./matcher.ts";
import { shortestLengthOf } from "./shortest-lengths.ts";

/** A deterministic random integer from 0 to below `n`. */
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
 * A random text of the grammar. After `maxRandomChoices` random choices the walk takes the shortest alternatives, so that it
 * always ends.
 */
export function sample(grammar: LoweredGrammar, random: Random, maxRandomChoices: number): string {
  const stack: GrammarSymbol[] = [{ rule: grammar.root }];
  let output = "";
  for (let symbol = stack.pop(), choices = 0; symbol !== undefined; symbol = stack.pop()) {
    if ("set" in symbol) output += String.fromCodePoint(charOf(symbol.set, random));
    else if ("rule" in symbol) {
      const { alternatives } = grammar.rules[symbol.rule]!;
      let chosen = alternatives[random(alternatives.length)]!;
      if (choices++ > maxRandomChoices) {
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

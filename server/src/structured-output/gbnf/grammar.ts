import { checkGrammar } from "./check-grammar.ts";
import { printRules, type Rules } from "./expression.ts";
import { lower } from "./lower.ts";
import { GrammarCheckError, type LoweredGrammar } from "./lowered-grammar.ts";
import { checkAmbiguity } from "./matcher.ts";
import { GBNF_LIMITS, type GbnfLimits, GrammarError, parseRules } from "./parser.ts";

export interface Grammar {
  rules: Rules;
  lowered: LoweredGrammar;
  /** The grammar for the engine: printed from `rules`, the same language as the source. */
  text: string;
}

/**
 * Parses and checks a grammar in GBNF.
 * @throws GrammarError for a grammar that the engine would refuse, loop on or be slowed down by.
 */
export function parseGbnf(source: string, limits: GbnfLimits = GBNF_LIMITS): Grammar {
  const { rules, offsets } = parseRules(source, limits);
  try {
    return { rules, lowered: lowerAndCheck(rules, limits.maxElements), text: printRules(rules) };
  } catch (error) {
    if (!(error instanceof GrammarCheckError)) throw error;
    const at = error.at ?? (error.rule === undefined ? 0 : (offsets.get(error.rule) ?? 0));
    throw new GrammarError(source, at, error.message, error.expected);
  }
}

/** @throws GrammarCheckError for rules that the engine can't use. */
export function lowerAndCheck(rules: Rules, maxElements = GBNF_LIMITS.maxElements): LoweredGrammar {
  const lowered = lower(rules, maxElements);
  checkGrammar(lowered);
  checkAmbiguity(lowered);
  return lowered;
}

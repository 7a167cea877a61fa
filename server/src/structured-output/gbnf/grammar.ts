import { checkGrammar } from "./check-grammar.ts";
import { printRules, type Rules } from "./expression.ts";
import { GrammarCheckError, type LoweredGrammar, lower } from "./lower.ts";
import { checkAmbiguity } from "./matcher.ts";
import { GBNF_LIMITS, type GbnfLimits, GrammarError, parseRules } from "./parser.ts";

export interface Grammar {
  rules: Rules;
  lowered: LoweredGrammar;
  /** The grammar as the engine gets it: the same language, printed anew. */
  text: string;
}

/**
 * Reads and checks a grammar in GBNF.
 * @throws GrammarError for everything that the engine would refuse, loop on or choke on.
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

/**
 * Checks what rules mean together.
 * @throws LoweringError
 */
export function lowerAndCheck(rules: Rules, maxElements = GBNF_LIMITS.maxElements): LoweredGrammar {
  const lowered = lower(rules, maxElements);
  checkGrammar(lowered);
  checkAmbiguity(lowered);
  return lowered;
}

import { checkGrammar } from "./check-grammar.ts";
import { printRules, type Rules } from "./expression.ts";
import { type Lowered, LoweringError, lower } from "./lower.ts";
import { checkAmbiguity } from "./matcher.ts";
import { GBNF_LIMITS, type GbnfLimits, GrammarError, parseRules } from "./parser.ts";

export interface Grammar {
  rules: Rules;
  lowered: Lowered;
  /** The grammar as the engine gets it: the same language, printed anew. */
  text: string;
}

/**
 * Reads and checks a grammar in GBNF.
 * @throws GrammarError for everything that the engine would refuse, loop on or choke on.
 */
export function parseGbnf(source: string, limits: GbnfLimits = GBNF_LIMITS): Grammar {
  const { rules, places } = parseRules(source, limits);
  try {
    return { rules, lowered: checkLowered(rules, limits.maxElements), text: printRules(rules) };
  } catch (error) {
    if (!(error instanceof LoweringError)) throw error;
    const at = error.at ?? (error.rule === undefined ? 0 : (places.get(error.rule) ?? 0));
    throw new GrammarError(source, at, error.message, error.expected);
  }
}

/**
 * Checks what rules mean together.
 * @throws LoweringError
 */
export function checkLowered(rules: Rules, maxElements = GBNF_LIMITS.maxElements): Lowered {
  const lowered = lower(rules, maxElements);
  checkGrammar(lowered);
  checkAmbiguity(lowered);
  return lowered;
}

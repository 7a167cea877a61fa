import { checkGrammar } from "./check-grammar.ts";
import { mapRefs, printRules, type Rules, refsOf } from "./expression.ts";
import { lower } from "./lower.ts";
import { GrammarCheckError, type LoweredGrammar } from "./lowered-grammar.ts";
import { checkAmbiguity } from "./matcher.ts";
import { GBNF_LIMITS, type GbnfLimits, GrammarError, parseRules } from "./parser.ts";

export interface Grammar {
  rules: Rules;
  lowered: LoweredGrammar;
  /** The grammar for the engine: the same language as the source, without the rules that `root` does not use. */
  text: string;
}

/**
 * Parses and checks a grammar in GBNF.
 * @throws GrammarError for a grammar that the engine would refuse, loop on or be slowed down by.
 */
export function parseGbnf(source: string, limits: GbnfLimits = GBNF_LIMITS): Grammar {
  const { rules: allRules, offsets } = parseRules(source, limits);
  try {
    const rules = reachableRules(allRules);
    const lowered = lowerAndCheck(rules, limits.maxElements);
    return { rules, lowered, text: printRules(withEngineNames(rules)) };
  } catch (error) {
    if (!(error instanceof GrammarCheckError)) throw error;
    const at = error.at ?? (error.rule === undefined ? 0 : (offsets.get(error.rule) ?? 0));
    throw new GrammarError(source, at, error.message, error.expected);
  }
}

/**
 * The rules that `root` uses, directly or not, in their order.
 * @throws GrammarCheckError for a reference to a rule that is not defined, in an unused rule too.
 */
function reachableRules(rules: Rules): Rules {
  const reachable = new Set(["root"]);
  for (const name of reachable) {
    const expr = rules.get(name);
    if (expr !== undefined) for (const used of refsOf(expr)) reachable.add(used);
  }
  for (const [name, expr] of rules) {
    const missing = reachable.has(name) ? undefined : refsOf(expr).find((used) => !rules.has(used));
    if (missing === undefined) continue;
    throw new GrammarCheckError(`rule ${missing} is not defined`, "the name of a rule", undefined, name);
  }
  return new Map([...rules].filter(([name]) => reachable.has(name)));
}

/** Renames the rules whose names llama.cpp would not accept: it knows no `_`. */
function withEngineNames(rules: Rules): Rules {
  if (![...rules.keys()].some((name) => name.includes("_"))) return rules;
  const engineNames = new Map<string, string>();
  const taken = new Set([...rules.keys()].filter((name) => !name.includes("_")));
  for (const name of rules.keys()) {
    const base = name.replaceAll("_", "-");
    let engineName = base;
    if (name.includes("_")) for (let i = 2; taken.has(engineName); i++) engineName = `${base}-${i}`;
    taken.add(engineName);
    engineNames.set(name, engineName);
  }
  const rename = (name: string): string => engineNames.get(name)!;
  return new Map([...rules].map(([name, expr]) => [rename(name), mapRefs(expr, rename)]));
}

/** @throws GrammarCheckError for rules that the engine can't use. */
export function lowerAndCheck(rules: Rules, maxElements = GBNF_LIMITS.maxElements): LoweredGrammar {
  const lowered = lower(rules, maxElements);
  checkGrammar(lowered);
  checkAmbiguity(lowered);
  return lowered;
}

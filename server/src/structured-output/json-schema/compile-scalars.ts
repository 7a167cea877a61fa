import { type Dfa, intersectAutomata } from "../automata/dfa.ts";
import { type Automaton, lengthAutomaton, patternAutomaton } from "../automata/nfa.ts";
import { parseAnchoredPattern, parsePattern } from "../automata/pattern-parser.ts";
import { type Expr, NEVER, ref, seq, text } from "../gbnf/expression.ts";
import { type CompileContext, reportUnenforcedKeywords, strictest } from "./compile-context.ts";
import { isNumber } from "./decimal.ts";
import { dfaToExpr, wordsToExpr, writeJsonEscaped, writeUnescaped } from "./dfa-to-grammar.ts";
import { FORMATS, NUMBER_FORMATS } from "./formats.ts";
import { type GrammarRules, MAX_REPEAT } from "./grammar-rules.ts";
import { numberTexts, wholeDigits } from "./number-automata.ts";
import { numberConstraint } from "./schema-analysis.ts";
import type { JsonObject } from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";

/** An expression for the numbers that fit all the schemas. */
export function compileNumber(
  schemas: readonly JsonObject[],
  integer: boolean,
  context: CompileContext,
): Expr {
  const { rules } = context;
  const constraint = numberConstraint(schemas, integer);
  const isUnbounded = constraint.least === null && constraint.most === null;
  if (isUnbounded && constraint.multiples.length === 0)
    return rules.baseRule(constraint.integer ? "json-integer" : "json-number");
  // With more digits, the double that a parser reads for a multiple may not be a multiple itself.
  const large = [constraint.least, constraint.most].some(
    (bound) => bound !== null && wholeDigits(bound.value) > 14,
  );
  for (const schema of schemas) {
    // A tenth has no exact double, so validators that divide doubles refuse some of its multiples.
    const { multipleOf } = schema;
    if (isNumber(multipleOf) && (large || !isDyadic(Number(multipleOf))))
      context.reportUnenforced(schema, "multipleOf");
  }
  let texts = numberTexts(constraint);
  if (texts === null) {
    reportUnenforcedKeywords(schemas, ["multipleOf"], context);
    texts = numberTexts({ ...constraint, multiples: [] });
  }
  if (texts === null) {
    reportUnenforcedKeywords(
      schemas,
      ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
      context,
    );
    return rules.baseRule(integer ? "json-integer" : "json-number");
  }
  return textsToExpr(texts, rules);
}

/** Whether doubles represent the number and its multiples exactly. */
function isDyadic(value: number): boolean {
  return Number.isInteger(value * 2 ** 20);
}

function textsToExpr(texts: string[] | Dfa | "empty", rules: GrammarRules): Expr {
  if (texts === "empty") return NEVER;
  const words = texts.every((item) => typeof item === "string");
  if (words) return wordsToExpr(texts as string[], rules.freshName(), rules.byName);
  return dfaToExpr(texts as Dfa, { name: rules.freshName(), rules: rules.byName, write: writeUnescaped });
}

/** An expression for the strings that fit the lengths, patterns and formats of all the schemas. */
export function compileString(schemas: readonly JsonObject[], context: CompileContext): Expr {
  const { rules } = context;
  const [min, max] = countBounds(schemas, "Length", context);
  if (max !== null && max < min) return NEVER;
  const format = soleFormat(schemas);
  if (format !== null) return compileFormat(format, rules);
  const automata = stringAutomata(schemas, context);
  if (automata.length === 0) {
    if (min === 0 && max === null) return rules.baseRule("json-string");
    return seq(text('"'), rules.repeat(rules.baseRule("json-char"), min, max), text('"'));
  }
  const bounded = min > 0 || max !== null;
  const lengths = bounded && Math.max(min, max ?? 0) <= 5_000 ? [lengthAutomaton(min, max)] : [];
  let dfa = intersectAutomata([...automata, ...lengths]);
  if (dfa === null || (bounded && lengths.length === 0)) {
    reportUnenforcedKeywords(schemas, ["minLength", "maxLength"], context);
    dfa = intersectAutomata(automata);
  }
  if (dfa === "empty") return NEVER;
  if (dfa === null) {
    reportUnenforcedKeywords(schemas, ["pattern", "format"], context);
    return seq(text('"'), rules.repeat(rules.baseRule("json-char"), min, max), text('"'));
  }
  return seq(
    text('"'),
    dfaToExpr(dfa, { name: rules.freshName(), rules: rules.byName, write: writeJsonEscaped }),
    text('"'),
  );
}

/** Uses rules that are the same in every grammar, so that the parts of a composite grammar share them. */
function compileFormat(format: string, rules: GrammarRules): Expr {
  const name = `json-format-${format}`;
  if (!rules.byName.has(name)) {
    rules.byName.set(
      name,
      dfaToExpr(formatDfa(format), { name, rules: rules.byName, write: writeJsonEscaped }),
    );
  }
  return seq(text('"'), ref(name), text('"'));
}

/** The format if it is known and the only constraint; else null. */
function soleFormat(schemas: readonly JsonObject[]): string | null {
  const keywords = ["format", "pattern", "minLength", "maxLength"];
  const found = schemas.flatMap((schema) => keywords.filter((keyword) => keyword in schema));
  if (found.length !== 1 || found[0] !== "format") return null;
  const format = schemas.find((schema) => "format" in schema)!["format"] as string;
  return FORMATS.has(format) ? format : null;
}

/** Filled at first use; bounded by the number of formats. */
const formatDfas = new Map<string, Dfa>();

export function formatDfa(format: string): Dfa {
  let dfa = formatDfas.get(format);
  if (dfa === undefined) {
    const automaton = patternAutomaton(parseAnchoredPattern(`(?:${FORMATS.get(format)})`))!;
    dfa = intersectAutomata([automaton]) as Dfa;
    formatDfas.set(format, dfa);
  }
  return dfa;
}

function stringAutomata(schemas: readonly JsonObject[], context: CompileContext): Automaton[] {
  const automata: Automaton[] = [];
  for (const schema of schemas) {
    const { pattern, format } = schema;
    if (typeof pattern === "string") {
      const automaton = automatonForPattern(pattern);
      if (automaton === null) context.reportUnenforced(schema, "pattern");
      else automata.push(automaton);
    }
    if (typeof format !== "string" || NUMBER_FORMATS.has(format)) continue;
    const known = FORMATS.get(format);
    if (known === undefined) context.reportUnenforced(schema, "format");
    else automata.push(patternAutomaton(parseAnchoredPattern(`(?:${known})`))!);
  }
  return automata;
}

/** Null when the pattern is too complex or not regular. */
export function automatonForPattern(pattern: string): Automaton | null {
  const parsed = parsePattern(pattern);
  return parsed && patternAutomaton(parsed);
}

/**
 * The bounds `min<unit>` and `max<unit>`. Reports an upper bound that is too large to count.
 * @throws SchemaError when the lower bound is too large to be met.
 */
export function countBounds(
  schemas: readonly JsonObject[],
  unit: string,
  context: CompileContext,
): [number, number | null] {
  const min = strictest(schemas, `min${unit}`, "most") ?? 0;
  let max = strictest(schemas, `max${unit}`, "least");
  if (min > MAX_REPEAT) throw new SchemaError("", `A min${unit} of more than ${MAX_REPEAT} cannot be met.`);
  if (max !== null && max > MAX_REPEAT) {
    reportUnenforcedKeywords(schemas, [`max${unit}`], context);
    max = null;
  }
  return [min, max];
}

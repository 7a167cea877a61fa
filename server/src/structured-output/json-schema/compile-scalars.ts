import { type Dfa, intersectAutomata } from "../automata/dfa.ts";
import { type Automaton, lengthAutomaton, patternAutomaton } from "../automata/nfa.ts";
import { parseAnchoredPattern, parsePattern } from "../automata/pattern-parser.ts";
import { type Expr, NEVER, ref, seq, text } from "../gbnf/expression.ts";
import { type CompileContext, reportUnenforcedKeywords, strictest } from "./compile-context.ts";
import { dfaToExpr, wordsToExpr, writeJsonEscaped, writeUnescaped } from "./dfa-to-grammar.ts";
import { FORMATS, NUMBER_FORMATS } from "./formats.ts";
import { type GrammarRules, MAX_REPEAT } from "./grammar-rules.ts";
import { numberTexts, wholeDigits } from "./number-automata.ts";
import { numberConstraint } from "./schema-analysis.ts";
import type { JsonObject } from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";

/** Numbers that meet the bounds of all the schemas. */
export function compileNumber(
  schemas: readonly JsonObject[],
  integer: boolean,
  writing: CompileContext,
): Expr {
  const { rules: book } = writing;
  const constraint = numberConstraint(schemas, integer);
  const bare = constraint.least === null && constraint.most === null;
  if (bare && constraint.multiples.length === 0)
    return book.baseRule(constraint.integer ? "json-integer" : "json-number");
  // Above this, texts of multiples are read as doubles that are none.
  const large = [constraint.least, constraint.most].some(
    (bound) => bound !== null && wholeDigits(bound.value) > 14,
  );
  for (const schema of schemas) {
    // A tenth has no exact double, so validators that divide doubles refuse some of its multiples.
    const { multipleOf } = schema;
    if (typeof multipleOf === "number" && (large || !isDyadic(multipleOf)))
      writing.reportUnenforced(schema, "multipleOf");
  }
  let texts = numberTexts(constraint);
  if (texts === null) {
    reportUnenforcedKeywords(schemas, ["multipleOf"], writing);
    texts = numberTexts({ ...constraint, multiples: [] });
  }
  if (texts === null) {
    reportUnenforcedKeywords(
      schemas,
      ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
      writing,
    );
    return book.baseRule(integer ? "json-integer" : "json-number");
  }
  return textsToExpr(texts, book);
}

/** Whether doubles hold the number and its multiples as they are written. */
function isDyadic(value: number): boolean {
  return Number.isInteger(value * 2 ** 20);
}

function textsToExpr(texts: string[] | Dfa | "empty", book: GrammarRules): Expr {
  if (texts === "empty") return NEVER;
  const words = texts.every((item) => typeof item === "string");
  if (words) return wordsToExpr(texts as string[], book.freshName(), book.byName);
  return dfaToExpr(texts as Dfa, book.freshName(), book.byName, writeUnescaped);
}

/** Strings that meet the lengths, patterns and formats of all the schemas. */
export function compileString(schemas: readonly JsonObject[], writing: CompileContext): Expr {
  const { rules: book } = writing;
  const [min, max] = countBounds(schemas, "Length", writing);
  if (max !== null && max < min) return NEVER;
  const format = soleFormat(schemas);
  if (format !== null) return compileFormat(format, book);
  const machines = stringAutomata(schemas, writing);
  if (machines.length === 0) {
    if (min === 0 && max === null) return book.baseRule("json-string");
    return seq(text('"'), book.repeat(book.baseRule("json-char"), min, max), text('"'));
  }
  const bounded = min > 0 || max !== null;
  const lengths = bounded && Math.max(min, max ?? 0) <= 5_000 ? [lengthAutomaton(min, max)] : [];
  let dfa = intersectAutomata([...machines, ...lengths]);
  if (dfa === null || (bounded && lengths.length === 0)) {
    reportUnenforcedKeywords(schemas, ["minLength", "maxLength"], writing);
    dfa = intersectAutomata(machines);
  }
  if (dfa === "empty") return NEVER;
  if (dfa === null) {
    reportUnenforcedKeywords(schemas, ["pattern", "format"], writing);
    return seq(text('"'), book.repeat(book.baseRule("json-char"), min, max), text('"'));
  }
  return seq(text('"'), dfaToExpr(dfa, book.freshName(), book.byName, writeJsonEscaped), text('"'));
}

/** In rules that are the same in every grammar, so that grammars put together share them. */
function compileFormat(format: string, book: GrammarRules): Expr {
  const name = `json-format-${format}`;
  if (!book.byName.has(name)) {
    book.byName.set(name, dfaToExpr(formatDfa(format), name, book.byName, writeJsonEscaped));
  }
  return seq(text('"'), ref(name), text('"'));
}

/** The format, where it alone is asked for and known. */
function soleFormat(schemas: readonly JsonObject[]): string | null {
  const keywords = ["format", "pattern", "minLength", "maxLength"];
  const found = schemas.flatMap((schema) => keywords.filter((keyword) => keyword in schema));
  if (found.length !== 1 || found[0] !== "format") return null;
  const format = schemas.find((schema) => "format" in schema)!["format"] as string;
  return FORMATS.has(format) ? format : null;
}

/** Made at first use; there are as many as there are formats. */
const formatDfas = new Map<string, Dfa>();

export function formatDfa(format: string): Dfa {
  let dfa = formatDfas.get(format);
  if (dfa === undefined) {
    const machine = patternAutomaton(parseAnchoredPattern(`(?:${FORMATS.get(format)})`))!;
    dfa = intersectAutomata([machine]) as Dfa;
    formatDfas.set(format, dfa);
  }
  return dfa;
}

function stringAutomata(schemas: readonly JsonObject[], writing: CompileContext): Automaton[] {
  const machines: Automaton[] = [];
  for (const schema of schemas) {
    const { pattern, format } = schema;
    if (typeof pattern === "string") {
      const machine = automatonForPattern(pattern);
      if (machine === null) writing.reportUnenforced(schema, "pattern");
      else machines.push(machine);
    }
    if (typeof format !== "string" || NUMBER_FORMATS.has(format)) continue;
    const known = FORMATS.get(format);
    if (known === undefined) writing.reportUnenforced(schema, "format");
    else machines.push(patternAutomaton(parseAnchoredPattern(`(?:${known})`))!);
  }
  return machines;
}

/** Null where the pattern is too complex or not regular. */
export function automatonForPattern(pattern: string): Automaton | null {
  const parsed = parsePattern(pattern);
  return parsed && patternAutomaton(parsed);
}

/**
 * The bounds `min<unit>` and `max<unit>`; an upper one too large to count is reported.
 * @throws SchemaError where so much is needed that nothing could hold it.
 */
export function countBounds(
  schemas: readonly JsonObject[],
  unit: string,
  writing: CompileContext,
): [number, number | null] {
  const min = strictest(schemas, `min${unit}`, "most") ?? 0;
  let max = strictest(schemas, `max${unit}`, "least");
  if (min > MAX_REPEAT) throw new SchemaError("", `A min${unit} of more than ${MAX_REPEAT} cannot be met.`);
  if (max !== null && max > MAX_REPEAT) {
    reportUnenforcedKeywords(schemas, [`max${unit}`], writing);
    max = null;
  }
  return [min, max];
}

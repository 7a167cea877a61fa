import { type Dfa, intersectAutomata } from "./automata/dfa.ts";
import { complementAutomaton, patternAutomaton } from "./automata/nfa.ts";
import type { Pattern } from "./automata/pattern-parser.ts";
import { EMPTY, mapRefs, printRules, type Rules } from "./gbnf/expression.ts";
import { lowerAndCheck } from "./gbnf/grammar.ts";
import { GrammarCheckError } from "./gbnf/lowered-grammar.ts";
import { GBNF_LIMITS, GrammarError, parseRules } from "./gbnf/parser.ts";
import { type CompiledSchema, compileSchema } from "./json-schema/compile-schema.ts";
import { dfaToExpr, writeUnescaped } from "./json-schema/dfa-to-grammar.ts";
import { SchemaError } from "./json-schema/schema-error.ts";

/** A grammar composed of literals, schemas and named expressions. */
export interface CompositeGrammar {
  /** GBNF expressions by rule name; `root` among them. */
  rules: Record<string, string>;
  /** Schemas by the name of their rule. Messages number them in this order, from 0. */
  schemas: Record<string, unknown>;
  /** Rules for any text without some literals: the literals by the name of the rule. */
  texts: Record<string, readonly string[]>;
}

const UNLIMITED = { ...GBNF_LIMITS, maxBytes: Number.POSITIVE_INFINITY };

/**
 * Compiles and joins the parts. JSON pointers in errors, `unenforced` and `impliedTypes` begin with the schema's number, from 0.
 * @throws SchemaError; GrammarError when the whole grammar is too large or too ambiguous
 */
export function compileCompositeGrammar(parts: CompositeGrammar): CompiledSchema {
  const source = Object.entries(parts.rules).map(([name, expr]) => `${name} ::= ${expr}\n`);
  const { rules } = parseRules(source.join(""), UNLIMITED);
  const unenforced: string[] = [];
  const impliedTypes: string[] = [];
  for (const [index, [name, schema]] of Object.entries(parts.schemas).entries()) {
    const compiled = compilePart(schema, index);
    unenforced.push(...compiled.unenforced.map((pointer) => `/${index}${pointer}`));
    impliedTypes.push(...compiled.impliedTypes.map((implied) => `#/${index}${implied.slice(1)}`));
    addGrammar(rules, name, compiled.grammar);
  }
  for (const [name, literals] of Object.entries(parts.texts)) addTextWithout(rules, name, literals);
  try {
    lowerAndCheck(rules);
  } catch (error) {
    if (!(error instanceof GrammarCheckError)) throw error;
    throw new GrammarError("", 0, error.message, error.expected);
  }
  return { grammar: printRules(rules), unenforced, impliedTypes };
}

function compilePart(schema: unknown, index: number): CompiledSchema {
  try {
    return compileSchema(schema);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw new SchemaError(`/${index}${error.path}`, error.problem);
  }
}

/** Adds the rules of a grammar; `root` is renamed to `name`, the other rules get it as a prefix. */
function addGrammar(rules: Rules, name: string, grammar: string): void {
  // Names that begin with json- mean the same rule in all compiled grammars, so the grammars share these.
  const rename = (inner: string): string => {
    if (inner === "root") return name;
    return inner.startsWith("json-") ? inner : `${name}-${inner}`;
  };
  for (const [inner, expr] of parseRules(grammar, UNLIMITED).rules)
    rules.set(rename(inner), mapRefs(expr, rename));
}

/** Adds a rule for any text, even empty, that contains none of the literals. */
function addTextWithout(rules: Rules, name: string, literals: readonly string[]): void {
  // Every text contains the empty literal, so only the empty text is left to match.
  if (literals.includes("")) {
    rules.set(name, EMPTY);
    return;
  }
  const charPattern = (char: string): Pattern => ({
    kind: "set",
    set: [char.codePointAt(0)!, char.codePointAt(0)!],
  });
  const options = literals.map((literal): Pattern => ({ kind: "seq", items: [...literal].map(charPattern) }));
  const containsLiteral = patternAutomaton({ kind: "alt", options: [...options, charPattern("\0")] });
  const dfa = containsLiteral && intersectAutomata([complementAutomaton(containsLiteral)]);
  if (dfa === null) throw new GrammarError("", 0, "the literals are too long", "shorter ones");
  rules.set(name, dfaToExpr(dfa as Dfa, { name: `${name}-t`, rules, write: writeUnescaped }));
}

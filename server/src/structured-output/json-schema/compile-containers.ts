import { intersectAutomata } from "../automata/dfa.ts";
import { type Automaton, complementAutomaton, exceptAutomaton } from "../automata/nfa.ts";
import { alt, EMPTY, type Expr, isNever, NEVER, repeat, seq, text } from "../gbnf/expression.ts";
import { type CompileContext, reportUnenforcedKeywords } from "./compile-context.ts";
import { automatonForPattern, countBounds } from "./compile-scalars.ts";
import { dfaToExpr, writeJsonEscaped } from "./dfa-to-grammar.ts";
import { memberNames } from "./exact-json.ts";
import { COLON, COMMA } from "./grammar-rules.ts";
import { stringText } from "./json-text.ts";
import { objectExpr, type PropertyPair } from "./object-grammar.ts";
import { allowsAdditionalProperties } from "./schema-analysis.ts";
import { isObject, type Json, type JsonObject, type Schema } from "./schema-document.ts";
import { itemSchemas } from "./validate.ts";

/** An expression for the arrays that fit all the schemas. */
export function compileArray(schemas: readonly JsonObject[], context: CompileContext): Expr {
  const [min, max] = countBounds(schemas, "Items", context);
  const prefixItemCount = Math.max(0, ...schemas.map(prefixLength));
  if (max !== null && max < min) return NEVER;
  if (max === null || max > 1) {
    for (const schema of schemas)
      if (schema["uniqueItems"] === true) context.reportUnenforced(schema, "uniqueItems");
  }
  reportUnenforcedKeywords(schemas, ["contains"], context);
  reportUnevaluated(schemas, "unevaluatedItems", context);
  const { rules } = context;
  const itemExpr = (index: number): Expr => {
    const found = schemas.flatMap((schema) => itemSchemas(schema, index));
    return context.valueExpr(found.length > 0 ? found : subschemasOf(schemas, "unevaluatedItems"));
  };
  const first = Math.min(prefixItemCount, max ?? prefixItemCount);
  // Built from the end: `following` matches everything after the first `index` items.
  let following: Expr = EMPTY;
  if (max === null || max > first) {
    const rest = itemExpr(prefixItemCount);
    const left: [number, number | null] = [Math.max(0, min - first), max === null ? null : max - first];
    if (first > 0) following = rules.repeat(seq(text(COMMA), rest), ...left);
    else following = firstAndMore(rest, left, context);
  }
  for (let index = first - 1; index >= 0; index--) {
    const item = seq(index === 0 ? EMPTY : text(COMMA), itemExpr(index), following);
    following = index < min ? item : repeat(index > 0 && index % 8 === 0 ? rules.add(item) : item, 0, 1);
  }
  return seq(text("["), following, text("]"));
}

function firstAndMore(item: Expr, [min, max]: [number, number | null], { rules }: CompileContext): Expr {
  if (max === 0) return EMPTY;
  const furtherItems = rules.repeat(
    seq(text(COMMA), item),
    Math.max(0, min - 1),
    max === null ? null : max - 1,
  );
  return min === 0 ? repeat(seq(item, furtherItems), 0, 1) : seq(item, furtherItems);
}

function prefixLength({ items, prefixItems }: JsonObject): number {
  return Array.isArray(items) ? items.length : Array.isArray(prefixItems) ? prefixItems.length : 0;
}

/** Most patterns of property names: n patterns have 2^n combinations. */
const MAX_PATTERNS = 4;

/** An expression for the objects that fit all the schemas. */
export function compileObject(schemas: readonly JsonObject[], context: CompileContext): Expr {
  reportUnenforcedKeywords(
    schemas,
    ["propertyNames", "dependentRequired", "dependentSchemas", "dependencies"],
    context,
  );
  reportUnevaluated(schemas, "unevaluatedProperties", context);
  const [min, max] = countBounds(schemas, "Properties", context);
  const required = new Set(schemas.flatMap((schema) => (schema["required"] as string[] | undefined) ?? []));
  const names = new Set(
    schemas
      .flatMap(({ properties }) => (isObject(properties) ? memberNames(properties) : []))
      .concat([...required]),
  );
  const pairs: PropertyPair[] = [...names].map((name) => {
    const value = context.valueExpr(propertySchemasOf(schemas, name, context));
    const key = text(stringText(name).slice(1) + COLON);
    return { expr: seq(key, value), required: required.has(name) };
  });
  const extra = additionalPairs(schemas, [...names], context);
  // Additional names may repeat, and repeated names count as one property.
  if (min > required.size + 1 && !isNever(extra))
    reportUnenforcedKeywords(schemas, ["minProperties"], context);
  const object = objectExpr({ pairs, extra, min, max }, context.rules);
  if (object !== null) return object;
  reportUnenforcedKeywords(schemas, ["minProperties", "maxProperties"], context);
  return objectExpr({ pairs, extra, min: 0, max: null }, context.rules)!;
}

/** The schemas that apply to a property; `unevaluatedProperties` too unless another keyword surely evaluates it. */
function propertySchemasOf(
  schemas: readonly JsonObject[],
  name: string,
  { validator }: CompileContext,
): Schema[] {
  const found = schemas.flatMap((schema) => validator.propertySchemas(schema, name));
  const isEvaluated = schemas.some((schema) => validator.certainPropertySchemas(schema, name).length > 0);
  return isEvaluated ? found : [...found, ...subschemasOf(schemas, "unevaluatedProperties")];
}

function subschemasOf(schemas: readonly JsonObject[], keyword: string): Schema[] {
  return schemas.flatMap((schema) => (keyword in schema ? [schema[keyword] as Schema] : []));
}

/** A schema sees only the evaluations of its own subschemas; next to other schemas the compiler can't tell whose they are. */
function reportUnevaluated(schemas: readonly JsonObject[], keyword: string, context: CompileContext): void {
  for (const schema of schemas) {
    if (!(keyword in schema) || schema[keyword] === true) continue;
    const isAlone = schemas.every((other) => context.validator.includesSubschema(schema, other));
    if (!isAlone) context.reportUnenforced(schema, keyword);
  }
}

/** An expression for pairs with names other than `names`, from after the opening quote. */
function additionalPairs(
  schemas: readonly JsonObject[],
  names: readonly string[],
  context: CompileContext,
): Expr {
  const patterns = namePatternAutomata(schemas, context);
  const closed =
    context.closedByDefault &&
    schemas.some((schema) => "properties" in schema) &&
    !schemas.some(allowsAdditionalProperties);
  if (closed || names.some((name) => !isWellFormed(name))) return NEVER;
  const sources = [...patterns.keys()];
  const options: Expr[] = [];
  // Every set of patterns that a name can match; the empty set last.
  for (let chosen = 2 ** sources.length - 1; chosen >= 0; chosen--) {
    const matched = new Set(sources.filter((_, index) => (chosen >> index) & 1));
    const values = schemas.flatMap((schema) => valueSchemasOf(schema, matched));
    if (values.includes(false) || (matched.size === 0 && !allowsOthers(schemas, context))) continue;
    const automata = sources.map((source) =>
      matched.has(source) ? patterns.get(source)! : complementAutomaton(patterns.get(source)!),
    );
    const name = nameExpr(names.length > 0 ? [...automata, exceptAutomaton(names)] : automata, context);
    if (name === null) reportUnenforcedKeywords(schemas, ["patternProperties"], context);
    else options.push(seq(name, text(`"${COLON}`), context.valueExpr(values)));
  }
  return options.length > 0 ? context.rules.add(alt(...options)) : NEVER;
}

/** Whether properties may have names that match no pattern and are not listed. */
function allowsOthers(schemas: readonly JsonObject[], { closedByDefault }: CompileContext): boolean {
  const named = schemas.some((schema) => "properties" in schema || "patternProperties" in schema);
  const others = ({ additionalProperties = false, unevaluatedProperties = false }: JsonObject): boolean =>
    additionalProperties !== false || unevaluatedProperties !== false;
  return !closedByDefault || !named || schemas.some(others);
}

function valueSchemasOf(schema: JsonObject, matched: ReadonlySet<string>): Schema[] {
  const patterns = isObject(schema["patternProperties"]) ? schema["patternProperties"] : {};
  const found = Object.entries(patterns).filter(([source]) => matched.has(source));
  if (found.length > 0) return found.map(([, part]) => part as Schema);
  const rest: Json | undefined = schema["additionalProperties"] ?? schema["unevaluatedProperties"];
  return rest === undefined ? [] : [rest as Schema];
}

function namePatternAutomata(
  schemas: readonly JsonObject[],
  context: CompileContext,
): Map<string, Automaton> {
  const automata = new Map<string, Automaton>();
  for (const schema of schemas) {
    for (const source of Object.keys(
      isObject(schema["patternProperties"]) ? schema["patternProperties"] : {},
    )) {
      const automaton = automata.size < MAX_PATTERNS ? automatonForPattern(source) : null;
      if (automaton === null) context.reportUnenforced(schema, "patternProperties");
      else automata.set(source, automaton);
    }
  }
  return automata;
}

/** A name without its quotes that all automata accept; null when that is too complex. */
function nameExpr(automata: readonly Automaton[], { rules }: CompileContext): Expr | null {
  if (automata.length === 0) return repeat(rules.baseRule("json-char"), 0, null);
  const dfa = intersectAutomata(automata);
  if (dfa === null) return null;
  return dfa === "empty"
    ? NEVER
    : dfaToExpr(dfa, { name: rules.freshName(), rules: rules.byName, write: writeJsonEscaped });
}

function isWellFormed(name: string): boolean {
  return !/\p{Surrogate}/u.test(name);
}

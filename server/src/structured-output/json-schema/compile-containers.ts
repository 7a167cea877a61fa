import { intersectAutomata } from "../automata/dfa.ts";
import { type Automaton, complementAutomaton, exceptAutomaton } from "../automata/nfa.ts";
import { alt, EMPTY, type Expr, isNever, NEVER, repeat, seq, text } from "../gbnf/expression.ts";
import { type CompileContext, reportUnenforcedKeywords } from "./compile-context.ts";
import { automatonForPattern, countBounds } from "./compile-scalars.ts";
import { dfaToExpr, writeJsonEscaped } from "./dfa-to-grammar.ts";
import { COLON, COMMA } from "./grammar-rules.ts";
import { stringText } from "./json-text.ts";
import { objectExpr, type PropertyPair } from "./object-grammar.ts";
import { allowsAdditionalProperties } from "./schema-analysis.ts";
import { isObject, type Json, type JsonObject, type Schema } from "./schema-document.ts";
import { itemSchemas } from "./validate.ts";

/** Arrays that fit all the schemas. */
export function compileArray(schemas: readonly JsonObject[], writing: CompileContext): Expr {
  let [min, max] = countBounds(schemas, "Items", writing);
  const places = Math.max(0, ...schemas.map(prefixLength));
  // As with properties: where the first items are listed and nothing is said about others, there are no others.
  if (places > 0 && schemas.every(saysNothingOfRest)) max = Math.min(max ?? Infinity, Math.max(places, min));
  if (max !== null && max < min) return NEVER;
  if (max === null || max > 1) {
    for (const schema of schemas)
      if (schema["uniqueItems"] === true) writing.reportUnenforced(schema, "uniqueItems");
  }
  reportUnenforcedKeywords(schemas, ["contains"], writing);
  reportUnevaluated(schemas, "unevaluatedItems", writing);
  const { rules: book } = writing;
  const at = (index: number): Expr => {
    const said = schemas.flatMap((schema) => itemSchemas(schema, index));
    return writing.valueExpr(said.length > 0 ? said : keywordsOf(schemas, "unevaluatedItems"));
  };
  const first = Math.min(places, max ?? places);
  // From the last place back: what may follow once `index` items are written.
  let following: Expr = EMPTY;
  if (max === null || max > first) {
    const rest = at(places);
    const left: [number, number | null] = [Math.max(0, min - first), max === null ? null : max - first];
    if (first > 0) following = book.repeat(seq(text(COMMA), rest), ...left);
    else following = firstAndMore(rest, left, writing);
  }
  for (let index = first - 1; index >= 0; index--) {
    const item = seq(index === 0 ? EMPTY : text(COMMA), at(index), following);
    following = index < min ? item : repeat(index > 0 && index % 8 === 0 ? book.add(item) : item, 0, 1);
  }
  return seq(text("["), following, text("]"));
}

function firstAndMore(
  item: Expr,
  [min, max]: [number, number | null],
  { rules: book }: CompileContext,
): Expr {
  if (max === 0) return EMPTY;
  const more = book.repeat(seq(text(COMMA), item), Math.max(0, min - 1), max === null ? null : max - 1);
  return min === 0 ? repeat(seq(item, more), 0, 1) : seq(item, more);
}

function prefixLength({ items, prefixItems }: JsonObject): number {
  return Array.isArray(items) ? items.length : Array.isArray(prefixItems) ? prefixItems.length : 0;
}

function saysNothingOfRest(schema: JsonObject): boolean {
  const keyword = Array.isArray(schema["items"]) ? "additionalItems" : "items";
  return !(keyword in schema) && !("unevaluatedItems" in schema);
}

/** Names by pattern: with more patterns there are too many combinations of them. */
const MAX_PATTERNS = 4;

/** Objects that fit all the schemas. */
export function compileObject(schemas: readonly JsonObject[], writing: CompileContext): Expr {
  reportUnenforcedKeywords(
    schemas,
    ["propertyNames", "dependentRequired", "dependentSchemas", "dependencies"],
    writing,
  );
  reportUnevaluated(schemas, "unevaluatedProperties", writing);
  const [min, max] = countBounds(schemas, "Properties", writing);
  const required = new Set(schemas.flatMap((schema) => (schema["required"] as string[] | undefined) ?? []));
  const names = new Set(
    schemas
      .flatMap(({ properties }) => (isObject(properties) ? Object.keys(properties) : []))
      .concat([...required]),
  );
  const pairs: PropertyPair[] = [...names].map((name) => {
    const value = writing.valueExpr(propertySchemasOf(schemas, name, writing));
    const key = text(stringText(name).slice(1) + COLON);
    return { expr: seq(key, value), required: required.has(name) };
  });
  const extra = additionalPairs(schemas, [...names], writing);
  // Names beyond the listed ones may come twice and then count once.
  if (min > required.size + 1 && !isNever(extra))
    reportUnenforcedKeywords(schemas, ["minProperties"], writing);
  const object = objectExpr({ pairs, extra, min, max }, writing.rules);
  if (object !== null) return object;
  reportUnenforcedKeywords(schemas, ["minProperties", "maxProperties"], writing);
  return objectExpr({ pairs, extra, min: 0, max: null }, writing.rules)!;
}

/** What the schemas say about a property. Nobody surely having evaluated it, it may be one of those left over. */
function propertySchemasOf(
  schemas: readonly JsonObject[],
  name: string,
  { validator: check }: CompileContext,
): Schema[] {
  const said = schemas.flatMap((schema) => check.propertySchemas(schema, name));
  const isEvaluated = schemas.some((schema) => check.certainPropertySchemas(schema, name).length > 0);
  return isEvaluated ? said : [...said, ...keywordsOf(schemas, "unevaluatedProperties")];
}

function keywordsOf(schemas: readonly JsonObject[], keyword: string): Schema[] {
  return schemas.flatMap((schema) => (keyword in schema ? [schema[keyword] as Schema] : []));
}

/** A schema counts as evaluated what it or its own parts evaluate; beside others it is not known who did. */
function reportUnevaluated(schemas: readonly JsonObject[], keyword: string, writing: CompileContext): void {
  for (const schema of schemas) {
    if (!(keyword in schema) || schema[keyword] === true) continue;
    const isAlone = schemas.every((other) => writing.validator.includesSubschema(schema, other));
    if (!isAlone) writing.reportUnenforced(schema, keyword);
  }
}

/** The pairs whose name is none of `names`, after the opening quote. */
function additionalPairs(
  schemas: readonly JsonObject[],
  names: readonly string[],
  writing: CompileContext,
): Expr {
  const patterns = namePatternAutomata(schemas, writing);
  const closed =
    writing.closedByDefault &&
    schemas.some((schema) => "properties" in schema) &&
    !schemas.some(allowsAdditionalProperties);
  if (closed || names.some((name) => !isWellFormed(name))) return NEVER;
  const sources = [...patterns.keys()];
  const options: Expr[] = [];
  // Each set of patterns that a name can match; none of them last.
  for (let chosen = 2 ** sources.length - 1; chosen >= 0; chosen--) {
    const matched = new Set(sources.filter((_, index) => (chosen >> index) & 1));
    const values = schemas.flatMap((schema) => valueSchemasOf(schema, matched));
    if (values.includes(false) || (matched.size === 0 && !allowsOthers(schemas, writing))) continue;
    const machines = sources.map((source) =>
      matched.has(source) ? patterns.get(source)! : complementAutomaton(patterns.get(source)!),
    );
    const name = nameExpr(names.length > 0 ? [...machines, exceptAutomaton(names)] : machines, writing);
    if (name === null) reportUnenforcedKeywords(schemas, ["patternProperties"], writing);
    else options.push(seq(name, text(`"${COLON}`), writing.valueExpr(values)));
  }
  return options.length > 0 ? writing.rules.add(alt(...options)) : NEVER;
}

/** Where patterns name the properties, others come only where they are asked for. */
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
  writing: CompileContext,
): Map<string, Automaton> {
  const machines = new Map<string, Automaton>();
  for (const schema of schemas) {
    for (const source of Object.keys(
      isObject(schema["patternProperties"]) ? schema["patternProperties"] : {},
    )) {
      const machine = machines.size < MAX_PATTERNS ? automatonForPattern(source) : null;
      if (machine === null) writing.reportUnenforced(schema, "patternProperties");
      else machines.set(source, machine);
    }
  }
  return machines;
}

/** A name that all the machines accept, without its quotes; null where that is too complex. */
function nameExpr(machines: readonly Automaton[], { rules: book }: CompileContext): Expr | null {
  if (machines.length === 0) return repeat(book.baseRule("json-char"), 0, null);
  const dfa = intersectAutomata(machines);
  if (dfa === null) return null;
  return dfa === "empty" ? NEVER : dfaToExpr(dfa, book.freshName(), book.byName, writeJsonEscaped);
}

function isWellFormed(name: string): boolean {
  return !/\p{Surrogate}/u.test(name);
}

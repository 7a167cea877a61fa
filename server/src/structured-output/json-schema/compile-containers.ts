import { intersectAutomata } from "../automata/dfa.ts";
import { type Automaton, complementAutomaton, exceptAutomaton } from "../automata/nfa.ts";
import { alt, EMPTY, type Expr, isNever, NEVER, repeat, seq, text } from "../gbnf/expression.ts";
import { reportAll, type Writing } from "./compile-context.ts";
import { automatonForPattern, counts } from "./compile-scalars.ts";
import { dfaToExpr, writeJsonEscaped } from "./dfa-to-grammar.ts";
import { COLON, COMMA } from "./grammar-rules.ts";
import { stringText } from "./json-text.ts";
import { objectExpr, type Pair } from "./object-grammar.ts";
import { isOpen } from "./schema-analysis.ts";
import { isObject, type Json, type JsonObject, type Schema } from "./schema-document.ts";
import { itemSchemas } from "./validate.ts";

/** Arrays that fit all the schemas. */
export function writeArray(schemas: readonly JsonObject[], writing: Writing): Expr {
  let [min, max] = counts(schemas, "Items", writing);
  const places = Math.max(0, ...schemas.map(prefixLength));
  // As with properties: where the first items are listed and nothing is said about others, there are no others.
  if (places > 0 && schemas.every(saysNothingOfRest)) max = Math.min(max ?? Infinity, Math.max(places, min));
  if (max !== null && max < min) return NEVER;
  if (max === null || max > 1) {
    for (const schema of schemas)
      if (schema["uniqueItems"] === true) writing.unenforced(schema, "uniqueItems");
  }
  reportAll(schemas, ["contains"], writing);
  reportUnevaluated(schemas, "unevaluatedItems", writing);
  const { book } = writing;
  const at = (index: number): Expr => {
    const said = schemas.flatMap((schema) => itemSchemas(schema, index));
    return writing.value(said.length > 0 ? said : keywordsOf(schemas, "unevaluatedItems"));
  };
  const first = Math.min(places, max ?? places);
  // From the last place back: what may follow once `index` items are written.
  let following: Expr = EMPTY;
  if (max === null || max > first) {
    const rest = at(places);
    const left: [number, number | null] = [Math.max(0, min - first), max === null ? null : max - first];
    if (first > 0) following = book.counted(seq(text(COMMA), rest), ...left);
    else following = firstAndMore(rest, left, writing);
  }
  for (let index = first - 1; index >= 0; index--) {
    const item = seq(index === 0 ? EMPTY : text(COMMA), at(index), following);
    following = index < min ? item : repeat(index > 0 && index % 8 === 0 ? book.add(item) : item, 0, 1);
  }
  return seq(text("["), following, text("]"));
}

function firstAndMore(item: Expr, [min, max]: [number, number | null], { book }: Writing): Expr {
  if (max === 0) return EMPTY;
  const more = book.counted(seq(text(COMMA), item), Math.max(0, min - 1), max === null ? null : max - 1);
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
export function writeObject(schemas: readonly JsonObject[], writing: Writing): Expr {
  reportAll(schemas, ["propertyNames", "dependentRequired", "dependentSchemas", "dependencies"], writing);
  reportUnevaluated(schemas, "unevaluatedProperties", writing);
  const [min, max] = counts(schemas, "Properties", writing);
  const required = new Set(schemas.flatMap((schema) => (schema["required"] as string[] | undefined) ?? []));
  const names = new Set(
    schemas
      .flatMap(({ properties }) => (isObject(properties) ? Object.keys(properties) : []))
      .concat([...required]),
  );
  const pairs: Pair[] = [...names].map((name) => {
    const value = writing.value(propertyOf(schemas, name, writing));
    const key = text(stringText(name).slice(1) + COLON);
    return { expr: seq(key, value), required: required.has(name) };
  });
  const extra = extraPairs(schemas, [...names], writing);
  // Names beyond the listed ones may come twice and then count once.
  if (min > required.size + 1 && !isNever(extra)) reportAll(schemas, ["minProperties"], writing);
  const object = objectExpr({ pairs, extra, min, max }, writing.book);
  if (object !== null) return object;
  reportAll(schemas, ["minProperties", "maxProperties"], writing);
  return objectExpr({ pairs, extra, min: 0, max: null }, writing.book)!;
}

/** What the schemas say about a property. Nobody surely having evaluated it, it may be one of those left over. */
function propertyOf(schemas: readonly JsonObject[], name: string, { check }: Writing): Schema[] {
  const said = schemas.flatMap((schema) => check.propertySchemas(schema, name));
  const isEvaluated = schemas.some((schema) => check.certainPropertySchemas(schema, name).length > 0);
  return isEvaluated ? said : [...said, ...keywordsOf(schemas, "unevaluatedProperties")];
}

function keywordsOf(schemas: readonly JsonObject[], keyword: string): Schema[] {
  return schemas.flatMap((schema) => (keyword in schema ? [schema[keyword] as Schema] : []));
}

/** A schema counts as evaluated what it or its own parts evaluate; beside others it is not known who did. */
function reportUnevaluated(schemas: readonly JsonObject[], keyword: string, writing: Writing): void {
  for (const schema of schemas) {
    if (!(keyword in schema) || schema[keyword] === true) continue;
    const isAlone = schemas.every((other) => writing.check.hasPart(schema, other));
    if (!isAlone) writing.unenforced(schema, keyword);
  }
}

/** The pairs whose name is none of `names`, after the opening quote. */
function extraPairs(schemas: readonly JsonObject[], names: readonly string[], writing: Writing): Expr {
  const patterns = namePatternAutomata(schemas, writing);
  const closed =
    writing.closedByDefault && schemas.some((schema) => "properties" in schema) && !schemas.some(isOpen);
  if (closed || names.some((name) => !isWellFormed(name))) return NEVER;
  const sources = [...patterns.keys()];
  const options: Expr[] = [];
  // Each set of patterns that a name can match; none of them last.
  for (let chosen = 2 ** sources.length - 1; chosen >= 0; chosen--) {
    const matched = new Set(sources.filter((_, index) => (chosen >> index) & 1));
    const values = schemas.flatMap((schema) => valuesOf(schema, matched));
    if (values.includes(false) || (matched.size === 0 && !allowsOthers(schemas, writing))) continue;
    const machines = sources.map((source) =>
      matched.has(source) ? patterns.get(source)! : complementAutomaton(patterns.get(source)!),
    );
    const name = nameExpr(names.length > 0 ? [...machines, exceptAutomaton(names)] : machines, writing);
    if (name === null) reportAll(schemas, ["patternProperties"], writing);
    else options.push(seq(name, text(`"${COLON}`), writing.value(values)));
  }
  return options.length > 0 ? writing.book.add(alt(...options)) : NEVER;
}

/** Where patterns name the properties, others come only where they are asked for. */
function allowsOthers(schemas: readonly JsonObject[], { closedByDefault }: Writing): boolean {
  const named = schemas.some((schema) => "properties" in schema || "patternProperties" in schema);
  const others = ({ additionalProperties = false, unevaluatedProperties = false }: JsonObject): boolean =>
    additionalProperties !== false || unevaluatedProperties !== false;
  return !closedByDefault || !named || schemas.some(others);
}

function valuesOf(schema: JsonObject, matched: ReadonlySet<string>): Schema[] {
  const patterns = isObject(schema["patternProperties"]) ? schema["patternProperties"] : {};
  const found = Object.entries(patterns).filter(([source]) => matched.has(source));
  if (found.length > 0) return found.map(([, part]) => part as Schema);
  const rest: Json | undefined = schema["additionalProperties"] ?? schema["unevaluatedProperties"];
  return rest === undefined ? [] : [rest as Schema];
}

function namePatternAutomata(schemas: readonly JsonObject[], writing: Writing): Map<string, Automaton> {
  const machines = new Map<string, Automaton>();
  for (const schema of schemas) {
    for (const source of Object.keys(
      isObject(schema["patternProperties"]) ? schema["patternProperties"] : {},
    )) {
      const machine = machines.size < MAX_PATTERNS ? automatonForPattern(source) : null;
      if (machine === null) writing.unenforced(schema, "patternProperties");
      else machines.set(source, machine);
    }
  }
  return machines;
}

/** A name that all the machines accept, without its quotes; null where that is too complex. */
function nameExpr(machines: readonly Automaton[], { book }: Writing): Expr | null {
  if (machines.length === 0) return repeat(book.base("json-char"), 0, null);
  const dfa = intersectAutomata(machines);
  if (dfa === null) return null;
  return dfa === "empty" ? NEVER : dfaToExpr(dfa, book.name(), book.rules, writeJsonEscaped);
}

function isWellFormed(name: string): boolean {
  return !/\p{Surrogate}/u.test(name);
}

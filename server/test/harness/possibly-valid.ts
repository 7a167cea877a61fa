/** A test oracle for schema compilers that report unenforced keywords: which values may be valid if those keywords are ignored. */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const ONE = [
  "additionalProperties",
  "propertyNames",
  "additionalItems",
  "contains",
  "unevaluatedProperties",
  "unevaluatedItems",
];
const LISTS = ["allOf", "anyOf", "prefixItems"];
const MAPS = ["properties", "patternProperties"];

/** The type that each keyword constrains; an unenforced keyword leaves values of other types certain. */
const TYPE_OF: Readonly<Record<string, string>> = {
  pattern: "string",
  format: "string",
  minLength: "string",
  maxLength: "string",
  uniqueItems: "array",
  contains: "array",
  multipleOf: "number",
  minimum: "number",
  maximum: "number",
  patternProperties: "object",
  propertyNames: "object",
  minProperties: "object",
  maxProperties: "object",
};

/**
 * A schema of the values that can be valid when each of the named keywords may be met or broken, independently at every
 * place of the value. Supports no `if`, and references to `#/$defs/…` only.
 */
export function possiblyValid(schema: unknown, unenforced: readonly string[]): unknown {
  const open = new Set(unenforced);
  const root = schema as JsonObject;
  const $defs: JsonObject = {};
  for (const [name, part] of Object.entries((root["$defs"] ?? {}) as JsonObject)) {
    for (const sure of [true, false]) $defs[`${name}-${sure}`] = side(part, `/$defs/${name}`, sure, open);
  }
  const possible = side(root as Json, "", false, open);
  return typeof possible === "boolean" ? possible : { ...(possible as JsonObject), $defs };
}

/** With `sure`: the values that are valid whether the keywords are met or broken. Otherwise: the values that can be valid. */
function side(schema: Json, at: string, sure: boolean, open: ReadonlySet<string>): Json {
  if (typeof schema === "boolean") return schema;
  const object = schema as JsonObject;
  const of = (part: Json, path: string, how = sure): Json => side(part, `${at}/${path}`, how, open);
  const result: JsonObject = {};
  const all: Json[] = [];
  for (const [key, value] of Object.entries(object)) {
    if (open.has(`${at}/${key}`)) {
      if (sure) all.push({ not: key in TYPE_OF ? { type: TYPE_OF[key]! } : {} });
      // The keyword still decides which properties are additional.
      else if (key === "patternProperties") result[key] = mapped(value, () => true);
      else if (key === "oneOf")
        all.push({ anyOf: (value as Json[]).map((part, i) => of(part, `oneOf/${i}`)) });
    } else if (key === "$ref") result[key] = `${value as string}-${sure}`;
    else if (key === "not") all.push({ not: of(value, key, !sure) });
    else if (key === "oneOf")
      all.push(oneOf(value as Json[], (part, i, how) => of(part, `oneOf/${i}`, how), sure));
    else if (ONE.includes(key)) result[key] = of(value, key);
    else if (LISTS.includes(key)) result[key] = (value as Json[]).map((part, i) => of(part, `${key}/${i}`));
    else if (MAPS.includes(key)) {
      result[key] = mapped(value, (part, name) => of(part, `${key}/${escaped(name)}`));
    } else if (key === "items") {
      result[key] = Array.isArray(value) ? value.map((part, i) => of(part, `items/${i}`)) : of(value, key);
    } else if (key === "if") throw new Error("Conditions are not understood here.");
    else if (key !== "$defs") result[key] = value;
  }
  if (all.length > 0) result["allOf"] = [...((result["allOf"] ?? []) as Json[]), ...all];
  return result;
}

function oneOf(options: Json[], of: (part: Json, index: number, sure: boolean) => Json, sure: boolean): Json {
  const same = options.map((part, index) => of(part, index, sure));
  const opposite = options.map((part, index) => of(part, index, !sure));
  // Surely exactly one: one option surely fits and no other can fit. Possibly exactly one: one can fit and no two surely fit.
  const alone = (index: number): Json => {
    const others = opposite.filter((_, other) => other !== index);
    return { allOf: [same[index]!, ...others.map((other): Json => ({ not: other }))] };
  };
  if (sure) return { anyOf: options.map((_, index) => alone(index)) };
  const pairs = opposite.flatMap((one, i) =>
    opposite.slice(i + 1).map((two): Json => ({ not: { allOf: [one, two] } })),
  );
  return { allOf: [{ anyOf: same }, ...pairs] };
}

function mapped(map: Json, make: (part: Json, name: string) => Json): JsonObject {
  return Object.fromEntries(
    Object.entries(map as JsonObject).map(([name, part]) => [name, make(part, name)]),
  );
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

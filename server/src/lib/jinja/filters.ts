import { Arguments } from "./arguments.ts";
import { TemplateError } from "./errors.ts";
import { getPath } from "./members.ts";
import { formatPercent } from "./methods.ts";
import { runTest } from "./tests.ts";
import { capitalize, checkTextLength, pad, replaceText, splitLines, strip, titleWords } from "./texts.ts";
import { toJson } from "./to-json.ts";
import {
  type CallArguments,
  characters,
  compare,
  Dict,
  equal,
  Float,
  isTrue,
  iterate,
  lengthOf,
  numberOf,
  OneShot,
  requireDefined,
  str,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

interface Filter {
  parameters: readonly string[];
  apply(value: Value, args: Arguments, work: () => void): Value;
}

/**
 * @param work is called for each piece of work, and throws when there was too much.
 * @throws TemplateError for a filter that doesn't exist, or that fails on the value.
 */
export function applyFilter(name: string, value: Value, args: CallArguments, work: () => void): Value {
  const variadic = VARIADIC_FILTERS.get(name);
  if (variadic !== undefined) return variadic(value, args, work);
  const filter = FILTERS.get(name);
  if (filter === undefined) throw new TemplateError(`No filter named '${name}'.`);
  return filter.apply(value, new Arguments(name, filter.parameters, args), work);
}

// ---- filters that pass arguments on to others ----

type VariadicFilter = (value: Value, args: CallArguments, work: () => void) => Value;

/** Like Jinja2, an empty value, None included, gives nothing; the items are made when they are read. */
function lazily(value: Value, work: () => void, make: (item: Value) => readonly Value[]): OneShot {
  if (!isTrue(value)) return new OneShot([]);
  const items = iterate(value);
  return new OneShot(
    (function* () {
      for (const item of items) {
        work();
        yield* make(item);
      }
    })(),
  );
}

/** `select` and `reject`, or with `byAttribute` `selectattr` and `rejectattr`. */
function selecting(keep: boolean, byAttribute: boolean): VariadicFilter {
  return (value, { positional }, work) => {
    const attribute = byAttribute ? positional[0] : undefined;
    const [test, ...args] = byAttribute ? positional.slice(1) : positional;
    if (byAttribute && attribute === undefined)
      throw new TemplateError("Missing parameter for attribute name");
    return lazily(value, work, (item) => {
      const tested = attribute === undefined ? item : getPath(item, attribute);
      const result = test === undefined ? isTrue(tested) : runTest(str(test), tested, args);
      return result === keep ? [item] : [];
    });
  };
}

const map: VariadicFilter = (value, { positional, keywords }, work) => {
  const attribute = keywords.get("attribute");
  if (positional.length === 0 && attribute !== undefined) {
    const fallback = keywords.get("default") ?? undefined;
    return lazily(value, work, (item) => [getPath(item, attribute, fallback)]);
  }
  const [name, ...args] = positional;
  if (name === undefined) throw new TemplateError("map requires a filter argument");
  return lazily(value, work, (item) => [applyFilter(str(name), item, { positional: args, keywords }, work)]);
};

const VARIADIC_FILTERS: ReadonlyMap<string, VariadicFilter> = new Map([
  ["map", map],
  ["select", selecting(true, false)],
  ["reject", selecting(false, false)],
  ["selectattr", selecting(true, true)],
  ["rejectattr", selecting(false, true)],
  [
    "format",
    (value, { positional, keywords }) =>
      formatPercent(str(value), keywords.size > 0 ? Dict.of(keywords) : new Tuple(positional)),
  ],
]);

// ---- sorting and comparing ----

/** Case is ignored unless asked otherwise. */
function comparable(value: Value, caseSensitive: boolean): Value {
  return typeof value === "string" && !caseSensitive ? value.toLowerCase() : value;
}

function sorted(
  items: readonly Value[],
  keyOf: (item: Value) => Value,
  { args, work }: { args: Arguments; work(): void },
): Value[] {
  const caseSensitive = isTrue(args.get("case_sensitive") ?? false);
  const sign = isTrue(args.get("reverse") ?? false) ? -1 : 1;
  return items
    .map((item) => ({ item, key: comparable(keyOf(item), caseSensitive) }))
    .sort((a, b) => {
      work();
      return sign * compare(a.key, b.key);
    })
    .map(({ item }) => item);
}

/** The value of an attribute, or of several ones that are separated by commas. */
function attributeKey(attribute: Value | undefined): (item: Value) => Value {
  if (attribute == null) return (item) => item;
  if (typeof attribute !== "string" || !attribute.includes(",")) return (item) => getPath(item, attribute);
  const parts = attribute.split(",");
  return (item) => parts.map((part) => getPath(item, part));
}

function extreme(sign: 1 | -1): Filter {
  return {
    parameters: ["case_sensitive", "attribute"],
    apply(value, args) {
      const caseSensitive = isTrue(args.get("case_sensitive") ?? false);
      const key = (item: Value) => comparable(attributeKey(args.get("attribute"))(item), caseSensitive);
      const [first, ...rest] = iterate(value);
      if (first === undefined) return new Undefined("No aggregated item, sequence was empty.");
      return rest.reduce((best, item) => (sign * compare(key(item), key(best)) > 0 ? item : best), first);
    },
  };
}

function unique(value: Value, args: Arguments): Value[] {
  const caseSensitive = isTrue(args.get("case_sensitive") ?? false);
  const key = attributeKey(args.get("attribute"));
  const seen = new Dict();
  const result: Value[] = [];
  for (const item of iterate(value)) {
    const id = comparable(key(item), caseSensitive);
    if (seen.get(id) !== undefined) continue;
    seen.set(id, true);
    result.push(item);
  }
  return result;
}

function groupBy(value: Value, args: Arguments, work: () => void): Value[] {
  const key = attributeKey(args.required("attribute"));
  const groups: { key: Value; items: Value[] }[] = [];
  for (const item of sorted([...iterate(value)], key, { args, work })) {
    const last = groups.at(-1);
    if (last !== undefined && equal(comparable(last.key, false), comparable(key(item), false)))
      last.items.push(item);
    else groups.push({ key: key(item), items: [item] });
  }
  return groups.map((group) => new Tuple([group.key, group.items]));
}

// ---- texts ----

function indent(value: Value, args: Arguments): string {
  const width = args.get("width") ?? 4;
  const space = typeof width === "string" ? width : " ".repeat(args.integer("width", 4));
  const lines = splitLines(`${str(value)}\n`, false);
  checkTextLength(lines.length * space.length);
  const blank = isTrue(args.get("blank") ?? false);
  const [first = "", ...rest] = lines;
  const indented = [first, ...rest.map((line) => (blank || line !== "" ? space + line : line))].join("\n");
  return isTrue(args.get("first") ?? false) ? space + indented : indented;
}

function truncate(value: Value, args: Arguments): string {
  const text = str(value);
  const units = characters(text);
  const length = args.integer("length", 255);
  const end = args.text("end", "...");
  if (units.length <= length + args.integer("leeway", 5)) return text;
  const kept = units.slice(0, Math.max(0, length - characters(end).length)).join("");
  const lastSpace = kept.lastIndexOf(" ");
  return (isTrue(args.get("killwords") ?? false) || lastSpace === -1 ? kept : kept.slice(0, lastSpace)) + end;
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&#39;",
    '"': "&#34;",
  };
  return text.replace(/[&<>'"]/g, (character) => entities[character]!);
}

function join(value: Value, args: Arguments): string {
  const key = attributeKey(args.get("attribute"));
  const texts = [...iterate(value)].map((item) => str(key(item)));
  const separator = args.anyText("d", "");
  checkTextLength(texts.reduce((sum, text) => sum + text.length + separator.length, 0));
  return texts.join(separator);
}

// ---- numbers ----

function toInteger(value: Value, args: Arguments): Value {
  const number = numberOf(value);
  if (number !== null && Number.isFinite(number)) return Math.trunc(number);
  const text = typeof value === "string" ? value.trim().replaceAll("_", "") : "";
  const base = args.integer("base", 10);
  if (base === 10 && /^[+-]?\d+$/.test(text)) return Number(text);
  if (base === 16 && /^(0x)?[0-9a-f]+$/i.test(text)) return Number.parseInt(text, 16);
  const float = floatOf(text);
  return base === 10 && float !== null && Number.isFinite(float)
    ? Math.trunc(float)
    : args.getOr("default", 0);
}

function floatOf(text: string): number | null {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  const special = /^([+-]?)(?:inf(?:inity)?|(nan))$/i.exec(text);
  if (special === null) return null;
  if (special[2] !== undefined) return Number.NaN;
  return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function toFloat(value: Value, args: Arguments): Value {
  const number = numberOf(value) ?? (typeof value === "string" ? floatOf(value.trim()) : null);
  return number === null ? args.getOr("default", new Float(0)) : new Float(number);
}

/** Halves go to the even neighbour, as in Python. */
function round(value: Value, args: Arguments): Value {
  const number = numberOf(value);
  if (number === null) throw new TemplateError(`type ${typeName(value)} can't be rounded`);
  const factor = 10 ** args.integer("precision", 0);
  const method = args.text("method", "common");
  const scaled = number * factor;
  if (method === "ceil") return new Float(Math.ceil(scaled) / factor);
  if (method === "floor") return new Float(Math.floor(scaled) / factor);
  const isHalf = Math.abs(scaled % 1) === 0.5;
  const rounded = (isHalf ? 2 * Math.round(scaled / 2) : Math.round(scaled)) / factor;
  return typeof value === "number" ? rounded : new Float(rounded);
}

function sum(value: Value, args: Arguments): Value {
  const key = attributeKey(args.get("attribute"));
  let total = 0;
  let isFloat = false;
  for (const item of [args.get("start") ?? 0, ...[...iterate(value)].map(key)]) {
    requireDefined(item);
    const number = numberOf(item);
    if (number === null) throw new TemplateError(`unsupported operand for sum: '${typeName(item)}'`);
    isFloat ||= item instanceof Float;
    total += number;
  }
  return isFloat ? new Float(total) : total;
}

// ---- lists ----

function length(value: Value): number {
  const found = lengthOf(value);
  if (found === null) throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
  return found;
}

function reverse(value: Value): Value {
  if (typeof value === "string") return characters(value).reverse().join("");
  return new OneShot([...iterate(value)].reverse());
}

function first(value: Value): Value {
  for (const item of iterate(value)) return item;
  return new Undefined("No first item, sequence was empty.");
}

function last(value: Value): Value {
  if (value instanceof OneShot) throw new TemplateError("'generator' object is not reversible");
  const found = [...iterate(value)].at(-1);
  return found === undefined ? new Undefined("No last item, sequence was empty.") : found;
}

function items(value: Value): OneShot {
  if (value instanceof Undefined) return new OneShot([]);
  if (!(value instanceof Dict)) throw new TemplateError("Can only get item pairs from a mapping.");
  return new OneShot(value.entries().map((entry) => new Tuple(entry)));
}

function dictSort(value: Value, args: Arguments, work: () => void): Value {
  if (!(value instanceof Dict))
    throw new TemplateError(`'${typeName(value)}' object has no attribute 'items'`);
  const by = args.text("by", "key");
  if (by !== "key" && by !== "value") throw new TemplateError('You can only sort by either "key" or "value"');
  const pairs = value.entries().map((entry) => new Tuple(entry));
  return sorted(pairs, (pair) => (pair as Tuple).items[by === "key" ? 0 : 1]!, { args, work });
}

function batch(value: Value, args: Arguments): OneShot {
  const size = args.integer("linecount", 1);
  const fill = args.get("fill_with") ?? null;
  const all = [...iterate(value)];
  const rows: Value[][] = [];
  for (let i = 0; i < all.length; i += Math.max(1, size)) rows.push(all.slice(i, i + Math.max(1, size)));
  const lastRow = rows.at(-1);
  if (fill !== null) while (lastRow !== undefined && lastRow.length < size) lastRow.push(fill);
  return new OneShot(rows);
}

function tojson(value: Value, args: Arguments, work: () => void): string {
  const indentation = args.get("indent") ?? null;
  const separators = args.get("separators") ?? null;
  const parts = separators === null ? null : [...iterate(separators)].map(str);
  return toJson(
    value,
    {
      ensureAscii: isTrue(args.get("ensure_ascii") ?? false),
      indent:
        indentation === null || typeof indentation === "string"
          ? indentation
          : " ".repeat(args.integer("indent", 0)),
      separators: parts === null ? null : [parts[0] ?? "", parts[1] ?? ""],
      sortKeys: isTrue(args.get("sort_keys") ?? false),
    },
    work,
  );
}

function fallBack(value: Value, args: Arguments): Value {
  const isMissing = value instanceof Undefined || (isTrue(args.get("boolean") ?? false) && !isTrue(value));
  return isMissing ? args.getOr("default_value", "") : value;
}

function plain(
  apply: (value: Value, args: Arguments, work: () => void) => Value,
  ...parameters: string[]
): Filter {
  return { parameters, apply };
}

const FILTERS: ReadonlyMap<string, Filter> = new Map(
  Object.entries<Filter>({
    abs: plain((value) => {
      const number = numberOf(value);
      if (number === null) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
      return value instanceof Float ? new Float(Math.abs(number)) : Math.abs(number);
    }),
    batch: plain(batch, "linecount", "fill_with"),
    capitalize: plain((value) => capitalize(str(value))),
    center: plain(
      (value, args) => pad(str(value), args.integer("width", 80), { side: "center", fill: " " }),
      "width",
    ),
    count: plain(length),
    d: plain(fallBack, "default_value", "boolean"),
    default: plain(fallBack, "default_value", "boolean"),
    dictsort: plain(dictSort, "case_sensitive", "by", "reverse"),
    e: plain((value) => escapeHtml(str(value))),
    escape: plain((value) => escapeHtml(str(value))),
    first: plain(first),
    float: plain(toFloat, "default"),
    forceescape: plain((value) => escapeHtml(str(value))),
    groupby: plain(groupBy, "attribute", "default", "case_sensitive"),
    indent: plain(indent, "width", "first", "blank"),
    int: plain(toInteger, "default", "base"),
    items: plain(items),
    join: plain(join, "d", "attribute"),
    last: plain(last),
    length: plain(length),
    list: plain((value) => [...iterate(value)]),
    lower: plain((value) => str(value).toLowerCase()),
    max: extreme(1),
    min: extreme(-1),
    replace: plain(
      (value, args) =>
        replaceText(
          str(value),
          str(args.required("old")),
          str(args.required("new")),
          args.integer("count", -1),
        ),
      "old",
      "new",
      "count",
    ),
    reverse: plain(reverse),
    round: plain(round, "precision", "method"),
    safe: plain(str),
    sort: plain(
      (value, args, work) => sorted([...iterate(value)], attributeKey(args.get("attribute")), { args, work }),
      "reverse",
      "case_sensitive",
      "attribute",
    ),
    string: plain(str),
    sum: plain(sum, "attribute", "start"),
    title: plain((value) => titleWords(str(value))),
    tojson: plain(tojson, "ensure_ascii", "indent", "separators", "sort_keys"),
    trim: plain(
      (value, args) =>
        strip(str(value), "both", args.get("chars") == null ? null : args.requiredText("chars")),
      "chars",
    ),
    truncate: plain(truncate, "length", "killwords", "end", "leeway"),
    unique: plain((value, args) => new OneShot(unique(value, args)), "case_sensitive", "attribute"),
    upper: plain((value) => str(value).toUpperCase()),
    wordcount: plain((value) => str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  }),
);

import { Arguments } from "./arguments.ts";
import { TemplateError } from "./errors.ts";
import {
  capitalize,
  checkTextLength,
  isLower,
  isSpace,
  isUpper,
  pad,
  replaceText,
  split,
  splitLines,
  splitRight,
  strip,
  titleCase,
} from "./texts.ts";
import {
  Callable,
  characters,
  Dict,
  DictView,
  equal,
  isTrue,
  iterate,
  numberOf,
  str,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

interface Method<Receiver> {
  parameters: readonly string[];
  call(receiver: Receiver, args: Arguments): Value;
}

/** The method of a value as a function; null: it has none of this name. */
export function methodOf(value: Value, name: string): Callable | null {
  if (typeof value === "string") return bind(name, value, TEXT_METHODS.get(name));
  if (Array.isArray(value)) return bind(name, value, LIST_METHODS.get(name)) ?? forbidden(name, LIST_CHANGES);
  if (value instanceof Tuple) return bind(name, [...value.items], TUPLE_METHODS.get(name));
  if (value instanceof Dict)
    return bind(name, value, DICT_METHODS.get(name)) ?? forbidden(name, DICT_CHANGES);
  return null;
}

function bind<Receiver>(
  name: string,
  receiver: Receiver,
  method: Method<Receiver> | undefined,
): Callable | null {
  if (method === undefined) return null;
  return new Callable(name, (args) =>
    method.call(receiver, new Arguments(name, method.parameters, collected(method.parameters, args))),
  );
}

/** A last parameter `*` takes all positional arguments. */
function collected(parameters: readonly string[], args: Parameters<Callable["call"]>[0]): typeof args {
  return parameters[0] === "*"
    ? { positional: [new Tuple(args.positional)], keywords: new Map([["**", Dict.of(args.keywords)]]) }
    : args;
}

const LIST_CHANGES = ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];
const DICT_CHANGES = ["clear", "pop", "popitem", "setdefault", "update"];

/** The sandbox of `transformers` lets no template change a list or dict. */
function forbidden(name: string, changes: readonly string[]): Callable | null {
  if (!changes.includes(name)) return null;
  return new Callable(name, () => {
    throw new TemplateError(`${name}() is not allowed: templates can't change lists and dicts`);
  });
}

function textMethod(parameters: readonly string[], call: Method<string>["call"]): Method<string> {
  return { parameters, call };
}

const stripMethod = (side: "left" | "right" | "both") =>
  textMethod(["chars"], (text, args) =>
    strip(text, side, args.get("chars") == null ? null : args.requiredText("chars")),
  );

const caseMethod = (change: (text: string) => string) => textMethod([], (text) => change(text));

const testMethod = (test: (text: string) => boolean) => textMethod([], (text) => test(text));

const affixMethod = (test: (text: string, affix: string) => boolean) =>
  textMethod(["affix", "start", "end"], (text, args) => {
    const affix = args.required("affix");
    const part = rangeOf(text, args);
    if (affix instanceof Tuple) return affix.items.some((item) => test(part, str(item)));
    return test(part, args.requiredText("affix"));
  });

const padMethod = (side: "left" | "right" | "center") =>
  textMethod(["width", "fill"], (text, args) =>
    pad(text, args.integer("width", 0), { side, fill: args.text("fill", " ") }),
  );

/** @param missing what is returned when there is none. */
const findMethod = (find: "indexOf" | "lastIndexOf", missing: "error" | "-1") =>
  textMethod(["sub", "start", "end"], (text, args) => {
    const part = rangeOf(text, args);
    const at = part[find](args.requiredText("sub"));
    if (at === -1 && missing === "error") throw new TemplateError("substring not found");
    if (at === -1) return -1;
    const [start] = startAndEnd(characters(text).length, args);
    return start + characters(part.slice(0, at)).length;
  });

function startAndEnd(length: number, args: Arguments): [number, number] {
  const clamp = (position: number) =>
    Math.min(length, position < 0 ? Math.max(0, length + position) : position);
  return [clamp(args.integer("start", 0)), clamp(args.integer("end", length))];
}

function rangeOf(text: string, args: Arguments): string {
  if (args.get("start") === undefined && args.get("end") === undefined) return text;
  const units = characters(text);
  return units.slice(...startAndEnd(units.length, args)).join("");
}

const TEXT_METHODS: ReadonlyMap<string, Method<string>> = new Map(
  Object.entries({
    strip: stripMethod("both"),
    lstrip: stripMethod("left"),
    rstrip: stripMethod("right"),
    upper: caseMethod((text) => text.toUpperCase()),
    lower: caseMethod((text) => text.toLowerCase()),
    casefold: caseMethod((text) => text.toLowerCase()),
    swapcase: caseMethod((text) =>
      characters(text)
        .map((character) => (isUpper(character) ? character.toLowerCase() : character.toUpperCase()))
        .join(""),
    ),
    title: caseMethod(titleCase),
    capitalize: caseMethod(capitalize),
    isdigit: testMethod((text) => /^\p{Nd}+$/u.test(text)),
    isdecimal: testMethod((text) => /^\p{Nd}+$/u.test(text)),
    isnumeric: testMethod((text) => /^\p{N}+$/u.test(text)),
    isalpha: testMethod((text) => /^\p{L}+$/u.test(text)),
    isalnum: testMethod((text) => /^[\p{L}\p{N}]+$/u.test(text)),
    isspace: testMethod(isSpace),
    isupper: testMethod(isUpper),
    islower: testMethod(isLower),
    startswith: affixMethod((text, affix) => text.startsWith(affix)),
    endswith: affixMethod((text, affix) => text.endsWith(affix)),
    find: findMethod("indexOf", "-1"),
    rfind: findMethod("lastIndexOf", "-1"),
    index: findMethod("indexOf", "error"),
    rindex: findMethod("lastIndexOf", "error"),
    ljust: padMethod("left"),
    rjust: padMethod("right"),
    center: padMethod("center"),
    zfill: textMethod(["width"], (text, args) => {
      const sign = /^[+-]/.exec(text)?.[0] ?? "";
      const width = args.integer("width", 0) - sign.length;
      return sign + pad(text.slice(sign.length), width, { side: "right", fill: "0" });
    }),
    count: textMethod(["sub", "start", "end"], (text, args) => {
      const sub = args.requiredText("sub");
      return sub === "" ? characters(text).length + 1 : rangeOf(text, args).split(sub).length - 1;
    }),
    split: textMethod(["sep", "maxsplit"], (text, args) =>
      split(text, args.get("sep") == null ? null : args.requiredText("sep"), args.integer("maxsplit", -1)),
    ),
    rsplit: textMethod(["sep", "maxsplit"], (text, args) =>
      splitRight(
        text,
        args.get("sep") == null ? null : args.requiredText("sep"),
        args.integer("maxsplit", -1),
      ),
    ),
    splitlines: textMethod(["keepends"], (text, args) =>
      splitLines(text, isTrue(args.get("keepends") ?? false)),
    ),
    replace: textMethod(["old", "new", "count"], (text, args) =>
      replaceText(text, args.requiredText("old"), args.requiredText("new"), args.integer("count", -1)),
    ),
    removeprefix: textMethod(["prefix"], (text, args) => {
      const prefix = args.requiredText("prefix");
      return text.startsWith(prefix) ? text.slice(prefix.length) : text;
    }),
    removesuffix: textMethod(["suffix"], (text, args) => {
      const suffix = args.requiredText("suffix");
      return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
    }),
    partition: textMethod(["sep"], (text, args) => {
      const separator = args.requiredText("sep");
      const at = text.indexOf(separator);
      return new Tuple(
        at === -1 ? [text, "", ""] : [text.slice(0, at), separator, text.slice(at + separator.length)],
      );
    }),
    rpartition: textMethod(["sep"], (text, args) => {
      const separator = args.requiredText("sep");
      const at = text.lastIndexOf(separator);
      return new Tuple(
        at === -1 ? ["", "", text] : [text.slice(0, at), separator, text.slice(at + separator.length)],
      );
    }),
    join: textMethod(["iterable"], (text, args) => {
      const items = [...iterate(args.required("iterable"))];
      const other = items.find((item) => typeof item !== "string");
      if (other !== undefined) throw new TemplateError(`join() expects texts, not ${typeName(other)}`);
      checkTextLength((items as string[]).reduce((sum, item) => sum + item.length + text.length, 0));
      return items.join(text);
    }),
    format: textMethod(["*", "**"], formatText),
  }),
);

/** `{}`, `{0}` and `{name}`, without format specifications. */
function formatText(text: string, args: Arguments): string {
  const positional = (args.get("*") as Tuple).items;
  const keywords = (args.get("**") ?? new Dict()) as Dict;
  let next = 0;
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (match, field: string | undefined) => {
    if (field === undefined) return match.slice(1);
    const value =
      field === ""
        ? positional[next++]
        : /^\d+$/.test(field)
          ? positional[Number(field)]
          : keywords.get(field);
    if (value === undefined) throw new TemplateError(`format() has no value for '{${field}}'`);
    return str(value);
  });
}

const indexOf = (items: readonly Value[], args: Arguments): number => {
  const at = items.findIndex((item) => equal(item, args.required("value")));
  if (at === -1) throw new TemplateError("the value is not in the list");
  return at;
};

const TUPLE_METHODS: ReadonlyMap<string, Method<Value[]>> = new Map([
  ["index", { parameters: ["value"], call: indexOf }],
  [
    "count",
    {
      parameters: ["value"],
      call: (items: Value[], args: Arguments) =>
        items.filter((item) => equal(item, args.required("value"))).length,
    },
  ],
]);

const LIST_METHODS: ReadonlyMap<string, Method<Value[]>> = new Map([
  ...TUPLE_METHODS,
  ["copy", { parameters: [], call: (items: Value[]) => [...items] }],
]);

const DICT_METHODS: ReadonlyMap<string, Method<Dict>> = new Map(
  Object.entries<Method<Dict>>({
    get: {
      parameters: ["key", "default"],
      call(dict, args) {
        const value = dict.get(args.required("key"));
        return value === undefined ? args.getOr("default", null) : value;
      },
    },
    items: {
      parameters: [],
      call: (dict) =>
        new DictView(
          "dict_items",
          dict.entries().map((entry) => new Tuple(entry)),
        ),
    },
    keys: { parameters: [], call: (dict) => new DictView("dict_keys", dict.keys()) },
    values: {
      parameters: [],
      call: (dict) =>
        new DictView(
          "dict_values",
          dict.entries().map(([, value]) => value),
        ),
    },
    copy: { parameters: [], call: (dict) => Dict.of(dict.entries()) },
  }),
);

/** Python's `text % values`, with `%s`, `%d`, `%i` and `%%`. @throws TemplateError */
export function formatPercent(text: string, values: Value): string {
  const items = values instanceof Tuple ? values.items : [values];
  let next = 0;
  const result = text.replace(/%([a-zA-Z%]|$)/g, (_, kind: string) => {
    if (kind === "%") return "%";
    const value = items[next++];
    if (value === undefined) throw new TemplateError("not enough arguments for format string");
    if (kind === "s") return str(value);
    const number = numberOf(value);
    if ((kind !== "d" && kind !== "i") || number === null)
      throw new TemplateError(`unsupported format '%${kind}'`);
    return String(Math.trunc(number));
  });
  if (next < items.length && !(values instanceof Dict))
    throw new TemplateError("not all arguments converted");
  return result;
}

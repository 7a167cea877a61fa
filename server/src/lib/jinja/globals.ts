import { Arguments } from "./arguments.ts";
import { TemplateError } from "./errors.ts";
import { strftime } from "./strftime.ts";
import { type CallArguments, Callable, Dict, iterate, Namespace, type Value } from "./values.ts";

/** Longest range that Jinja2's sandbox allows. */
const MAX_RANGE = 100_000;

/** The variables that every template has, as `transformers` sets them up. @param now local time of `strftime_now` */
export function globalsOf(now: Date): Map<string, Value> {
  return new Map(
    [
      new Callable("range", range),
      new Callable("dict", (args) => Dict.of([...pairsOf(args), ...args.keywords])),
      new Callable("namespace", (args) => new Namespace(new Map([...pairsOf(args), ...args.keywords]))),
      new Callable("joiner", joiner),
      new Callable("cycler", cycler),
      new Callable("raise_exception", (args) => {
        throw new TemplateError(
          new Arguments("raise_exception", ["message"], args).anyText("message", ""),
          true,
        );
      }),
      new Callable("strftime_now", (args) => {
        return strftime(now, new Arguments("strftime_now", ["format"], args).requiredText("format"));
      }),
    ].map((value) => [value.name, value]),
  );
}

function range({ positional }: CallArguments): Value {
  const numbers = positional.map((value) => (typeof value === "boolean" ? Number(value) : value));
  if (numbers.length === 0 || numbers.length > 3 || numbers.some((value) => typeof value !== "number")) {
    throw new TemplateError("range() needs one to three integers");
  }
  const [a, b, step = 1] = numbers as number[];
  const [start, stop] = b === undefined ? [0, a as number] : [a as number, b];
  if (step === 0) throw new TemplateError("range() arg 3 must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MAX_RANGE)
    throw new TemplateError(`Range too big. The sandbox blocks ranges larger than ${MAX_RANGE}.`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** The entries of a mapping, or of pairs, that a call got as its only positional argument. */
function pairsOf({ positional }: CallArguments): [string, Value][] {
  const [source] = positional;
  if (source === undefined) return [];
  if (source instanceof Dict) return source.entries().map(([key, value]) => [key as string, value]);
  return [...iterate(source)].map((pair) => {
    const [key, value] = [...iterate(pair)];
    if (key === undefined || value === undefined)
      throw new TemplateError("a dict needs pairs of keys and values");
    return [key as string, value];
  });
}

/** A function that gives nothing at its first call, then the separator. */
function joiner(args: CallArguments): Value {
  const separator = new Arguments("joiner", ["sep"], args).anyText("sep", ", ");
  let used = false;
  return new Callable("joiner", () => {
    const text = used ? separator : "";
    used = true;
    return text;
  });
}

function cycler({ positional }: CallArguments): Value {
  if (positional.length === 0) throw new TemplateError("at least one item has to be provided");
  let at = 0;
  const next = new Callable("next", () => positional[at++ % positional.length] as Value);
  const reset = new Callable("reset", () => {
    at = 0;
    return null;
  });
  return new Callable(
    "cycler",
    next.call,
    new Map([
      ["next", next],
      ["reset", reset],
    ]),
  );
}

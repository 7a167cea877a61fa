import { UsageError } from "../errors.ts";
import { parseDuration, secondsText } from "./durations.ts";
import { didYouMean } from "./suggest.ts";

/** Types as Fireworks' firectl names them in its help. `loads`: numbers by name, `a=1,b=2`; `strings`: repeated, or separated by commas. */
export type FlagType = "string" | "int32" | "int64" | "float" | "bool" | "duration" | "strings" | "loads";

export interface Flag {
  /** The name without dashes. */
  readonly name: string;
  readonly short?: string;
  readonly type: FlagType;
  readonly help: string;
  /** The path of the request field that the flag sets, such as `autoscalingPolicy.scaleUpWindow`. */
  readonly field?: string;
  readonly aliases?: readonly string[];
  /** The allowed values. Upper-case values are matched without regard to case. */
  readonly values?: readonly string[];
  /** The collection of a resource that the value names. The request contains the full name. */
  readonly names?: Collection;
  /** The value must not be printed. */
  readonly isSecret?: boolean;
}

export type Collection = "models" | "datasets" | "deployments" | "evaluators";
export type FlagValue = string | number | boolean | readonly string[] | Readonly<Record<string, number>>;
export type FlagValues = ReadonlyMap<string, FlagValue>;

/**
 * Parses the value of a flag.
 * @param text undefined for a flag without a value, which only booleans may be
 * @param before the value of an earlier occurrence, which lists and maps extend
 * @throws UsageError naming the flag
 */
export function readFlag(flag: Flag, text: string | undefined, before: FlagValue | undefined): FlagValue {
  if (flag.type === "bool") return readBoolean(flag, text ?? "true");
  if (text === undefined) throw new UsageError(`--${flag.name} needs a value.`);
  switch (flag.type) {
    case "string":
      return flag.values === undefined ? text : oneOf(flag, text, flag.values);
    case "strings":
      return [
        ...((before as readonly string[] | undefined) ?? []),
        ...text
          .split(",")
          .map((item) => item.trim())
          .map((item) => (flag.values === undefined ? item : oneOf(flag, item, flag.values))),
      ];
    case "int32":
      return readNumber(flag, text, /^[-+]?\d{1,10}$/, "a whole number");
    case "int64":
      if (/^\d{1,18}$/.test(text)) return text;
      throw wrongValue(flag, text, "a whole number");
    case "float":
      return readNumber(flag, text, /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,3})?$/i, "a number");
    case "duration": {
      const duration = parseDuration(text);
      if (duration !== null) return secondsText(duration);
      throw wrongValue(flag, text, "a duration such as 90s, 10m or 1h30m");
    }
    case "loads":
      return { ...(before as Record<string, number> | undefined), ...readLoads(flag, text) };
  }
}

function readBoolean(flag: Flag, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw wrongValue(flag, text, "true or false");
}

function readNumber(flag: Flag, text: string, pattern: RegExp, what: string): number {
  const value = Number(text);
  const isInRange = flag.type !== "int32" || (value >= -(2 ** 31) && value < 2 ** 31);
  if (pattern.test(text) && Number.isFinite(value) && isInRange) return value;
  throw wrongValue(flag, text, what);
}

function readLoads(flag: Flag, text: string): Record<string, number> {
  const pairs = text.split(",").map((pair) => {
    const [, name, value] = /^\s*([A-Za-z_][\w.]*)=(\d+\.?\d*|\.\d+)\s*$/.exec(pair) ?? [];
    if (name === undefined) throw wrongValue(flag, text, "like default=0.8,tokens_generated_per_second=100");
    return [name, Number(value)] as const;
  });
  return Object.fromEntries(pairs);
}

function oneOf(flag: Flag, text: string, values: readonly string[]): string {
  const found =
    values.find((value) => value === text) ?? values.find((value) => value === text.toUpperCase());
  if (found !== undefined) return found;
  const known = values.length > 8 ? "" : ` It can be ${values.join(", ")}.`;
  throw new UsageError(`--${flag.name} can't be ${quoted(text)}.${didYouMean(text, values)}${known}`);
}

function wrongValue(flag: Flag, text: string, expected: string): UsageError {
  return new UsageError(`--${flag.name} must be ${expected}, not ${quoted(text)}.`);
}

/** A JSON string of at most 80 characters, so that user input can't control the terminal. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { parseTimestamp } from "../../lib/timestamps.ts";

/** Kinds of usage, with their units. */
export const USAGE_KINDS = [
  /** Tokens of prompts, cached or not, and of completions. */
  "text",
  /** Tokens. */
  "embeddings",
  /** Milliseconds of audio. */
  "audio",
  /** Generated images. */
  "images",
  /** Milliseconds of a deployment's replicas, times their accelerators. */
  "gpu_seconds",
  /** Milliseconds of replicas without accelerators. */
  "cpu_seconds",
  /** Training tokens; each epoch counts its tokens again. */
  "training",
] as const;
export type UsageKind = (typeof USAGE_KINDS)[number];

const MAX_MODEL_PARAMETERS = Number.MAX_SAFE_INTEGER;
const closed = { additionalProperties: false };
/** US dollars, at most $100,000. */
const Dollars = Type.String({ pattern: "^(0|[1-9]\\d{0,4})(\\.\\d{1,6})?$" });

export const PriceEntry = Type.Object(
  {
    kind: Type.Enum([...USAGE_KINDS]),
    /**
     * Full name. If this, `maxParameters` and `accelerator` are all absent, the price is for everything of the kind
     * that has no price of its own.
     */
    model: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    /** The price is for models up to this size; a model has the price of the smallest size that fits. */
    maxParameters: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_MODEL_PARAMETERS })),
    accelerator: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
    /** Start of validity, RFC 3339; absent: no start. */
    from: Type.Optional(Type.String()),
    /** End of validity, exclusive; absent: no end. */
    to: Type.Optional(Type.String()),
    /** `text`, `embeddings`: per million prompt tokens; `training`: per million tokens. */
    input: Type.Optional(Dollars),
    /** `text`: per million cached prompt tokens. Default: `input`. */
    cachedInput: Type.Optional(Dollars),
    /** `text`: per million completion tokens. */
    output: Type.Optional(Dollars),
    perMinute: Type.Optional(Dollars),
    perImage: Type.Optional(Dollars),
    perHour: Type.Optional(Dollars),
  },
  closed,
);
export type PriceEntry = Static<typeof PriceEntry>;

const PriceFile = Type.Object({ prices: Type.Array(PriceEntry, { maxItems: 10_000 }) }, closed);

/** The required and the optional rates of each kind. */
const RATES: Readonly<Record<UsageKind, { required: readonly Rate[]; optional: readonly Rate[] }>> = {
  text: { required: ["input", "output"], optional: ["cachedInput"] },
  embeddings: { required: ["input"], optional: [] },
  audio: { required: ["perMinute"], optional: [] },
  images: { required: ["perImage"], optional: [] },
  gpu_seconds: { required: ["perHour"], optional: [] },
  cpu_seconds: { required: ["perHour"], optional: [] },
  training: { required: ["input"], optional: [] },
};
const ALL_RATES = ["input", "cachedInput", "output", "perMinute", "perImage", "perHour"] as const;
type Rate = (typeof ALL_RATES)[number];

/** A price file is invalid. The message is one line that names the file and the entry. */
export class PriceError extends Error {
  constructor(file: string, problem: string) {
    super(`${basename(file)}: ${problem}`);
    this.name = "PriceError";
  }
}

/** @throws PriceError at the first defect. */
export function readPriceFile(file: string): PriceEntry[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new PriceError(file, code === undefined ? "is not valid JSON" : `can't be read (${code})`);
  }
  if (!Value.Check(PriceFile, content)) {
    const error = Value.Errors(PriceFile, content)[0]!;
    throw new PriceError(file, `${error.instancePath.slice(1).replaceAll("/", ".")} ${error.message}`.trim());
  }
  for (const [i, entry] of content.prices.entries()) {
    const problem = problemOf(entry);
    if (problem !== null) throw new PriceError(file, `prices.${i} ${problem}`);
  }
  return content.prices;
}

function problemOf(entry: PriceEntry): string | null {
  const { required, optional } = RATES[entry.kind];
  for (const rate of required) if (entry[rate] === undefined) return `needs ${rate}`;
  for (const rate of ALL_RATES) {
    if (entry[rate] !== undefined && !required.includes(rate) && !optional.includes(rate))
      return `is of the kind ${entry.kind}, which has no ${rate}`;
  }
  if ([entry.model, entry.maxParameters, entry.accelerator].filter((one) => one !== undefined).length > 1)
    return "names more than one of model, maxParameters and accelerator";
  for (const name of ["from", "to"] as const) {
    const time = entry[name];
    if (time !== undefined && parseTimestamp(time) === null) return `has a bad ${name}`;
  }
  const { from, to } = validityOf(entry);
  return from < to ? null : "ends before it begins";
}

/** Milliseconds since the Unix epoch. */
export function validityOf({ from, to }: PriceEntry): { from: number; to: number } {
  return {
    from: from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from),
    to: to === undefined ? Number.POSITIVE_INFINITY : Date.parse(to),
  };
}

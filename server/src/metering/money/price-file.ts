import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { parseTimestamp } from "../../lib/timestamps.ts";

/** What usage is counted in, and paid by. */
export const USAGE_KINDS = [
  /** Tokens of prompts, cached or not, and of replies. */
  "text",
  /** Tokens. */
  "embeddings",
  /** Milliseconds of sound. */
  "audio",
  /** Images made. */
  "images",
  /** Milliseconds that a deployment had an accelerator, times their number. */
  "gpu_seconds",
  /** Milliseconds of replicas without accelerators. */
  "cpu_seconds",
  /** Tokens that a training job went over, each epoch anew. */
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
    /** Full name. Neither this nor one of the next two: everything of the kind that has no price of its own. */
    model: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    /** Models up to this size; the smallest class that fits counts. */
    maxParameters: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_MODEL_PARAMETERS })),
    accelerator: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
    /** In force from then on, RFC 3339; absent: always was. */
    from: Type.Optional(Type.String()),
    /** In force until just before; absent: until further notice. */
    to: Type.Optional(Type.String()),
    /** `text`, `embeddings`: for a million tokens of prompts; `training`: for a million. */
    input: Type.Optional(Dollars),
    /** `text`: for a million tokens of prompts that were cached. Default: as the others. */
    cachedInput: Type.Optional(Dollars),
    /** `text`: for a million tokens of replies. */
    output: Type.Optional(Dollars),
    perMinute: Type.Optional(Dollars),
    perImage: Type.Optional(Dollars),
    perHour: Type.Optional(Dollars),
  },
  closed,
);
export type PriceEntry = Static<typeof PriceEntry>;

const PriceFile = Type.Object({ prices: Type.Array(PriceEntry, { maxItems: 10_000 }) }, closed);

/** The rates that an entry of the kind has to have, and those it may have. */
const RATES: Readonly<Record<UsageKind, { needed: readonly Rate[]; optional: readonly Rate[] }>> = {
  text: { needed: ["input", "output"], optional: ["cachedInput"] },
  embeddings: { needed: ["input"], optional: [] },
  audio: { needed: ["perMinute"], optional: [] },
  images: { needed: ["perImage"], optional: [] },
  gpu_seconds: { needed: ["perHour"], optional: [] },
  cpu_seconds: { needed: ["perHour"], optional: [] },
  training: { needed: ["input"], optional: [] },
};
const ALL_RATES = ["input", "cachedInput", "output", "perMinute", "perImage", "perHour"] as const;
type Rate = (typeof ALL_RATES)[number];

/** Prices that can't be used; the message is one line that names the file and the entry. */
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
  const { needed, optional } = RATES[entry.kind];
  for (const rate of needed) if (entry[rate] === undefined) return `needs ${rate}`;
  for (const rate of ALL_RATES) {
    if (entry[rate] !== undefined && !needed.includes(rate) && !optional.includes(rate))
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

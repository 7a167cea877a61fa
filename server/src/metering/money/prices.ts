import { divideRounded, parseDollars } from "./dollars.ts";
import {
  type PriceEntry,
  PriceError,
  readPriceFile,
  USAGE_KINDS,
  type UsageKind,
  validityOf,
} from "./price-file.ts";

/** What was used; the token counts and `quantity` (see `USAGE_KINDS`) are whole and not negative. */
export interface BillableUsage {
  promptTokens: number;
  /** Of the prompt's. */
  cachedTokens: number;
  completionTokens: number;
  /** What the kind counts when it isn't the tokens above: milliseconds, images, tokens of training. */
  quantity: number;
}

/** Micro-dollars for `per` of each. */
export interface Price {
  readonly input: bigint;
  readonly cachedInput: bigint;
  readonly output: bigint;
  readonly quantity: bigint;
  readonly per: bigint;
}

export interface PricesOptions {
  /** Files of prices. */
  files: readonly string[];
  /** Its entries take the place of all others for the same kind of the same thing; null: there is none. */
  overrideFile: string | null;
  /** Of a model by its full name; null when unknown. Not expected to change. */
  parameterCount(model: string): number | null;
}

export interface Prices {
  /**
   * What is in force at `atMs` for a model (an accelerator's type, for `gpu_seconds`): its own price, else that of the
   * smallest class of sizes it fits in, else that of the kind. Null: it costs nothing.
   */
  priceOf(kind: UsageKind, subject: string, atMs: number): Price | null;
}

/** One price and when it is in force. */
interface PriceTerm {
  from: number;
  to: number;
  price: Price;
}

const MAX_KNOWN = 4_096;

/** @throws PriceError naming the file and the entry, for defects and for two prices of one thing at one time. */
export function loadPrices({ files, overrideFile, parameterCount }: PricesOptions): Prices {
  const terms = new Map<string, PriceTerm[]>();
  for (const file of files) addEntries(terms, readPriceFile(file), file);
  if (overrideFile !== null) {
    const entries = readPriceFile(overrideFile);
    for (const entry of entries) terms.delete(keyOf(entry));
    addEntries(terms, entries, overrideFile);
  }
  const classes = [...terms.keys()].filter((key) => key.includes(" ≤"));
  const sizes = classes.map((key) => ({ key, max: Number(key.split(" ≤")[1]), kind: key.split(" ")[0] }));
  sizes.sort((a, b) => a.max - b.max);
  /** Where to look for the price of a thing, best first; by the kind, then the subject. Bounded: emptied when full. */
  const known = new Map(USAGE_KINDS.map((kind) => [kind, new Map<string, PriceTerm[][]>()]));

  function candidates(kind: UsageKind, subject: string): PriceTerm[][] {
    const parameters = parameterCount(subject);
    const fitting = sizes.filter(
      (size) => size.kind === kind && parameters !== null && parameters <= size.max,
    );
    const keys = [`${kind} ${subject}`, ...fitting.map(({ key }) => key), kind];
    return keys.flatMap((key) => (terms.has(key) ? [terms.get(key) as PriceTerm[]] : []));
  }

  return {
    priceOf(kind, subject, atMs) {
      const ofKind = known.get(kind) as Map<string, PriceTerm[][]>;
      let found = ofKind.get(subject);
      if (found === undefined) {
        found = candidates(kind, subject);
        if (ofKind.size >= MAX_KNOWN) ofKind.clear();
        ofKind.set(subject, found);
      }
      for (const list of found) {
        for (const term of list) if (term.from <= atMs && atMs < term.to) return term.price;
      }
      return null;
    },
  };
}

/** Micro-dollars of what was used, rounded once, to the nearest; see `divideRounded`. */
export function costOf(price: Price | null, amounts: BillableUsage): bigint {
  if (price === null) return 0n;
  const { promptTokens, completionTokens, quantity } = amounts;
  const cachedTokens = Math.min(amounts.cachedTokens, promptTokens);
  let total = BigInt(promptTokens - cachedTokens) * price.input + BigInt(completionTokens) * price.output;
  if (cachedTokens > 0) total += BigInt(cachedTokens) * price.cachedInput;
  if (quantity > 0) total += BigInt(quantity) * price.quantity;
  return divideRounded(total, price.per);
}

function addEntries(terms: Map<string, PriceTerm[]>, entries: readonly PriceEntry[], file: string): void {
  for (const [i, entry] of entries.entries()) {
    const term = { ...validityOf(entry), price: priceOf(entry) };
    const list = terms.get(keyOf(entry)) ?? [];
    if (list.some((other) => term.from < other.to && other.from < term.to))
      throw new PriceError(file, `prices.${i} has another price for the same time`);
    terms.set(keyOf(entry), [...list, term]);
  }
}

/** What a price is for. */
function keyOf({ kind, model, accelerator, maxParameters }: PriceEntry): string {
  if (maxParameters !== undefined) return `${kind} ≤${maxParameters}`;
  const subject = model ?? accelerator;
  return subject === undefined ? kind : `${kind} ${subject}`;
}

const MILLION = 1_000_000n;
const MINUTE_MS = 60_000n;
const HOUR_MS = 3_600_000n;

function priceOf(entry: PriceEntry): Price {
  const rate = (text = "0"): bigint => parseDollars("price", text);
  const none = { input: 0n, cachedInput: 0n, output: 0n, quantity: 0n };
  switch (entry.kind) {
    case "text":
    case "embeddings": {
      const cachedInput = rate(entry.cachedInput ?? entry.input);
      return { ...none, input: rate(entry.input), cachedInput, output: rate(entry.output), per: MILLION };
    }
    case "training":
      return { ...none, quantity: rate(entry.input), per: MILLION };
    case "audio":
      return { ...none, quantity: rate(entry.perMinute), per: MINUTE_MS };
    case "images":
      return { ...none, quantity: rate(entry.perImage), per: 1n };
    case "gpu_seconds":
    case "cpu_seconds":
      return { ...none, quantity: rate(entry.perHour), per: HOUR_MS };
  }
}

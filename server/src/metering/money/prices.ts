import { divideRounded, parseDollars } from "./dollars.ts";
import {
  type PriceEntry,
  PriceError,
  readPriceFile,
  USAGE_KINDS,
  type UsageKind,
  validityOf,
} from "./price-file.ts";

/** Amounts of usage, all whole and not negative. */
export interface BillableUsage {
  promptTokens: number;
  /** Part of `promptTokens`. */
  cachedTokens: number;
  completionTokens: number;
  /**
   * Amount of kinds that are not counted in the tokens above: milliseconds, images, training tokens; see `USAGE_KINDS`.
   */
  quantity: number;
}

/** Micro-dollars for `per` units of each. */
export interface Price {
  readonly input: bigint;
  readonly cachedInput: bigint;
  readonly output: bigint;
  readonly quantity: bigint;
  readonly per: bigint;
}

export interface PricesOptions {
  /** Price files, see `readPriceFile`. */
  files: readonly string[];
  /** A price file whose entries replace all other entries for the same kind and subject; null: none. */
  overrideFile: string | null;
  /** Parameter count of a model, by its full name; null: unknown. Must not change, because results are cached. */
  parameterCount(model: string): number | null;
}

export interface Prices {
  /**
   * The price in force at `atMs` for a subject: a model, or for `gpu_seconds` an accelerator's type. The subject's own
   * price comes first, then the price of the smallest size class that the model fits in, then the price of the kind.
   * Null: free of charge.
   */
  priceOf(kind: UsageKind, subject: string, atMs: number): Price | null;
}

/** A price, and when it is in force: from `from` (inclusive) to `to` (exclusive). */
interface PriceTerm {
  from: number;
  to: number;
  price: Price;
}

const MAX_CACHED = 4_096;

/** @throws PriceError that names the file and the entry, for defects and for two prices of one subject at one time. */
export function loadPrices({ files, overrideFile, parameterCount }: PricesOptions): Prices {
  const terms = new Map<string, PriceTerm[]>();
  for (const file of files) addEntries(terms, readPriceFile(file), file);
  if (overrideFile !== null) {
    const entries = readPriceFile(overrideFile);
    for (const entry of entries) terms.delete(keyOf(entry));
    addEntries(terms, entries, overrideFile);
  }
  const sizeKeys = [...terms.keys()].filter((key) => key.includes(" ≤"));
  const sizes = sizeKeys.map((key) => ({ key, max: Number(key.split(" ≤")[1]), kind: key.split(" ")[0] }));
  sizes.sort((a, b) => a.max - b.max);
  /** Cache of `findCandidates` by kind and subject. Bounded: cleared when full. */
  const cache = new Map(USAGE_KINDS.map((kind) => [kind, new Map<string, PriceTerm[][]>()]));

  /** The lists of terms that may apply to the subject, the most specific first. */
  function findCandidates(kind: UsageKind, subject: string): PriceTerm[][] {
    const parameters = parameterCount(subject);
    const fitting = sizes.filter(
      (size) => size.kind === kind && parameters !== null && parameters <= size.max,
    );
    const keys = [`${kind} ${subject}`, ...fitting.map(({ key }) => key), kind];
    return keys.flatMap((key) => (terms.has(key) ? [terms.get(key) as PriceTerm[]] : []));
  }

  return {
    priceOf(kind, subject, atMs) {
      const cachedSubjects = cache.get(kind) as Map<string, PriceTerm[][]>;
      let candidates = cachedSubjects.get(subject);
      if (candidates === undefined) {
        candidates = findCandidates(kind, subject);
        if (cachedSubjects.size >= MAX_CACHED) cachedSubjects.clear();
        cachedSubjects.set(subject, candidates);
      }
      for (const list of candidates) {
        for (const term of list) if (term.from <= atMs && atMs < term.to) return term.price;
      }
      return null;
    },
  };
}

/** Cost in micro-dollars, rounded once at the end; see `divideRounded`. */
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

/** Identifies the kind and subject of a price. */
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

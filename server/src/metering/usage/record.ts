import { type BillableUsage, costOf, type Prices, type UsageKind } from "../money/service.ts";
import type { OUTCOMES } from "./table.ts";

/**
 * How a request ended. `rejected`: refused before it reached an engine. `interrupted`: the process died during the
 * request; tokens of the last 100 ms are not counted.
 */
export type Outcome = (typeof OUTCOMES)[number];

/** A request and its usage so far. The fields may change: the ledger reads them each time it writes. */
export interface UsageSource {
  /** 32 hexadecimal digits, globally unique: `uuidv7Hex`. */
  readonly id: string;
  readonly accountId: string;
  readonly keyId: string;
  /** Empty when the request is not a user's. */
  readonly userId: string;
  /** `chat.completions`, `completions` …; for replicas the accelerator's type, or `CPU`. */
  readonly endpoint: string;
  /** Full name; empty while unknown. */
  readonly model: string;
  /** Full name of the account's own deployment; empty: a deployment of the platform. */
  readonly deployment: string;
  readonly kind: UsageKind;
  /** Key for the prices: a model's name or an accelerator's type. Empty: free of charge, or paid for in another way. */
  readonly pricedAs: string;
  /** Null until a replica serves the request. */
  readonly replica: string | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Amount of kinds that are not counted in the tokens above; see `USAGE_KINDS`. */
  readonly quantity: number;
  readonly timeToFirstTokenMs: number | null;
  /** Milliseconds since the Unix epoch. */
  readonly startedAtMs: number;
}

export interface UsageEnd {
  outcome: Outcome;
  /** The HTTP status that was sent, 100–599. */
  status: number;
  durationMs: number;
}

/** A row of the ledger. */
export interface UsageRow extends Omit<UsageSource, "pricedAs">, UsageEnd {
  /** Micro-dollars, at the price in force when the request began. */
  costMicros: bigint;
}

const MAX_TEXT_CHARS = 256;
const MAX_CACHED_TEXTS = 4_096;
const MAX_INTEGER = 2_147_483_647;

/** Cache of escaped names, because the same names recur in each request. Bounded: cleared when full. */
const quotedTexts = new Map<string, string>();

function quote(text: string): string {
  const cached = quotedTexts.get(text);
  if (cached !== undefined) return cached;
  // PostgreSQL refuses NUL and lone surrogates, and a refused line in the spool would block all rows after it. The
  // round trip through bytes replaces lone surrogates.
  const clean = Buffer.from(text.slice(0, MAX_TEXT_CHARS).replaceAll("\u0000", "")).toString();
  const quoted = JSON.stringify(clean);
  if (quotedTexts.size >= MAX_CACHED_TEXTS) quotedTexts.clear();
  if (text.length <= MAX_TEXT_CHARS) quotedTexts.set(text, quoted);
  return quoted;
}

/** Clamps to what a PostgreSQL `integer` holds, from 0 on. */
function integer(value: number): number {
  if ((value | 0) === value && value >= 0) return value;
  return value >= MAX_INTEGER ? MAX_INTEGER : value > 0 ? Math.trunc(value) : 0;
}

/** Clamps to a safe integer, from 0 on. */
function whole(value: number): number {
  return value >= 0 ? Math.trunc(Math.min(value, Number.MAX_SAFE_INTEGER)) : 0;
}

/**
 * A billion dollars. A higher cost can only be a mistake, and sums of such costs would overflow the database's columns.
 */
const MAX_COST_MICROS = 1_000_000_000_000_000n;

/** Cost of the usage so far in micro-dollars, at the price in force when the request began. */
export function costOfUsage(prices: Prices | null, source: UsageSource): bigint {
  if (prices === null || source.pricedAs === "") return 0n;
  const amounts: BillableUsage = {
    promptTokens: integer(source.promptTokens),
    cachedTokens: integer(source.cachedTokens),
    completionTokens: integer(source.completionTokens),
    quantity: whole(source.quantity),
  };
  const cost = costOf(prices.priceOf(source.kind, source.pricedAs, source.startedAtMs), amounts);
  return cost > MAX_COST_MICROS ? MAX_COST_MICROS : cost;
}

/** Rounds to 10 µs. */
function milliseconds(value: number): number {
  return value >= 0 && value < 9e12 ? Math.round(value * 100) / 100 : 0;
}

/**
 * Encodes a row as a JSON array: a line of the spool that PostgreSQL reads without further conversion. New fields may
 * only be appended at the end, because spools of older versions are read too.
 */
export function encodeUsage(source: UsageSource, end: UsageEnd, costMicros: bigint): string {
  const { outcome, status, durationMs } = end;
  const { replica, timeToFirstTokenMs } = source;
  return (
    `["${source.id}",${quote(source.accountId)},${quote(source.keyId)},${quote(source.endpoint)},` +
    `${quote(source.model)},${replica === null ? "null" : quote(replica)},${integer(source.promptTokens)},` +
    `${integer(source.cachedTokens)},${integer(source.completionTokens)},` +
    `${timeToFirstTokenMs === null ? "null" : milliseconds(timeToFirstTokenMs)},${milliseconds(durationMs)},` +
    `"${outcome}",${Math.min(integer(status), 999)},${milliseconds(source.startedAtMs)},` +
    `${quote(source.userId)},${quote(source.deployment)},"${source.kind}",${whole(source.quantity)},${costMicros}]`
  );
}

/** The identifier in a line of `encodeUsage`. */
export function encodedId(line: string): string {
  return line.slice(2, 34);
}

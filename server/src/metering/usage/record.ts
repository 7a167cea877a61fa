import { type BillableUsage, costOf, type Prices, type UsageKind } from "../money/service.ts";
import type { OUTCOMES } from "./table.ts";

/**
 * How a request ended. `rejected`: refused before it reached an engine. `interrupted`: the process died meanwhile;
 * the tokens are those made up to 100 ms before.
 */
export type Outcome = (typeof OUTCOMES)[number];

/** A request as its usage is known so far. The ledger reads it whenever it writes, so the fields may change. */
export interface UsageSource {
  /** 32 hexadecimal digits, unique for ever: `uuidv7Hex`. */
  readonly id: string;
  readonly accountId: string;
  readonly keyId: string;
  /** Empty when no user asks. */
  readonly userId: string;
  /** `chat.completions`, `completions` …; for replicas the accelerator's type, or `CPU`. */
  readonly endpoint: string;
  /** Full name; empty while unknown. */
  readonly model: string;
  /** Full name of the account's own deployment; empty: the platform's. */
  readonly deployment: string;
  readonly kind: UsageKind;
  /** What is looked up in the prices: a model's name, an accelerator's type. Empty: it is free, or paid for otherwise. */
  readonly pricedAs: string;
  /** Null until one serves it. */
  readonly replica: string | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** What the kind counts besides these tokens; see `USAGE_KINDS`. */
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
  /** Micro-dollars, at the price in force when it began. */
  costMicros: bigint;
}

const MAX_TEXT_CHARS = 256;
const MAX_MEMO_ENTRIES = 4_096;
const MAX_INTEGER = 2_147_483_647;

/** Names recur from request to request; escaping each once keeps the hot path to look-ups. Bounded: emptied when full. */
const memo = new Map<string, string>();

function quote(text: string): string {
  const known = memo.get(text);
  if (known !== undefined) return known;
  // What PostgreSQL can't hold must never get into the spool, where it would block all rows after it: NUL goes,
  // and the way through bytes replaces lone surrogates.
  const clean = Buffer.from(text.slice(0, MAX_TEXT_CHARS).replaceAll("\u0000", "")).toString();
  const quoted = JSON.stringify(clean);
  if (memo.size >= MAX_MEMO_ENTRIES) memo.clear();
  if (text.length <= MAX_TEXT_CHARS) memo.set(text, quoted);
  return quoted;
}

function integer(value: number): number {
  if ((value | 0) === value && value >= 0) return value;
  return value >= MAX_INTEGER ? MAX_INTEGER : value > 0 ? Math.trunc(value) : 0;
}

function whole(value: number): number {
  return value >= 0 ? Math.trunc(Math.min(value, Number.MAX_SAFE_INTEGER)) : 0;
}

/** A row that costs more than a billion dollars is a mistake, and sums of such rows would not fit the database's numbers. */
const MAX_COST_MICROS = 1_000_000_000_000_000n;

/** Micro-dollars of what was used so far, at the price in force at the start. */
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

/** To 10 µs; a row is not the place for what is below. */
function milliseconds(value: number): number {
  return value >= 0 && value < 9e12 ? Math.round(value * 100) / 100 : 0;
}

/**
 * One JSON array: the spool's line, and as it is the database's input. It only ever grows at its end, as spools of older
 * versions are read too.
 */
export function encodeUsage(
  source: UsageSource,
  outcome: Outcome,
  status: number,
  durationMs: number,
  costMicros: bigint,
): string {
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

/** Where `encodeUsage` puts the identifier. */
export function encodedId(line: string): string {
  return line.slice(2, 34);
}

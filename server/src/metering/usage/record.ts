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
  /** `chat.completions`, `completions` … */
  readonly endpoint: string;
  /** Full name; empty while unknown. */
  readonly model: string;
  /** Null until one serves it. */
  readonly replica: string | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
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
export interface UsageRow extends UsageSource, UsageEnd {}

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

/** To 10 µs; a row is not the place for what is below. */
function milliseconds(value: number): number {
  return value >= 0 && value < 9e12 ? Math.round(value * 100) / 100 : 0;
}

/** One JSON array in the order of `USAGE_COLUMNS`: the spool's line, and as it is the database's input. */
export function encodeUsage(
  source: UsageSource,
  outcome: Outcome,
  status: number,
  durationMs: number,
): string {
  const { replica, timeToFirstTokenMs } = source;
  return (
    `["${source.id}",${quote(source.accountId)},${quote(source.keyId)},${quote(source.endpoint)},` +
    `${quote(source.model)},${replica === null ? "null" : quote(replica)},${integer(source.promptTokens)},` +
    `${integer(source.cachedTokens)},${integer(source.completionTokens)},` +
    `${timeToFirstTokenMs === null ? "null" : milliseconds(timeToFirstTokenMs)},${milliseconds(durationMs)},` +
    `"${outcome}",${Math.min(integer(status), 999)},${milliseconds(source.startedAtMs)}]`
  );
}

/** Where `encodeUsage` puts the identifier. */
export function encodedId(line: string): string {
  return line.slice(2, 34);
}

import { ExactNumber, type JsonNumber } from "./decimal.ts";

/**
 * Formats as patterns of the whole text. Each matches only texts that full validators accept, but not always all of them:
 * `uri`, for example, does not match a scheme with an empty path.
 */
const MONTH_DAY =
  "(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8])";
// The calendars of common languages have no year 0.
const YEAR = "(?:\\d{3}[1-9]|\\d\\d[1-9]0|\\d[1-9]00|[1-9]000)";
const LEAP_YEAR = "\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00";
const DATE = `(?:${YEAR}-(?:${MONTH_DAY})|(?:${LEAP_YEAR})-02-29)`;
const SECOND_FRACTION = "(?:\\.\\d{1,9})?";
// A leap second is the last one of a day in UTC. Other offsets would need an automaton state for each minute of the day.
const LEAP_SECOND = `23:59:60${SECOND_FRACTION}(?:[Zz]|[+-]00:00)`;
const COMMON_SECOND = `(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d${SECOND_FRACTION}(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)`;
const TIME = `(?:${COMMON_SECOND}|${LEAP_SECOND})`;

const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const HEX = "[0-9a-fA-F]{1,4}";
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const IPV6 = [
  `(?:${HEX}:){7}${HEX}`,
  `(?:${HEX}:){1,7}:`,
  ...[1, 2, 3, 4, 5, 6].map((groups) => `(?:${HEX}:){${groups}}(?::${HEX}){1,${7 - groups}}`),
  `::(?:${HEX}(?::${HEX}){0,6})?`,
].join("|");

/** A label of a host name of at most `length` characters. */
const label = (length: number): string => `[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,${length - 2}}[a-zA-Z0-9])?`;
const ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,32}";
const EMAIL = `${ATOM}(?:\\.${ATOM})*@(?:${label(32)}\\.)+${label(32)}`;

const HEX_PAIR = "%[0-9a-fA-F]{2}";
const UNRESERVED = "a-zA-Z0-9._~!$&'()*+,;=\\-";
const PCHAR = `(?:[${UNRESERVED}:@]|${HEX_PAIR})`;
const USER_INFO = `(?:[${UNRESERVED}:]|${HEX_PAIR})*@`;
const HOST = `(?:(?:[${UNRESERVED}]|${HEX_PAIR})+|\\[(?:${IPV6})\\])`;
const AUTHORITY = `(?:${USER_INFO})?${HOST}(?::\\d{1,5})?`;
const TAIL = `(?:\\?(?:${PCHAR}|[/?])*)?(?:#(?:${PCHAR}|[/?])*)?`;
const PATH = `(?:/${PCHAR}*)*`;
// After `//` only the scheme `file` may leave the host out.
const URI = `(?:[a-zA-Z][a-zA-Z0-9+.-]{0,20}:(?://${AUTHORITY}${PATH}|${PCHAR}+${PATH})|[fF][iI][lL][eE]:///(?:${PCHAR}+${PATH})?)${TAIL}`;

const SPAN = "(?:\\d{1,4}D)?";
const DURATION = `P(?:\\d{1,4}[YMWD]|\\d{1,4}Y\\d{1,2}M${SPAN}|\\d{1,2}M\\d{1,4}D|${SPAN}T(?:\\d{1,4}[HMS]|\\d{1,4}H\\d{1,2}M(?:\\d{1,2}S)?|\\d{1,4}M\\d{1,2}S))`;

export const FORMATS: ReadonlyMap<string, string> = new Map([
  ["date", DATE],
  ["time", TIME],
  ["date-time", `${DATE}[Tt]${TIME}`],
  ["duration", DURATION],
  ["uuid", "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"],
  ["email", EMAIL],
  // 63 + 5 × 32 characters stay below the 253 of a whole name.
  ["hostname", `${label(63)}(?:\\.${label(31)}){0,5}`],
  ["ipv4", IPV4],
  ["ipv6", IPV6],
  ["uri", URI],
]);

/** Number formats with their bounds; null: no bounds. */
export const NUMBER_FORMATS: ReadonlyMap<string, readonly [JsonNumber, JsonNumber] | null> = new Map<
  string,
  readonly [JsonNumber, JsonNumber] | null
>([
  ["int32", [-(2 ** 31), 2 ** 31 - 1]],
  ["uint32", [0, 2 ** 32 - 1]],
  // Numbers without bounds have 15 digits at most.
  ["int64", null],
  ["uint64", [0, new ExactNumber("18446744073709551615", { units: 2n ** 64n - 1n, scale: 0 })]],
  ["float", null],
  ["double", null],
]);

export const INTEGER_FORMATS: ReadonlySet<string> = new Set(["int32", "uint32", "int64", "uint64"]);

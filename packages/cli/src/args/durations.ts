/** Durations in the format of Go's time.ParseDuration: `1h30m`, `1.5h`, `300ms`, `0`. */

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const PART = /^(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/;
/** Go's longest duration, 292 years. */
const MAX_NANOSECONDS = 2n ** 63n - 1n;

/** Parses a duration to nanoseconds; null if it is malformed, negative or too long. */
export function parseDuration(text: string): bigint | null {
  let rest = text.startsWith("+") ? text.slice(1) : text;
  if (rest === "0") return 0n;
  if (rest === "" || rest.length > 100) return null;
  let sum = 0n;
  while (rest !== "") {
    const [part = "", whole = "", fraction = "", unit = ""] = PART.exec(rest) ?? [];
    if (part === "" || whole + fraction === "") return null;
    const scale = NANOSECONDS[unit] as bigint;
    sum += BigInt(whole || "0") * scale + (BigInt(fraction || "0") * scale) / 10n ** BigInt(fraction.length);
    rest = rest.slice(part.length);
  }
  return sum > MAX_NANOSECONDS ? null : sum;
}

/** Formats a duration for the API: seconds with up to nine decimals, `5400s`. */
export function secondsText(nanoseconds: bigint): string {
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
  return `${nanoseconds / 1_000_000_000n}.${fraction}`.replace(/\.?0*$/, "").concat("s");
}

import { badRequest } from "../../lib/errors.ts";

/** Micro-dollars to a dollar. All amounts are whole micro-dollars in a bigint: nothing is ever a float. */
const MICROS = 1_000_000n;
/** Up to a billion dollars, exact to the micro-dollar. */
const DOLLARS = /^(0|[1-9]\d{0,8})(?:\.(\d{1,6}))?$/;

/**
 * Micro-dollars of a decimal text such as `12.50`: no sign, no currency, no exponent, at most six decimals.
 * @throws AppError BAD_REQUEST naming `param`.
 */
export function parseDollars(param: string, text: string): bigint {
  const [, whole, fraction = ""] = DOLLARS.exec(text) ?? [];
  if (whole === undefined) {
    throw badRequest(
      param,
      `${param} must be US dollars like 12.50: up to 999999999.999999, without a sign.`,
    );
  }
  return BigInt(whole) * MICROS + BigInt(fraction.padEnd(6, "0"));
}

/** At least two decimals, at most six, none lost: `12.50`, `0.000015`, `-3.00`. */
export function formatDollars(micros: bigint): string {
  const size = micros < 0n ? -micros : micros;
  const fraction = String(size % MICROS).padStart(6, "0");
  return `${micros < 0n ? "-" : ""}${size / MICROS}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
}

/**
 * The nearest whole number to `dividend / divisor`; what lies in the middle goes to the even one, so that many rounded
 * amounts add up to neither more nor less than what they stand for.
 * @param dividend ≥ 0. @param divisor > 0.
 */
export function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend - quotient * divisor) * 2n;
  if (twice < divisor || (twice === divisor && quotient % 2n === 0n)) return quotient;
  return quotient + 1n;
}

import { badRequest } from "../../lib/errors.ts";

/** Micro-dollars in a dollar. All amounts are whole micro-dollars in a bigint, never floating-point numbers. */
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

/** Formats exactly, with two to six decimals: `12.50`, `0.000015`, `-3.00`. */
export function formatDollars(micros: bigint): string {
  const size = micros < 0n ? -micros : micros;
  const fraction = String(size % MICROS).padStart(6, "0");
  return `${micros < 0n ? "-" : ""}${size / MICROS}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
}

/**
 * `dividend / divisor`, rounded half to even, so that the rounding errors of many amounts cancel out.
 * @param dividend ≥ 0. @param divisor > 0.
 */
export function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend - quotient * divisor) * 2n;
  if (twice < divisor || (twice === divisor && quotient % 2n === 0n)) return quotient;
  return quotient + 1n;
}

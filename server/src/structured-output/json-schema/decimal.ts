/** An exact decimal number: `units` ÷ 10^`scale`, with the least scale ≥ 0. */
export interface Decimal {
  units: bigint;
  scale: number;
}

/** A number of a JSON text that no double holds. `Number()` gives the nearest double. */
export class ExactNumber {
  /** As in the JSON text. */
  readonly text: string;
  readonly decimal: Decimal;

  constructor(text: string, decimal: Decimal) {
    this.text = text;
    this.decimal = decimal;
  }

  valueOf(): number {
    return Number(this.text);
  }
}

export type JsonNumber = number | ExactNumber;

export function isNumber(value: unknown): value is JsonNumber {
  return typeof value === "number" || value instanceof ExactNumber;
}

/** The decimal that JSON writes for a finite number. */
export function toDecimal(value: JsonNumber): Decimal {
  return value instanceof ExactNumber ? value.decimal : parseDecimal(String(value))!;
}

/** Exact numbers are limited in length and exponent, so that arithmetic with them stays fast. */
const MAX_DIGITS = 1_000;
const MAX_EXPONENT = 400;

/** The decimal of a JSON number; null for one that is too long. */
export function parseDecimal(text: string): Decimal | null {
  if (text.length > MAX_DIGITS) return null;
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text)!;
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  if (Math.abs(Number(exponent)) > MAX_EXPONENT) return null;
  let units = BigInt(whole! + fraction);
  let scale = fraction.length - Number(exponent);
  while (scale < 0) {
    units *= 10n;
    scale++;
  }
  while (scale > 0 && units % 10n === 0n) {
    units /= 10n;
    scale--;
  }
  return { units: sign === "-" ? -units : units, scale };
}

export function unitsAt({ units, scale }: Decimal, targetScale: number): bigint {
  return units * 10n ** BigInt(targetScale - scale);
}

export function compareDecimals(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale);
  const difference = unitsAt(a, scale) - unitsAt(b, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Whether `value` is a multiple of `of`. Exact: by floating point 0.07 is no multiple of 0.01. */
export function isMultiple(value: JsonNumber, of: JsonNumber): boolean {
  const [a, b] = [toDecimal(value), toDecimal(of)];
  const scale = Math.max(a.scale, b.scale);
  return unitsAt(a, scale) % unitsAt(b, scale) === 0n;
}

/** The greatest whole number not above the decimal. */
export function floorDecimal({ units, scale }: Decimal): bigint {
  const divisor = 10n ** BigInt(scale);
  const quotient = units / divisor;
  return units < 0n && units % divisor !== 0n ? quotient - 1n : quotient;
}

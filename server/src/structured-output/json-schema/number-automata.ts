import { type Dfa, intersectAutomata } from "../automata/dfa.ts";
import type { Automaton } from "../automata/nfa.ts";
import { compareDecimals, type Decimal, floorDecimal, type JsonNumber, toDecimal } from "./decimal.ts";

export interface Bound {
  value: Decimal;
  /** The bound itself is not allowed. */
  exclusive: boolean;
}

/** Constraints that a number must meet together. */
export interface NumberConstraint {
  integer: boolean;
  least: Bound | null;
  most: Bound | null;
  multiples: readonly Decimal[];
}

/** Most digits of a number without bounds: every double keeps as many. */
const DIGITS = 15;
/** Decimal places of a bound; bounds with more are rounded inwards. */
const MAX_SCALE = 30;
/** Ranges with at most this many whole numbers become lists. */
const MAX_LISTED = 40;
const MAX_MULTIPLE = 1_000n;

/**
 * The decimal texts of the numbers that meet the constraint.
 * @returns the texts if they are few, else an automaton; "empty" when no number fits; null when the automaton is too large.
 */
export function numberTexts(constraint: NumberConstraint): string[] | Dfa | "empty" | null {
  const { integer, multiples } = constraint;
  const least = constraint.least && tighten(constraint.least, integer, 1n);
  const most = constraint.most && tighten(constraint.most, integer, -1n);
  if (least && most && compareDecimals(least.value, most.value) > 0) return "empty";
  if (integer && least && most) {
    const listed = listIntegers(least.value.units, most.value.units, multiples);
    if (listed !== null) return listed.length === 0 ? "empty" : listed;
  }
  const automata: Automaton[] = [];
  if (least)
    automata.push(boundAutomaton(least.value, (order) => order > 0 || (order === 0 && !least.exclusive)));
  if (most)
    automata.push(boundAutomaton(most.value, (order) => order < 0 || (order === 0 && !most.exclusive)));
  for (const multiple of multiples) {
    if (multiple.units > MAX_MULTIPLE) return null;
    automata.push(multipleAutomaton(Number(multiple.units), multiple.scale));
  }
  return intersectAutomata([shapeAutomaton({ integer, least, most, multiples }), ...automata]);
}

/** Rounds the bound inwards to the supported decimal places. @param inwards 1 for a lower bound, −1 for an upper one. */
function tighten({ value, exclusive }: Bound, integer: boolean, inwards: 1n | -1n): Bound {
  const scale = integer ? 0 : MAX_SCALE;
  if (value.scale <= scale) {
    if (!integer || !exclusive) return { value, exclusive };
    return { value: { units: value.units + inwards, scale: 0 }, exclusive: false };
  }
  const floor = floorDecimal({ units: value.units, scale: value.scale - scale });
  return { value: { units: inwards === 1n ? floor + 1n : floor, scale }, exclusive: false };
}

function listIntegers(least: bigint, most: bigint, multiples: readonly Decimal[]): string[] | null {
  let step = 1n;
  // A whole number is a multiple of p/10^k, in lowest terms n/d, if and only if it is a multiple of n.
  for (const { units, scale } of multiples) step = lcm(step, units / gcd(units, 10n ** BigInt(scale)));
  if ((most - least) / step > BigInt(MAX_LISTED)) return null;
  const listed: string[] = [];
  const remainder = ((least % step) + step) % step;
  for (let at = remainder === 0n ? least : least + step - remainder; at <= most; at += step)
    listed.push(String(at));
  return listed;
}

/** A decimal text: `whole` digits were read, then, with `fraction` not null, the point and `fraction` digits. */
interface DecimalShape {
  whole: number;
  fraction: number | null;
  /** `-` was read and no digit: then the number may not be 0. */
  negative: boolean;
  /** The first digit is 0, so no other whole digit may follow. */
  zero: boolean;
}

/** Accepts decimal texts with enough digits for the constraint, whatever their value. */
function shapeAutomaton({ integer, least, most, multiples }: NumberConstraint): Automaton {
  const ends = [least, most].filter((bound) => bound !== null).map(({ value }) => value);
  const needed = Math.max(0, ...ends.map((end) => wholeDigits(end)));
  // The automaton of a multiple has a state for every remainder and digit, so large divisors allow fewer digits.
  const free = multiples.every(({ units }) => units <= 10n) ? DIGITS : 6;
  const maxWhole = least && most ? needed : Math.max(needed + 1, free);
  /** Most digits after the point, for a number with so many whole digits. */
  const maxFraction = (whole: number): number => {
    if (integer) return 0;
    // No more digits in all than every double keeps: with more, parsing could round a number onto an excluded bound.
    const most = Math.max(DIGITS - Math.max(1, Math.min(whole, needed)), ...ends.map(({ scale }) => scale));
    return Math.min(most, ...multiples.map(({ scale }) => scale));
  };
  return lazyAutomaton<DecimalShape>({
    start: { whole: 0, fraction: null, negative: false, zero: false },
    // How many digits may follow is all that matters once the fraction has begun.
    keyOf: ({ whole, fraction, negative, zero }) =>
      fraction === null
        ? whole * 4 + Number(negative) * 2 + Number(zero)
        : -1 - 2 * (maxFraction(whole) - fraction) - Number(fraction === 0),
    step(shape, char) {
      const { whole, fraction, negative, zero } = shape;
      if (char === "-") return whole === 0 && !negative ? { ...shape, negative: true } : null;
      if (char === ".") {
        return whole > 0 && fraction === null && maxFraction(whole) > 0 ? { ...shape, fraction: 0 } : null;
      }
      if (fraction !== null)
        return fraction < maxFraction(whole) ? { ...shape, fraction: fraction + 1 } : null;
      if (zero || whole >= maxWhole) return null;
      return { ...shape, whole: whole + 1, zero: whole === 0 && char === "0", negative };
    },
    accepts: ({ whole, fraction, negative, zero }) =>
      fraction === null ? whole > 0 && !(negative && zero) : fraction > 0,
  });
}

/** Number of digits before the decimal point, ≥ 1. */
export function wholeDigits({ units, scale }: Decimal): number {
  return String(units < 0n ? -units : units).padStart(scale + 1, "0").length - scale;
}

interface LazyAutomatonOptions<S> {
  start: S;
  /** Equal for equal states. */
  keyOf(state: S): number;
  /** Null: no text with this character is accepted. */
  step(state: S, char: string): S | null;
  accepts(state: S): boolean;
}

/** An automaton that creates its states when they are first reached. */
function lazyAutomaton<S>({ start, keyOf, step, accepts }: LazyAutomatonOptions<S>): Automaton {
  const states: S[] = [start];
  const numbers = new Map([[keyOf(start), 0]]);
  return {
    start: 0,
    boundaries: BOUNDARIES,
    accepts: (state) => accepts(states[state]!),
    step(state, codePoint) {
      const next = step(states[state]!, String.fromCodePoint(codePoint));
      if (next === null) return -1;
      const key = keyOf(next);
      let number = numbers.get(key);
      if (number === undefined) {
        number = states.push(next) - 1;
        numbers.set(key, number);
      }
      return number;
    },
  };
}

/** The characters of decimal numbers. */
const SIGNS = "-.0123456789";
const BOUNDARIES = [...SIGNS].flatMap((char) => [char.charCodeAt(0), char.charCodeAt(0) + 1]);

interface BoundComparison {
  negative: boolean;
  /** Number of whole digits read, capped just above the bound's; −1 in the fraction. */
  whole: number;
  /** Number of fraction digits read, capped at the bound's. */
  fraction: number;
  /** −1, 0 or 1: the digits read compared with as many digits of the bound. */
  order: number;
}

/** Accepts numbers without exponent whose comparison with the bound (−1, 0 or 1) `allows` accepts. */
function boundAutomaton(bound: Decimal, allows: (order: number) => boolean): Automaton {
  const magnitude = bound.units < 0n ? -bound.units : bound.units;
  const digits = String(magnitude).padStart(bound.scale + 1, "0");
  const whole = digits.slice(0, digits.length - bound.scale);
  const fraction = digits.slice(digits.length - bound.scale);
  const endWhole = ({ whole: count, order }: BoundComparison): number =>
    count === -1 || count === whole.length ? order : count < whole.length ? -1 : 1;
  const step = (state: BoundComparison, char: string): BoundComparison | null => {
    if (char === "-") return { ...state, negative: true };
    if (char === ".") return { ...state, order: endWhole(state), whole: -1 };
    if (char < "0" || char > "9") return null;
    const inFraction = state.whole === -1;
    const expected = inFraction ? (fraction[state.fraction] ?? "0") : (whole[state.whole] ?? "0");
    const order = state.order !== 0 ? state.order : char < expected ? -1 : char > expected ? 1 : 0;
    if (inFraction) return { ...state, order, fraction: Math.min(state.fraction + 1, fraction.length) };
    return { ...state, order, whole: Math.min(state.whole + 1, whole.length + 1) };
  };
  const accepts = (state: BoundComparison): boolean => {
    let order = endWhole(state);
    // The bound's last digit is not 0, so a number that ends earlier is smaller.
    if (order === 0 && state.fraction < fraction.length) order = -1;
    if (bound.units !== 0n && state.negative !== bound.units < 0n) return allows(state.negative ? -1 : 1);
    return allows(state.negative ? -order : order);
  };
  const keyOf = (state: BoundComparison): number =>
    (((state.whole + 1) * 512 + state.fraction) * 3 + state.order + 1) * 2 + Number(state.negative);
  const start: BoundComparison = { negative: false, whole: 0, fraction: 0, order: 0 };
  return lazyAutomaton({ start, keyOf, step, accepts });
}

/** Accepts multiples of `units` ÷ 10^`scale`. */
function multipleAutomaton(units: number, scale: number): Automaton {
  return lazyAutomaton<{ rest: number; fraction: number }>({
    start: { rest: 0, fraction: -1 },
    keyOf: (state) => state.rest * 512 + state.fraction + 1,
    step({ rest, fraction }, char) {
      if (char === "-") return { rest, fraction };
      if (char === ".") return { rest, fraction: 0 };
      if (char < "0" || char > "9") return null;
      if (fraction === scale) return char === "0" ? { rest, fraction } : null;
      return { rest: (rest * 10 + Number(char)) % units, fraction: fraction === -1 ? -1 : fraction + 1 };
    },
    accepts: ({ rest, fraction }) =>
      Number((BigInt(rest) * 10n ** BigInt(scale - Math.max(0, fraction))) % BigInt(units)) === 0,
  });
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function lcm(a: bigint, b: bigint): bigint {
  return (a / gcd(a, b)) * b;
}

/** Whether the bounds exclude every common number. */
export function areRangesDisjoint(a: NumberConstraint, b: NumberConstraint): boolean {
  const below = (most: Bound | null, least: Bound | null): boolean => {
    if (most === null || least === null) return false;
    const order = compareDecimals(most.value, least.value);
    return order < 0 || (order === 0 && (most.exclusive || least.exclusive));
  };
  return below(a.most, b.least) || below(b.most, a.least);
}

/** @param inwards 1 for a lower bound, −1 for an upper one. @param whole only whole numbers are meant. */
export function boundOf({
  value,
  exclusive,
  inwards,
  whole,
}: {
  value: JsonNumber;
  exclusive: boolean;
  inwards: 1 | -1;
  whole: boolean;
}): Bound {
  // From 2^53 on, parsers read several numbers as one double, so the bound becomes the next double, inclusive. Readers of
  // whole numbers that large know them exactly.
  if (!whole && exclusive && typeof value === "number" && Math.abs(value) >= 2 ** 53) {
    return { value: toDecimal(nextDouble(value, inwards)), exclusive: false };
  }
  return { value: toDecimal(value), exclusive };
}

/** The adjacent double of a value other than 0, up (1) or down (−1). */
function nextDouble(value: number, direction: 1 | -1): number {
  const bits = new BigInt64Array(new Float64Array([value]).buffer);
  bits[0]! += value > 0 === direction > 0 ? 1n : -1n;
  const next = new Float64Array(bits.buffer)[0]!;
  return Number.isFinite(next) ? next : value;
}

/** The stricter of two bounds. @param inwards 1 for lower bounds, −1 for upper ones. */
export function stricter(a: Bound | null, b: Bound, inwards: 1 | -1): Bound {
  if (a === null) return b;
  const order = compareDecimals(a.value, b.value) * inwards;
  return order > 0 || (order === 0 && a.exclusive) ? a : b;
}

import { alt, EMPTY, type Expr, isNever, NEVER, ref, repeat, seq, text } from "../gbnf/expression.ts";
import { COMMA, type GrammarRules } from "./grammar-rules.ts";

/** A property. `expr` begins after the opening quote: the rest of the name, the colon, the value. */
export interface PropertyPair {
  expr: Expr;
  required: boolean;
}

export interface ObjectShape {
  /** In the order of the output; each occurs at most once. */
  pairs: readonly PropertyPair[];
  /** Any number of pairs with other names, at the end; NEVER for none. */
  extra: Expr;
  min: number;
  max: number | null;
}

/** Most states for counting properties. */
const MAX_STATES = 4_000;

/**
 * An expression for the object, linear in the number of pairs: the rule of each position matches the pair at the position
 * or, when the pair is optional, falls through to the rule of the next position.
 * @returns null when counting the properties takes too many states.
 */
export function objectExpr(shape: ObjectShape, rules: GrammarRules): Expr | null {
  const { pairs, extra, min, max } = shape;
  const required = pairs.filter((pair) => pair.required).length;
  const possible = isNever(extra) ? pairs.length : Number.POSITIVE_INFINITY;
  if (required > (max ?? Number.POSITIVE_INFINITY) || possible < min) return NEVER;
  if (min <= required && (max === null || max >= possible)) return plainObject(shape, rules);
  const most = max ?? min;
  return most * (pairs.length + 1) > MAX_STATES ? null : new CountedObject(shape, most, rules).expr();
}

/** Built from the end: `names` matches everything that may follow an opening quote at the current position. */
function plainObject({ pairs, extra }: ObjectShape, rules: GrammarRules): Expr {
  let names: Expr = isNever(extra) ? NEVER : seq(extra, repeat(seq(text(`${COMMA}"`), extra), 0, null));
  let mayEnd = true;
  for (let at = pairs.length - 1; at >= 0; at--) {
    const { expr, required } = pairs[at]!;
    // A rule, as it is used twice: after this pair and instead of it.
    if (!required && !isNever(names)) names = rules.add(names);
    const pair = seq(expr, following(names, mayEnd, `${COMMA}"`));
    names = required ? pair : alt(pair, names);
    mayEnd &&= !required;
  }
  return seq(text("{"), following(names, mayEnd, '"'), text("}"));
}

function following(names: Expr, mayEnd: boolean, separator: string): Expr {
  if (isNever(names)) return mayEnd ? EMPTY : NEVER;
  const next = seq(text(separator), names);
  return mayEnd ? repeat(next, 0, 1) : next;
}

/** The object with a bounded number of pairs: each state counts the pairs so far, up to `most`. */
class CountedObject {
  readonly #shape: ObjectShape;
  readonly #most: number;
  readonly #rules: GrammarRules;
  readonly #names = new Map<string, string>();
  readonly #pending: [at: number, count: number][] = [];

  constructor(shape: ObjectShape, most: number, rules: GrammarRules) {
    this.#shape = shape;
    this.#most = most;
    this.#rules = rules;
  }

  expr(): Expr {
    const start = this.#afterPair(0, 0, '"');
    for (let state = this.#pending.pop(); state !== undefined; state = this.#pending.pop()) {
      this.#rules.byName.set(this.#names.get(state.join())!, this.#pairAt(...state));
    }
    return seq(text("{"), start, text("}"));
  }

  /** Matches the rest of the object after `count` pairs, when pair `at` is the next possible one. */
  #afterPair(at: number, count: number, separator: string): Expr {
    const { pairs, min, max } = this.#shape;
    const mayEnd = count >= min && !pairs.slice(at).some((pair) => pair.required);
    if (max !== null && count >= max) return mayEnd ? EMPTY : NEVER;
    return following(this.#ref(at, count), mayEnd, separator);
  }

  #ref(at: number, count: number): Expr {
    const key = `${at},${count}`;
    let name = this.#names.get(key);
    if (name === undefined) {
      name = this.#rules.freshName();
      this.#names.set(key, name);
      this.#pending.push([at, count]);
    }
    return ref(name);
  }

  #pairAt(at: number, count: number): Expr {
    const { pairs, extra, max } = this.#shape;
    // Without an upper bound the count stops at the lower one.
    const next = max === null ? Math.min(count + 1, this.#most) : count + 1;
    const pair = pairs[at];
    if (pair === undefined)
      return isNever(extra) ? NEVER : seq(extra, this.#afterPair(at, next, `${COMMA}"`));
    const withPair = seq(pair.expr, this.#afterPair(at + 1, next, `${COMMA}"`));
    return pair.required ? withPair : alt(withPair, this.#ref(at + 1, count));
  }
}

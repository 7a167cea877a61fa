import { alt, EMPTY, type Expr, isNever, NEVER, ref, repeat, seq, text } from "../gbnf/expression.ts";
import { COMMA, type GrammarRules } from "./grammar-rules.ts";

/** A pair after its opening quote: the rest of the name, the colon, the value. */
export interface PropertyPair {
  expr: Expr;
  required: boolean;
}

export interface ObjectShape {
  /** In the order in which they come, each at most once. */
  pairs: readonly PropertyPair[];
  /** Pairs with other names, any number of them, at the end; NEVER for none. */
  extra: Expr;
  min: number;
  max: number | null;
}

/** More states than this for counting properties are too many. */
const MAX_STATES = 4_000;

/**
 * The object. Its size is linear in the number of pairs: a rule for each place says which names may come next, and a
 * missing optional name falls through to the next place.
 * @returns null when the properties cannot be counted.
 */
export function objectExpr(shape: ObjectShape, book: GrammarRules): Expr | null {
  const { pairs, extra, min, max } = shape;
  const required = pairs.filter((pair) => pair.required).length;
  const possible = isNever(extra) ? pairs.length : Number.POSITIVE_INFINITY;
  if (required > (max ?? Number.POSITIVE_INFINITY) || possible < min) return NEVER;
  if (min <= required && (max === null || max >= possible)) return plainObject(shape, book);
  const most = max ?? min;
  return most * (pairs.length + 1) > MAX_STATES ? null : new CountedObject(shape, most, book).expr();
}

/** Built from the end: `next` is what a name and its value are followed by, `names` is what may come after a quote. */
function plainObject({ pairs, extra }: ObjectShape, book: GrammarRules): Expr {
  let names: Expr = isNever(extra) ? NEVER : seq(extra, repeat(seq(text(`${COMMA}"`), extra), 0, null));
  let mayEnd = true;
  for (let at = pairs.length - 1; at >= 0; at--) {
    const { expr, required } = pairs[at]!;
    // Used twice: after this pair, and in its place.
    if (!required && !isNever(names)) names = book.add(names);
    const pair = seq(expr, following(names, mayEnd, `${COMMA}"`));
    names = required ? pair : alt(pair, names);
    mayEnd &&= !required;
  }
  return seq(text("{"), following(names, mayEnd, '"'), text("}"));
}

function following(names: Expr, mayEnd: boolean, separator: string): Expr {
  if (isNever(names)) return mayEnd ? EMPTY : NEVER;
  const more = seq(text(separator), names);
  return mayEnd ? repeat(more, 0, 1) : more;
}

/** The same with a count of the pairs so far in every state, up to `most`. */
class CountedObject {
  readonly #shape: ObjectShape;
  readonly #most: number;
  readonly #rules: GrammarRules;
  readonly #names = new Map<string, string>();
  readonly #pending: [at: number, count: number][] = [];

  constructor(shape: ObjectShape, most: number, book: GrammarRules) {
    this.#shape = shape;
    this.#most = most;
    this.#rules = book;
  }

  expr(): Expr {
    const start = this.#afterPair(0, 0, '"');
    for (let state = this.#pending.pop(); state !== undefined; state = this.#pending.pop()) {
      this.#rules.byName.set(this.#names.get(state.join())!, this.#pairAt(...state));
    }
    return seq(text("{"), start, text("}"));
  }

  /** What may come once `count` pairs are written and pair `at` is the next that may come. */
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
    // Without an upper bound it is enough to know that the lower one is met.
    const next = max === null ? Math.min(count + 1, this.#most) : count + 1;
    const pair = pairs[at];
    if (pair === undefined)
      return isNever(extra) ? NEVER : seq(extra, this.#afterPair(at, next, `${COMMA}"`));
    const written = seq(pair.expr, this.#afterPair(at + 1, next, `${COMMA}"`));
    return pair.required ? written : alt(written, this.#ref(at + 1, count));
  }
}

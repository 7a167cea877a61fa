import { charsOf, range, subtract, UNICODE, union } from "../gbnf/char-set.ts";
import {
  alt,
  type Expr,
  optional,
  type Rules,
  ref,
  refsOf,
  repeat,
  seq,
  set,
  text,
} from "../gbnf/expression.ts";
import { MAX_ENGINE_REPEAT } from "../gbnf/parser.ts";

const HEX = set(union(range(0x30, 0x39), range(0x41, 0x46), range(0x61, 0x66)));
const DIGIT = set(range(0x30, 0x39));
const digits = (most: number): Expr => repeat(DIGIT, 1, most);
/** One blank after a comma or colon and no others: with free blanks a model could write blanks for ever. */
export const COMMA = ", ";
export const COLON = ": ";

/** One character of a JSON string; escaped surrogates in pairs only. */
const CHAR = alt(
  set(subtract(UNICODE, union(range(0, 0x1f), range(0x7f), charsOf('"\\')))),
  seq(
    text("\\"),
    alt(
      set(charsOf('"\\/bfnrt')),
      seq(
        text("u"),
        alt(
          seq(set(charsOf("0123456789abcefABCEF")), HEX, HEX, HEX),
          seq(
            set(charsOf("dD")),
            alt(
              seq(set(charsOf("01234567")), HEX, HEX),
              seq(
                set(charsOf("89abAB")),
                HEX,
                HEX,
                text("\\u"),
                set(charsOf("dD")),
                set(charsOf("cdefCDEF")),
                HEX,
                HEX,
              ),
            ),
          ),
        ),
      ),
    ),
  ),
);

const WHOLE = alt(text("0"), seq(set(range(0x31, 0x39)), repeat(DIGIT, 0, 14)));

/** Rules that every schema may use. A name means the same rule in every grammar, so that composite grammars share them. */
const BASE_RULES: Record<string, Expr> = {
  "json-value": alt(
    ref("json-object"),
    ref("json-array"),
    ref("json-string"),
    ref("json-number"),
    ref("json-boolean"),
    text("null"),
  ),
  "json-object": seq(
    text("{"),
    optional(seq(ref("json-pair"), repeat(seq(text(COMMA), ref("json-pair")), 0, null))),
    text("}"),
  ),
  "json-pair": seq(ref("json-string"), text(COLON), ref("json-value")),
  "json-array": seq(
    text("["),
    optional(seq(ref("json-value"), repeat(seq(text(COMMA), ref("json-value")), 0, null))),
    text("]"),
  ),
  "json-string": seq(text('"'), ref("json-rest")),
  // A string from after its opening quote.
  "json-rest": seq(repeat(ref("json-char"), 0, null), text('"')),
  "json-char": CHAR,
  "json-boolean": alt(text("true"), text("false")),
  "json-integer": seq(optional(text("-")), WHOLE),
  "json-number": seq(
    optional(text("-")),
    WHOLE,
    optional(seq(text("."), digits(15))),
    optional(seq(set(charsOf("eE")), optional(set(charsOf("+-"))), digits(2))),
  ),
};
const BASE_NAMES = new Set(Object.keys(BASE_RULES));

/** Items of a block. Counting blocks extends the engine's limit on repetitions. */
const BLOCK = 1_000;
/** Largest count that `repeat` supports. */
export const MAX_REPEAT = BLOCK * MAX_ENGINE_REPEAT;

/** The rules of a grammar under construction. */
export class GrammarRules {
  readonly byName: Rules = new Map();
  #nameCount = 0;

  /** An unused rule name. */
  freshName(): string {
    return `r${++this.#nameCount}`;
  }

  add(expr: Expr): Expr {
    const name = this.freshName();
    this.byName.set(name, expr);
    return ref(name);
  }

  /** A reference to one of the base rules; adds the rule and the rules that it uses. */
  baseRule(name: string): Expr {
    if (!this.byName.has(name)) {
      const pending = [name];
      for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
        if (this.byName.has(next)) continue;
        this.byName.set(next, BASE_RULES[next]!);
        pending.push(...refsOf(BASE_RULES[next]!).filter((inner) => BASE_NAMES.has(inner)));
      }
    }
    return ref(name);
  }

  /**
   * `item` from `min` to `max` times, beyond the engine's limit on repetitions too.
   * @param max at most MAX_REPEAT, as `min`; null: unbounded.
   */
  repeat(item: Expr, min: number, max: number | null): Expr {
    if (Math.max(min, max ?? 0) <= 1 || (max === null && min <= MAX_ENGINE_REPEAT))
      return repeat(item, min, max);
    const unit = item.kind === "ref" || item.kind === "set" ? item : this.add(item);
    if (Math.max(min, max ?? 0) <= MAX_ENGINE_REPEAT) return repeat(unit, min, max);
    const block = this.add(repeat(unit, BLOCK, BLOCK));
    const exactly = seq(
      repeat(block, Math.floor(min / BLOCK), Math.floor(min / BLOCK)),
      repeat(unit, min % BLOCK, min % BLOCK),
    );
    if (max === null) return seq(exactly, repeat(unit, 0, null));
    const most = max - min;
    if (most <= MAX_ENGINE_REPEAT) return seq(exactly, repeat(unit, 0, most));
    const blocks = Math.floor(most / BLOCK);
    // Either fewer than all blocks and any part of one more, or all blocks and up to the remainder.
    const fewer = seq(repeat(block, 0, blocks - 1), repeat(unit, 0, BLOCK - 1));
    return seq(exactly, alt(fewer, seq(repeat(block, blocks, blocks), repeat(unit, 0, most % BLOCK))));
  }
}

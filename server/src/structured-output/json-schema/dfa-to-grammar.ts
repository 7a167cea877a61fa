import type { Dfa } from "../automata/dfa.ts";
import {
  type CharSet,
  charsOf,
  contains,
  fromRanges,
  intersect,
  subtract,
  toRanges,
} from "../gbnf/char-set.ts";
import { alt, EMPTY, type Expr, NEVER, type Rules, ref, seq, set, text } from "../gbnf/expression.ts";

/** The expression for one character of the set: as it is or with JSON escapes. */
export type WriteChars = (chars: CharSet) => Expr;

export interface DfaToExprOptions {
  /** Prefix of the names of added rules. */
  name: string;
  /** Rules are added here. */
  rules: Rules;
  write: WriteChars;
}

/** Most levels of states inlined into one rule; deeper states get rules of their own. */
const MAX_INLINE = 12;

/**
 * Converts the automaton to rules. States with a single incoming edge are inlined; the others become the rules `<name>-1`,
 * `<name>-2` …
 */
export function dfaToExpr(dfa: Dfa, { name, rules, write }: DfaToExprOptions): Expr {
  const incoming = new Array<number>(dfa.length).fill(0);
  incoming[0] = 1;
  for (const state of dfa) for (const { to } of state.edges) incoming[to]!++;
  const names = new Map<number, string>();
  const pending: number[] = [];
  const enter = (number: number, depth: number): Expr => {
    if (dfa[number]!.edges.length === 0) return EMPTY;
    if (incoming[number] === 1 && depth < MAX_INLINE) return body(number, depth);
    let rule = names.get(number);
    if (rule === undefined) {
      rule = `${name}-${names.size + 1}`;
      names.set(number, rule);
      pending.push(number);
    }
    return ref(rule);
  };
  const body = (from: number, depth: number): Expr => {
    const chain: Expr[] = [];
    let state = dfa[from]!;
    for (let edge = state.edges[0]; edge !== undefined; edge = state.edges[0]) {
      if (state.accepts || state.edges.length > 1 || incoming[edge.to]! > 1) break;
      chain.push(write(edge.set));
      state = dfa[edge.to]!;
    }
    const options = state.edges.map((edge) => seq(write(edge.set), enter(edge.to, depth + 1)));
    return seq(...chain, alt(...options, ...(state.accepts ? [EMPTY] : [])));
  };
  // A start state with an edge back to it needs a rule.
  const start = incoming[0] === 1 ? body(0, 0) : enter(0, MAX_INLINE);
  for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
    rules.set(names.get(number)!, body(number, 0));
  }
  return start;
}

/** Matches one of the words. Many words become a trie, so that the engine follows one path instead of all words. */
export function wordsToExpr(words: readonly string[], name: string, rules: Rules): Expr {
  if (words.length <= MAX_INLINE) return alt(...words.map(text));
  const dfa: Dfa = [{ accepts: false, edges: [] }];
  const next: Map<number, number>[] = [new Map()];
  for (const word of words) {
    let at = 0;
    for (const char of word) {
      const code = char.codePointAt(0)!;
      let to = next[at]!.get(code);
      if (to === undefined) {
        to = dfa.push({ accepts: false, edges: [] }) - 1;
        next.push(new Map());
        next[at]!.set(code, to);
        dfa[at]!.edges.push({ set: [code, code], to });
      }
      at = to;
    }
    dfa[at]!.accepts = true;
  }
  return dfaToExpr(dfa, { name, rules, write: writeUnescaped });
}

/** Writes characters without escapes: digits, JSON literals. */
export const writeUnescaped: WriteChars = (chars) =>
  chars.length === 2 && chars[0] === chars[1] ? text(String.fromCodePoint(chars[0]!)) : set(chars);

/** Characters that JSON strings must escape (quote, backslash, controls), and DEL. */
const ESCAPED: CharSet = [0, 0x1f, 0x22, 0x22, 0x5c, 0x5c, 0x7f, 0x7f];
const SHORT_ESCAPES: Record<number, string> = {
  8: "b",
  9: "t",
  10: "n",
  12: "f",
  13: "r",
  34: '"',
  92: "\\",
};

/** Writes characters of a JSON string, each in one way only: two ways for one text would make the grammar ambiguous. */
export const writeJsonEscaped: WriteChars = (chars) => {
  const escapes = intersect(chars, ESCAPED);
  const letters = Object.entries(SHORT_ESCAPES).filter(([code]) => contains(escapes, Number(code)));
  const long = subtract(escapes, fromRanges(letters.map(([code]) => [Number(code), Number(code)])));
  const byHigh = new Map<number, number[]>();
  for (const [lo, hi] of toRanges(long)) {
    for (let code = lo; code <= hi; code++)
      byHigh.set(code >> 4, [...(byHigh.get(code >> 4) ?? []), code & 15]);
  }
  const hex = (digits: number[]): Expr =>
    writeUnescaped(charsOf(digits.map((digit) => digit.toString(16)).join("")));
  const codes = [...byHigh].map(([high, lows]) => seq(hex([high]), hex(lows)));
  const escaped = alt(
    writeUnescaped(charsOf(letters.map(([, letter]) => letter).join(""))),
    codes.length === 0 ? NEVER : seq(text("u00"), alt(...codes)),
  );
  return alt(writeUnescaped(subtract(chars, ESCAPED)), seq(text("\\"), escaped));
};

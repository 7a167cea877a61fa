import type { CharSet } from "./char-set.ts";

/** A terminal, which is a set of characters, or a rule by its index. */
export type GrammarSymbol = { set: CharSet } | { rule: number };

export interface LoweredRule {
  /** Name of the source rule that this rule was made from. */
  name: string;
  /** An alternative without symbols matches the empty text. */
  alternatives: GrammarSymbol[][];
  /** Whether the rule was made for a repetition. */
  repetition: boolean;
  /** Offset of the repetition's operator in the source. */
  at?: number | undefined;
}

export interface LoweredGrammar {
  rules: LoweredRule[];
  root: number;
  /** UTF-8 bytes of each rule's shortest text; infinite for a rule that matches no finite text. */
  shortest: number[];
}

/** A grammar that the engine would refuse, loop on or run out of memory with. */
export class GrammarCheckError extends Error {
  /** Offset in the source; undefined when unknown. */
  readonly at: number | undefined;
  /** A description of what would be accepted instead. */
  readonly expected: string;
  /** Name of the rule that is wrong; undefined when the whole grammar is. */
  readonly rule: string | undefined;

  constructor(problem: string, expected: string, at?: number, rule?: string) {
    super(problem);
    this.at = at;
    this.expected = expected;
    this.rule = rule;
  }
}

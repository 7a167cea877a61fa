import type { CompositeGrammar } from "./composite-grammar.ts";
import { printExpr, text } from "./gbnf/expression.ts";

/** Compiles parts; see GrammarCompiler. */
export type CompileCompositeGrammar = (
  parts: CompositeGrammar,
) => Promise<{ grammar: string; unenforced: readonly string[] }>;

/**
 * Puts a bigger grammar together: a tool call is a literal, arguments by a schema, a literal. Every method returns a
 * GBNF expression that can stand in a sequence; nothing is compiled before `finish`.
 */
export class CompositeGrammarBuilder {
  readonly #compile: CompileCompositeGrammar;
  readonly #parts: CompositeGrammar = { rules: {}, schemas: {}, texts: {} };
  #nameCount = 0;

  constructor(compile: CompileCompositeGrammar) {
    this.#compile = compile;
  }

  /** Exactly this text. */
  literal(value: string): string {
    return printExpr(text(value));
  }

  /** The JSON texts that fit the schema, a value parsed from JSON. */
  schema(schema: unknown): string {
    const name = this.#name("schema");
    this.#parts.schemas[name] = schema;
    return name;
  }

  /** Any text, the empty one too, in which none of the literals occurs. */
  textWithout(...literals: readonly string[]): string {
    const name = this.#name("text");
    this.#parts.texts[name] = literals;
    return name;
  }

  /** Names an expression, so that it is written once. */
  rule(expression: string): string {
    const name = this.#name("part");
    this.#parts.rules[name] = expression;
    return name;
  }

  /**
   * The whole grammar. Pointers begin with the schema's number, from 0, in the order of the calls of `schema`.
   * @throws SchemaError; GrammarError where the whole is too large or too ambiguous; AppError UNAVAILABLE
   */
  finish(root: string): Promise<{ grammar: string; unenforced: readonly string[] }> {
    return this.#compile({ ...this.#parts, rules: { ...this.#parts.rules, root } });
  }

  #name(kind: string): string {
    return `${kind}-${++this.#nameCount}`;
  }
}

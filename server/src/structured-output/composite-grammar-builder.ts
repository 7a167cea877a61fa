import type { CompiledGrammar } from "./compiled-grammar.ts";
import type { CompositeGrammar } from "./composite-grammar.ts";
import { printExpr, text } from "./gbnf/expression.ts";

/** See `GrammarCompiler.compileComposite`. */
export type CompileCompositeGrammar = (parts: CompositeGrammar) => Promise<CompiledGrammar>;

/**
 * Composes a grammar of parts: a tool call, say, is a literal, arguments that fit a schema, and a literal. Every method
 * returns a GBNF expression that can stand in a sequence; `finish` compiles all of them.
 */
export class CompositeGrammarBuilder {
  readonly #compile: CompileCompositeGrammar;
  readonly #parts: CompositeGrammar = { rules: {}, schemas: {}, texts: {} };
  #nameCount = 0;

  constructor(compile: CompileCompositeGrammar) {
    this.#compile = compile;
  }

  /** Matches exactly this text. */
  literal(value: string): string {
    return printExpr(text(value));
  }

  /** Matches the JSON texts that fit the schema, a value parsed from JSON. */
  schema(schema: unknown): string {
    const name = this.#name("schema");
    this.#parts.schemas[name] = schema;
    return name;
  }

  /** Matches any text, even empty, that contains none of the literals. */
  textWithout(...literals: readonly string[]): string {
    const name = this.#name("text");
    this.#parts.texts[name] = literals;
    return name;
  }

  /** Makes a rule of an expression, so that the grammar contains it once. */
  rule(expression: string): string {
    const name = this.#name("part");
    this.#parts.rules[name] = expression;
    return name;
  }

  /**
   * Compiles the whole grammar. JSON pointers begin with the schema's number, from 0, in the order of the calls of `schema`.
   * @throws SchemaError; GrammarError when the whole is too large or too ambiguous; AppError UNAVAILABLE
   */
  finish(root: string): Promise<CompiledGrammar> {
    return this.#compile({ ...this.#parts, rules: { ...this.#parts.rules, root } });
  }

  #name(kind: string): string {
    return `${kind}-${++this.#nameCount}`;
  }
}

import { compileCompositeGrammar } from "./composite-grammar.ts";
import { parseGbnf } from "./gbnf/grammar.ts";
import { GrammarError } from "./gbnf/parser.ts";
import { compileSchema } from "./json-schema/compile-schema.ts";
import { SchemaError } from "./json-schema/schema-error.ts";

/** A text to compile: a JSON schema, parts as JSON, or a grammar to check. */
export interface CompileJob {
  kind: "schema" | "parts" | "gbnf";
  text: string;
}

/** What a job came to, in a form that can be sent and kept. */
export type CompileResult =
  | { ok: true; grammar: string; unenforced: readonly string[] }
  | { ok: false; kind: "schema"; path: string; problem: string }
  | { ok: false; kind: "gbnf"; line: number; column: number; expected: string; message: string };

/** Never throws for what is wrong with the text. */
export function runCompileJob({ kind, text }: CompileJob): CompileResult {
  try {
    if (kind === "gbnf") return { ok: true, grammar: parseGbnf(text).text, unenforced: [] };
    if (kind === "parts") return { ok: true, ...compileCompositeGrammar(JSON.parse(text)) };
    return { ok: true, ...compileSchema(JSON.parse(text)) };
  } catch (error) {
    if (error instanceof SchemaError) {
      return { ok: false, kind: "schema", path: error.path, problem: error.problem };
    }
    if (!(error instanceof GrammarError)) throw error;
    const { line, column, expected, message } = error;
    return { ok: false, kind: "gbnf", line, column, expected, message };
  }
}

/** The result of a job that took too long or too much. */
export function tooComplexResult(kind: CompileJob["kind"]): CompileResult {
  if (kind !== "gbnf") return { ok: false, kind: "schema", path: "", problem: "The schema is too complex." };
  const message = "line 1, column 1: the grammar is too complex; expected a simpler one";
  return { ok: false, kind, line: 1, column: 1, expected: "a simpler one", message };
}

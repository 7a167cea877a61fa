import { type CompositeGrammar, compileCompositeGrammar } from "./composite-grammar.ts";
import { parseGbnf } from "./gbnf/grammar.ts";
import { GrammarError } from "./gbnf/parser.ts";
import { compileSchema } from "./json-schema/compile-schema.ts";
import { parseExactJson } from "./json-schema/exact-json.ts";
import { SCHEMA_LIMITS } from "./json-schema/schema-document.ts";
import { SchemaError } from "./json-schema/schema-error.ts";

/** A composite grammar holds its schemas two levels down. */
const MAX_JSON_DEPTH = SCHEMA_LIMITS.maxDepth + 2;

/** A text to compile: a JSON schema, a composite grammar as JSON, or a GBNF grammar to check. */
export interface CompileJob {
  kind: "schema" | "parts" | "gbnf";
  text: string;
}

/** The result of a job, as plain data for the message channel and the cache. */
export type CompileResult =
  | { ok: true; grammar: string; unenforced: readonly string[] }
  | { ok: false; kind: "schema"; path: string; problem: string }
  | { ok: false; kind: "gbnf"; line: number; column: number; expected: string; message: string };

/** Returns an invalid text as a result; throws only for bugs. */
export function runCompileJob({ kind, text }: CompileJob): CompileResult {
  try {
    if (kind === "gbnf") return { ok: true, grammar: parseGbnf(text).text, unenforced: [] };
    const value = parseExactJson(text, MAX_JSON_DEPTH);
    if (kind === "parts") {
      return { ok: true, ...compileCompositeGrammar(value as unknown as CompositeGrammar) };
    }
    return { ok: true, ...compileSchema(value) };
  } catch (error) {
    if (error instanceof SchemaError) {
      return { ok: false, kind: "schema", path: error.path, problem: error.problem };
    }
    if (!(error instanceof GrammarError)) throw error;
    const { line, column, expected, message } = error;
    return { ok: false, kind: "gbnf", line, column, expected, message };
  }
}

/** The result of a job that exceeded its CPU time or memory. */
export function tooComplexResult(kind: CompileJob["kind"]): CompileResult {
  if (kind !== "gbnf") return { ok: false, kind: "schema", path: "", problem: "The schema is too complex." };
  const message = "line 1, column 1: the grammar is too complex; expected a simpler one";
  return { ok: false, kind, line: 1, column: 1, expected: "a simpler one", message };
}

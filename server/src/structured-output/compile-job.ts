import type { CompiledGrammar } from "./compiled-grammar.ts";
import { type CompositeGrammar, compileCompositeGrammar } from "./composite-grammar.ts";
import { parseGbnf } from "./gbnf/grammar.ts";
import { lower } from "./gbnf/lower.ts";
import { mayContain } from "./gbnf/occurrence.ts";
import { GBNF_LIMITS, GrammarError, parseRules } from "./gbnf/parser.ts";
import { compileSchema } from "./json-schema/compile-schema.ts";
import { parseExactJson } from "./json-schema/exact-json.ts";
import { SCHEMA_LIMITS } from "./json-schema/schema-document.ts";
import { SchemaError } from "./json-schema/schema-error.ts";

/** Compiled grammars may be longer than those of clients. */
const UNLIMITED = { ...GBNF_LIMITS, maxBytes: Number.POSITIVE_INFINITY, maxRules: Number.POSITIVE_INFINITY };

/** A composite grammar holds its schemas two levels down. */
const MAX_JSON_DEPTH = SCHEMA_LIMITS.maxDepth + 2;

/**
 * A text to compile: a JSON schema, a composite grammar as JSON, or a GBNF grammar to check. `stops`: a JSON list of a
 * checked grammar and texts, of which the first that its outputs may contain is looked for.
 */
export interface CompileJob {
  kind: "schema" | "parts" | "gbnf" | "stops";
  text: string;
}

/** The result of a job, as plain data for the message channel and the cache. */
export type CompileResult =
  | ({ ok: true; kind: "grammar" } & CompiledGrammar)
  | { ok: true; kind: "stops"; found: string | null }
  | { ok: false; kind: "schema"; path: string; problem: string }
  | { ok: false; kind: "gbnf"; line: number; column: number; expected: string; message: string };

/** Returns an invalid text as a result; throws only for bugs. */
export function runCompileJob({ kind, text }: CompileJob): CompileResult {
  try {
    if (kind === "gbnf") {
      return { ok: true, kind: "grammar", grammar: parseGbnf(text).text, unenforced: [], impliedTypes: [] };
    }
    if (kind === "stops") return { ok: true, kind, found: findStop(text) };
    const value = parseExactJson(text, MAX_JSON_DEPTH);
    if (kind === "parts") {
      return { ok: true, kind: "grammar", ...compileCompositeGrammar(value as unknown as CompositeGrammar) };
    }
    return { ok: true, kind: "grammar", ...compileSchema(value) };
  } catch (error) {
    if (error instanceof SchemaError) {
      return { ok: false, kind: "schema", path: error.path, problem: error.problem };
    }
    if (!(error instanceof GrammarError)) throw error;
    const { line, column, expected, message } = error;
    return { ok: false, kind: "gbnf", line, column, expected, message };
  }
}

function findStop(text: string): string | null {
  const [grammar, ...stops] = JSON.parse(text) as [string, ...string[]];
  const rules = lower(parseRules(grammar, UNLIMITED).rules, GBNF_LIMITS.maxElements);
  return stops.find((stop) => mayContain(rules, stop)) ?? null;
}

/** The result of a job that exceeded its CPU time or memory. */
export function tooComplexResult({ kind, text }: CompileJob): CompileResult {
  if (kind === "stops") return { ok: true, kind, found: (JSON.parse(text) as string[])[1] ?? null };
  if (kind !== "gbnf") return { ok: false, kind: "schema", path: "", problem: "The schema is too complex." };
  const message = "line 1, column 1: the grammar is too complex; expected a simpler one";
  return { ok: false, kind, line: 1, column: 1, expected: "a simpler one", message };
}

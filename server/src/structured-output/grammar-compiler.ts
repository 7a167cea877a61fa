import { createHash } from "node:crypto";
import { type Clock, systemClock } from "../lib/clock.ts";
import { JobLimitError, JobProcess } from "../platform/process/job-process.ts";
import { type CompileJob, type CompileResult, runCompileJob, tooComplexResult } from "./compile-job.ts";
import type { CompositeGrammar } from "./composite-grammar.ts";
import { CompositeGrammarBuilder as Builder } from "./composite-grammar-builder.ts";
import { printRules } from "./gbnf/expression.ts";
import { GBNF_LIMITS, GrammarError } from "./gbnf/parser.ts";
import { GrammarRules } from "./json-schema/grammar-rules.ts";
import { measureJson, SCHEMA_LIMITS, type SchemaLimits } from "./json-schema/schema-document.ts";
import { SchemaError } from "./json-schema/schema-error.ts";
import { ResultCache } from "./result-cache.ts";

export interface CompiledGrammar {
  /** GBNF with the rule `root`, checked. */
  grammar: string;
  /** JSON pointers of the schema's keywords that the grammar does not enforce. */
  unenforced: readonly string[];
}

export interface GrammarCompilerOptions {
  clock: Clock;
  /** Time limit of one job, from its start; time in the queue does not count. */
  timeoutMs: number;
  /** Most queued jobs; more are refused. */
  maxQueued: number;
  maxCached: number;
  maxCachedBytes: number;
}

const DEFAULT_OPTIONS: GrammarCompilerOptions = {
  clock: systemClock,
  timeoutMs: 2_000,
  maxQueued: 256,
  maxCached: 1_000,
  maxCachedBytes: 16 * 1024 * 1024,
};

/** Limits of all schemas of one request together. */
const COMPOSITE_LIMITS: SchemaLimits = {
  maxBytes: 1024 * 1024,
  maxDepth: SCHEMA_LIMITS.maxDepth + 2,
  maxNodes: 100_000,
};

/** Smaller, simple schemas are compiled in this process: that takes less time than a message to another process. */
const INLINE_VALUES = 150;
const INLINE_LENGTH = 4_000;
/** Keywords that need automata or multiply alternatives. A property of such a name goes to the process needlessly. */
const COSTLY_KEYWORDS = new RegExp(
  `"(?:${[
    "pattern",
    "patternProperties",
    "format",
    "allOf",
    "oneOf",
    "multipleOf",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "not",
    "if",
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
  ].join("|")})":`,
);

/** Compiles schemas and checks grammars: cached (LRU), deduplicated (singleflight), costly ones in a process of their own. */
export class GrammarCompiler {
  readonly #process: JobProcess<CompileJob, CompileResult>;
  readonly #cache: ResultCache;
  readonly #running = new Map<string, Promise<CompileResult>>();

  constructor(options: Partial<GrammarCompilerOptions> = {}) {
    const allOptions = { ...DEFAULT_OPTIONS, ...options };
    this.#process = new JobProcess({
      ...allOptions,
      entry: new URL("./compile-worker.ts", import.meta.url),
      work: "Schemas are compiled",
    });
    this.#cache = new ResultCache(allOptions.maxCached, allOptions.maxCachedBytes);
  }

  /** Starts the process ahead of the first request. */
  start(): void {
    this.#process.start();
  }

  close(): Promise<void> {
    return this.#process.close();
  }

  get cached(): { count: number; sizeBytes: number } {
    return { count: this.#cache.count, sizeBytes: this.#cache.sizeBytes };
  }

  /** @throws SchemaError; AppError UNAVAILABLE */
  compileSchema(schema: unknown): Promise<CompiledGrammar> {
    return this.#compile("schema", schema, SCHEMA_LIMITS);
  }

  /** @throws SchemaError; GrammarError; AppError UNAVAILABLE */
  compileComposite(parts: CompositeGrammar): Promise<CompiledGrammar> {
    return this.#compile("parts", parts, COMPOSITE_LIMITS);
  }

  /** @throws GrammarError; AppError UNAVAILABLE */
  async checkGbnf(text: string): Promise<string> {
    if (text.length > GBNF_LIMITS.maxBytes) {
      const problem = "the grammar is too large";
      throw new GrammarError("", 0, problem, `at most ${GBNF_LIMITS.maxBytes} bytes`);
    }
    return unwrap(await this.#result({ kind: "gbnf", text }, false)).grammar;
  }

  async #compile(kind: "schema" | "parts", value: unknown, limits: SchemaLimits): Promise<CompiledGrammar> {
    const values = measureJson(value, limits);
    const text = JSON.stringify(value);
    const inline = values <= INLINE_VALUES && text.length <= INLINE_LENGTH && !COSTLY_KEYWORDS.test(text);
    return unwrap(await this.#result({ kind, text }, inline));
  }

  async #result(job: CompileJob, inline: boolean): Promise<CompileResult> {
    const key = createHash("sha256").update(job.kind).update(job.text).digest("base64");
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    if (inline) return this.#cache.set(key, runCompileJob(job));
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#process
        .run(job)
        .catch((error: unknown) => {
          if (error instanceof JobLimitError) return tooComplexResult(job.kind);
          throw error;
        })
        .then((result) => this.#cache.set(key, result))
        .finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }
}

function unwrap(result: CompileResult): CompiledGrammar {
  if (result.ok) return { grammar: result.grammar, unenforced: result.unenforced };
  if (result.kind === "schema") throw new SchemaError(result.path, result.problem);
  throw GrammarError.from(result);
}

const compiler = new GrammarCompiler();

/**
 * The grammar of the JSON texts that fit the schema, a value parsed from JSON.
 * @throws SchemaError with the JSON pointer of the problem; AppError UNAVAILABLE
 */
export function grammarForSchema(schema: unknown): Promise<CompiledGrammar> {
  return compiler.compileSchema(schema);
}

/**
 * Checks a grammar in GBNF and returns it in the form for the engine.
 * @throws GrammarError with line and column; AppError UNAVAILABLE
 */
export function grammarFromGbnf(text: string): Promise<string> {
  return compiler.checkGbnf(text);
}

/** The builder with this process's compiler. */
export class GrammarBuilder extends Builder {
  constructor() {
    super((parts) => compiler.compileComposite(parts));
  }
}

/** Starts the compiling process, so that no request waits for its start. */
export function startGrammarCompiler(): void {
  compiler.start();
}

/** A grammar that matches any JSON object. */
export const ANY_JSON_OBJECT: string = anyJsonObject();

function anyJsonObject(): string {
  const rules = new GrammarRules();
  rules.byName.set("root", rules.baseRule("json-object"));
  return printRules(rules.byName);
}

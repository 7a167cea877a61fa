import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { type Clock, systemClock } from "../lib/clock.ts";
import { FairJobPool } from "../platform/process/fair-job-pool.ts";
import { JobLimitError } from "../platform/process/job-process.ts";
import { type CompileJob, type CompileResult, runCompileJob, tooComplexResult } from "./compile-job.ts";
import type { CompiledGrammar } from "./compiled-grammar.ts";
import type { CompositeGrammar } from "./composite-grammar.ts";
import { CompositeGrammarBuilder as Builder } from "./composite-grammar-builder.ts";
import { printRules } from "./gbnf/expression.ts";
import { GBNF_LIMITS, GrammarError } from "./gbnf/parser.ts";
import { GrammarRules } from "./json-schema/grammar-rules.ts";
import { measureJson, SCHEMA_LIMITS, type SchemaLimits } from "./json-schema/schema-document.ts";
import { SchemaError } from "./json-schema/schema-error.ts";
import { ResultCache } from "./result-cache.ts";
import { schemaText } from "./schema-text.ts";

export interface GrammarCompilerOptions {
  clock: Clock;
  /** Limit on the CPU time of one job. */
  cpuLimitMs: number;
  /** Most processes that compile. */
  processes: number;
  /** Most queued jobs of one account; more are refused. */
  maxQueuedPerAccount: number;
  /** Most queued jobs of all accounts; more are refused. */
  maxQueued: number;
  maxCached: number;
  maxCachedBytes: number;
}

const DEFAULT_OPTIONS: GrammarCompilerOptions = {
  clock: systemClock,
  cpuLimitMs: 2_000,
  processes: Math.min(4, availableParallelism()),
  maxQueuedPerAccount: 64,
  maxQueued: 1_024,
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

/**
 * Compiles schemas and checks grammars: cached (LRU), deduplicated (singleflight), costly ones in processes of their own, where
 * accounts take turns. A job that exceeds its limits is refused but not cached.
 */
export class GrammarCompiler {
  readonly #pool: FairJobPool<CompileJob, CompileResult>;
  readonly #cache: ResultCache;
  readonly #running = new Map<string, Promise<CompileResult>>();

  constructor(options: Partial<GrammarCompilerOptions> = {}) {
    const allOptions = { ...DEFAULT_OPTIONS, ...options };
    this.#pool = new FairJobPool({
      ...allOptions,
      maxQueuedPerClient: allOptions.maxQueuedPerAccount,
      entry: new URL("./compile-worker.ts", import.meta.url),
      work: "Schemas are compiled",
    });
    this.#cache = new ResultCache(allOptions.maxCached, allOptions.maxCachedBytes);
  }

  /** Starts a process ahead of the first request. */
  start(): void {
    this.#pool.start();
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  get cached(): { count: number; sizeBytes: number } {
    return { count: this.#cache.count, sizeBytes: this.#cache.sizeBytes };
  }

  /** @throws SchemaError; AppError UNAVAILABLE */
  async compileSchema(schema: unknown, accountId: string): Promise<CompiledGrammar> {
    const values = measureJson(schema, SCHEMA_LIMITS);
    return this.#compile({ kind: "schema", text: schemaText(schema) }, values, accountId);
  }

  /** @throws SchemaError; GrammarError; AppError UNAVAILABLE */
  async compileComposite(parts: CompositeGrammar, accountId: string): Promise<CompiledGrammar> {
    const values = measureJson(parts, COMPOSITE_LIMITS);
    return this.#compile({ kind: "parts", text: compositeText(parts) }, values, accountId);
  }

  /** @throws GrammarError; AppError UNAVAILABLE */
  async checkGbnf(text: string, accountId: string): Promise<string> {
    if (text.length > GBNF_LIMITS.maxBytes) {
      const problem = "the grammar is too large";
      throw new GrammarError("", 0, problem, `at most ${GBNF_LIMITS.maxBytes} bytes`);
    }
    return unwrap(await this.#result({ job: { kind: "gbnf", text }, inline: false, accountId })).grammar;
  }

  /**
   * The first of the texts that an output of the grammar can contain; null: none can.
   * @param grammar a compiled or checked one.
   * @throws AppError UNAVAILABLE
   */
  async findContained({ grammar, texts, accountId }: ContainedTextsRequest): Promise<string | null> {
    const job: CompileJob = { kind: "stops", text: JSON.stringify([grammar, ...texts]) };
    const result = await this.#result({ job, inline: false, accountId });
    return result.ok && result.kind === "stops" ? result.found : null;
  }

  async #compile(job: CompileJob, values: number, accountId: string): Promise<CompiledGrammar> {
    const { text } = job;
    const inline = values <= INLINE_VALUES && text.length <= INLINE_LENGTH && !COSTLY_KEYWORDS.test(text);
    return unwrap(await this.#result({ job, inline, accountId }));
  }

  async #result({ job, inline, accountId }: CompileRequest): Promise<CompileResult> {
    const key = createHash("sha256").update(job.kind).update(job.text).digest("base64");
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    if (inline) return this.#cache.set(key, runCompileJob(job));
    // An account does not wait in the queue of another, so only requests of one account share a job.
    const runningKey = `${key}${accountId}`;
    let running = this.#running.get(runningKey);
    if (running === undefined) {
      running = this.#pool
        .run(accountId, job)
        .then(
          (result) => this.#cache.set(key, result),
          (error: unknown) => {
            // Not cached: it says how much CPU time the job took here and now, and nothing of the schema.
            if (error instanceof JobLimitError) return tooComplexResult(job);
            throw error;
          },
        )
        .finally(() => this.#running.delete(runningKey));
      this.#running.set(runningKey, running);
    }
    return running;
  }
}

/** As JSON.stringify writes it, but with the clients' own texts of their schemas. */
function compositeText({ rules, schemas, texts }: CompositeGrammar): string {
  const members = Object.entries(schemas).map(
    ([name, schema]) => `${JSON.stringify(name)}:${schemaText(schema)}`,
  );
  return `{"rules":${JSON.stringify(rules)},"schemas":{${members.join()}},"texts":${JSON.stringify(texts)}}`;
}

export interface ContainedTextsRequest {
  grammar: string;
  texts: readonly string[];
  accountId: string;
}

interface CompileRequest {
  job: CompileJob;
  /** Runs the job in this process. */
  inline: boolean;
  accountId: string;
}

function unwrap(result: CompileResult): CompiledGrammar {
  if (result.ok) {
    if (result.kind !== "grammar") throw new TypeError("The result is no grammar.");
    return result;
  }
  if (result.kind === "schema") throw new SchemaError(result.path, result.problem);
  throw GrammarError.from(result);
}

const compiler = new GrammarCompiler();

/**
 * The grammar of the JSON texts that fit the schema, a value parsed from JSON.
 * @param accountId the account that takes its turn in the queue.
 * @throws SchemaError with the JSON pointer of the problem; AppError UNAVAILABLE
 */
export function grammarForSchema(schema: unknown, accountId: string): Promise<CompiledGrammar> {
  return compiler.compileSchema(schema, accountId);
}

/**
 * Checks a grammar in GBNF and returns it in the form for the engine.
 * @throws GrammarError with line and column; AppError UNAVAILABLE
 */
export function grammarFromGbnf(text: string, accountId: string): Promise<string> {
  return compiler.checkGbnf(text, accountId);
}

/**
 * The first of the texts that an output of a compiled grammar can contain; null: none can.
 * @throws AppError UNAVAILABLE
 */
export function findContainedText(request: ContainedTextsRequest): Promise<string | null> {
  return compiler.findContained(request);
}

/** The builder with this process's compiler. */
export class GrammarBuilder extends Builder {
  constructor(accountId: string) {
    super((parts) => compiler.compileComposite(parts, accountId));
  }
}

/** Starts a compiling process, so that no request waits for its start. */
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

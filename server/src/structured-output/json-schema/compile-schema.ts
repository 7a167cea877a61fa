import { alt, type Expr, NEVER, printRules, ref, text } from "../gbnf/expression.ts";
import { lowerAndCheck } from "../gbnf/grammar.ts";
import { GrammarCheckError } from "../gbnf/lower.ts";
import { writeArray, writeObject } from "./compile-containers.ts";
import type { Writing } from "./compile-context.ts";
import { writeNumber, writeString } from "./compile-scalars.ts";
import { wordsToExpr } from "./dfa-to-grammar.ts";
import { RuleBook, refsOf } from "./grammar-rules.ts";
import { jsonText } from "./json-text.ts";
import { type Branch, Branches } from "./schema-alternatives.ts";
import { areBranchesApart, listedValues, type TypeName, writtenTypes } from "./schema-analysis.ts";
import {
  isObject,
  type Json,
  type JsonObject,
  measureJson,
  SCHEMA_LIMITS,
  type Schema,
  SchemaDocument,
  type SchemaLimits,
} from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";
import { findProductive, finishRules } from "./simplify-rules.ts";
import { InstanceCheck } from "./validate.ts";

export interface CompileOptions extends SchemaLimits {
  /** Objects with `properties` have no others, unless the schema says so. */
  closedByDefault: boolean;
}

export const COMPILE_OPTIONS: CompileOptions = { ...SCHEMA_LIMITS, closedByDefault: true };

export interface CompiledSchema {
  /** GBNF; `root` matches the JSON texts of the values. */
  grammar: string;
  /** JSON pointers of the keywords that are not enforced, in the order in which they were met. */
  unenforced: string[];
}

/**
 * Makes the grammar of the JSON texts that are valid. Every text it allows is valid, but for the keywords named as
 * unenforced; not every valid text is allowed: properties come in the order of their declaration, blanks are fixed.
 * @throws SchemaError for what is no valid schema, too large, or fits no finite value.
 */
export function compileSchema(schema: unknown, options: Partial<CompileOptions> = {}): CompiledSchema {
  const settled = { ...COMPILE_OPTIONS, ...options };
  measureJson(schema, settled);
  return new SchemaCompiler(new SchemaDocument(schema), settled).compile();
}

/** Pairs of branches of a `oneOf` compared before the rest counts as not enforced. */
const MAX_COMPARED = 20_000;

class SchemaCompiler implements Writing {
  readonly book = new RuleBook();
  readonly check: InstanceCheck;
  readonly closedByDefault: boolean;
  readonly #document: SchemaDocument;
  readonly #branches: Branches;
  readonly #unenforced = new Set<string>();
  readonly #names = new Map<string, string>();
  readonly #pending: { name: string; schemas: Schema[] }[] = [];
  /** The schema that each rule is made of. */
  readonly #origins = new Map<string, string>();
  #compared = 0;

  constructor(document: SchemaDocument, options: CompileOptions) {
    this.closedByDefault = options.closedByDefault;
    this.#document = document;
    this.#branches = new Branches(document, (pointer) => this.#unenforced.add(pointer));
    this.check = new InstanceCheck(document);
  }

  compile(): CompiledSchema {
    this.book.rules.set("root", this.value([this.#document.root]));
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      this.book.rules.set(next.name, this.#ways(next.schemas));
    }
    const rules = finishRules(this.book.rules);
    if (rules === null) throw this.#noValue();
    try {
      lowerAndCheck(rules);
    } catch (error) {
      if (!(error instanceof GrammarCheckError)) throw error;
      throw new SchemaError("", `The schema is too complex: ${error.message}.`);
    }
    return { grammar: printRules(rules), unenforced: [...this.#unenforced] };
  }

  value(schemas: readonly Schema[]): Expr {
    if (schemas.includes(false)) return NEVER;
    const parts = [...new Set(schemas.filter(isObject))];
    if (parts.length === 0) return this.book.base("json-value");
    const key = parts.map((part) => this.#branches.numberOf(part)).join();
    let name = this.#names.get(key);
    if (name === undefined) {
      name = this.book.name();
      this.#names.set(key, name);
      this.#origins.set(name, this.#document.pointerOf(parts[0]!));
      this.#pending.push({ name, schemas: parts });
    }
    return ref(name);
  }

  unenforced(schema: JsonObject, keyword: string): void {
    this.#unenforced.add(`${this.#document.pointerOf(schema)}/${keyword}`);
  }

  #ways(schemas: readonly Schema[]): Expr {
    return alt(...this.#branches.of(schemas).map((branch) => this.#branch(branch)));
  }

  #branch(branch: Branch): Expr {
    const { schemas } = branch;
    this.#checkChoices(branch);
    if (schemas.length === 0) return this.book.base("json-value");
    const values = listedValues(schemas);
    if (values !== null) {
      const fitting = values.filter((value) => this.#mayFit(value, schemas));
      const written = [...new Set(fitting.map(jsonText))];
      return written.length === 0 ? NEVER : wordsToExpr(written, this.book.name(), this.book.rules);
    }
    for (const schema of schemas) {
      const { not } = schema;
      if (not === true || (isObject(not) && Object.keys(not).length === 0)) return NEVER;
      if (isObject(not)) this.unenforced(schema, "not");
      if ("if" in schema && ("then" in schema || "else" in schema)) this.unenforced(schema, "if");
      for (const key of ["$dynamicRef", "$recursiveRef"]) if (key in schema) this.unenforced(schema, key);
    }
    return alt(...[...writtenTypes(schemas)].map((type) => this.#typed(type, schemas)));
  }

  /** A value that is listed; what it is not certain of is not enforced. */
  #mayFit(value: Json, schemas: readonly JsonObject[]): boolean {
    const verdicts = schemas.map((schema) => this.check.fits(value, schema));
    if (verdicts.includes(null)) return false;
    for (const doubt of verdicts.flatMap((verdict) => verdict ?? []))
      this.unenforced(doubt.schema, doubt.keyword);
    return true;
  }

  #typed(type: TypeName, schemas: readonly JsonObject[]): Expr {
    switch (type) {
      case "null":
        return text("null");
      case "boolean":
        return this.book.base("json-boolean");
      case "integer":
      case "number":
        return writeNumber(schemas, type === "integer", this);
      case "string":
        return writeString(schemas, this);
      case "array":
        return writeArray(schemas, this);
      case "object":
        return writeObject(schemas, this);
    }
  }

  /** Reports a `oneOf` of which a value written for one option may fit another too. */
  #checkChoices(branch: Branch): void {
    for (const { schema, option } of branch.choices) {
      const others = this.#branches
        .optionsOf(schema)
        .filter((_, index) => index !== option)
        .flat();
      this.#compared += others.length;
      const apart =
        this.#compared <= MAX_COMPARED &&
        others.every((other) => areBranchesApart(branch.schemas, other.schemas, this.check));
      if (!apart) this.unenforced(schema, "oneOf");
    }
  }

  /** Follows what matches nothing from the root to where the reason lies. */
  #noValue(): SchemaError {
    const { rules } = this.book;
    const productive = findProductive(rules);
    let cause = "root";
    const seen = new Set([cause]);
    for (const name of seen) {
      const missing = refsOf(rules.get(name)!).filter((used) => !productive.has(used));
      for (const used of missing) seen.add(used);
      if (this.#origins.has(name)) cause = name;
      if (missing.length === 0) {
        return new SchemaError(this.#origins.get(cause) ?? "", "No value can fit this part of the schema.");
      }
    }
    return new SchemaError(
      this.#origins.get(cause) ?? "",
      "The schema needs itself without end, so no finite value fits it.",
    );
  }
}

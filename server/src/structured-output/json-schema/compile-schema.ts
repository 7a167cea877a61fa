import { alt, type Expr, NEVER, printRules, ref, refsOf, text } from "../gbnf/expression.ts";
import { lowerAndCheck } from "../gbnf/grammar.ts";
import { GrammarCheckError } from "../gbnf/lowered-grammar.ts";
import { compileArray, compileObject } from "./compile-containers.ts";
import type { CompileContext } from "./compile-context.ts";
import { compileNumber, compileString } from "./compile-scalars.ts";
import { wordsToExpr } from "./dfa-to-grammar.ts";
import { GrammarRules } from "./grammar-rules.ts";
import { jsonText } from "./json-text.ts";
import { type SchemaAlternative, SchemaAlternatives } from "./schema-alternatives.ts";
import {
  areAlternativesDisjoint,
  declaredTypes,
  enumeratedValues,
  generatedTypes,
  impliesType,
  type JsonType,
} from "./schema-analysis.ts";
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
import { findProductive, simplifyRules } from "./simplify-rules.ts";
import { InstanceValidator } from "./validate.ts";

export interface CompileOptions extends SchemaLimits {
  /** Treat objects with `properties` as closed unless the schema allows additional properties. */
  closedByDefault: boolean;
}

export const COMPILE_OPTIONS: CompileOptions = { ...SCHEMA_LIMITS, closedByDefault: true };

export interface CompiledSchema {
  /** GBNF; `root` matches JSON texts that fit the schema. */
  grammar: string;
  /** JSON pointers of the keywords that the grammar does not enforce, in the order in which they were met. */
  unenforced: string[];
  /** JSON pointers of the schemas without `type` whose values are of fewer types than they allow: `#/items=string`. */
  impliedTypes: string[];
}

/**
 * Compiles a schema to a grammar. Every text that the grammar allows is valid except for the keywords in `unenforced`. The
 * grammar does not allow every valid text: properties come in the order of their declaration, and blanks are fixed.
 * @throws SchemaError for a schema that is not valid, too large, or that no finite value fits.
 */
export function compileSchema(schema: unknown, options: Partial<CompileOptions> = {}): CompiledSchema {
  const allOptions = { ...COMPILE_OPTIONS, ...options };
  measureJson(schema, allOptions);
  return new SchemaCompiler(new SchemaDocument(schema), allOptions).compile();
}

/** Most pairs of `oneOf` alternatives to compare; further ones are reported as not enforced. */
const MAX_COMPARED = 20_000;

class SchemaCompiler implements CompileContext {
  readonly rules = new GrammarRules();
  readonly validator: InstanceValidator;
  readonly closedByDefault: boolean;
  readonly #document: SchemaDocument;
  readonly #alternatives: SchemaAlternatives;
  readonly #unenforced = new Set<string>();
  readonly #impliedTypes = new Set<string>();
  readonly #ruleNames = new Map<string, string>();
  readonly #pending: { name: string; schemas: Schema[] }[] = [];
  /** JSON pointer of the schema that each rule was made from, by rule name. */
  readonly #origins = new Map<string, string>();
  #compared = 0;

  constructor(document: SchemaDocument, options: CompileOptions) {
    this.closedByDefault = options.closedByDefault;
    this.#document = document;
    this.#alternatives = new SchemaAlternatives(document, (pointer) => this.#unenforced.add(pointer));
    this.validator = new InstanceValidator(document);
  }

  compile(): CompiledSchema {
    this.rules.byName.set("root", this.valueExpr([this.#document.root]));
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      this.rules.byName.set(next.name, this.#compileAlternatives(next.schemas));
    }
    const rules = simplifyRules(this.rules.byName);
    if (rules === null) throw this.#unsatisfiable();
    try {
      lowerAndCheck(rules);
    } catch (error) {
      if (!(error instanceof GrammarCheckError)) throw error;
      throw new SchemaError("", `The schema is too complex: ${error.message}.`);
    }
    return {
      grammar: printRules(rules),
      unenforced: [...this.#unenforced],
      impliedTypes: [...this.#impliedTypes],
    };
  }

  valueExpr(schemas: readonly Schema[]): Expr {
    if (schemas.includes(false)) return NEVER;
    const parts = [...new Set(schemas.filter(isObject))];
    if (parts.length === 0) return this.rules.baseRule("json-value");
    const key = parts.map((part) => this.#alternatives.schemaId(part)).join();
    let name = this.#ruleNames.get(key);
    if (name === undefined) {
      name = this.rules.freshName();
      this.#ruleNames.set(key, name);
      this.#origins.set(name, this.#document.pointerOf(parts[0]!));
      this.#pending.push({ name, schemas: parts });
    }
    return ref(name);
  }

  reportUnenforced(schema: JsonObject, keyword: string): void {
    this.#unenforced.add(`${this.#document.pointerOf(schema)}/${keyword}`);
  }

  #compileAlternatives(schemas: readonly Schema[]): Expr {
    return alt(
      ...this.#alternatives.expand(schemas).map((alternative) => this.#compileAlternative(alternative)),
    );
  }

  #compileAlternative(alternative: SchemaAlternative): Expr {
    const { schemas } = alternative;
    this.#checkOneOf(alternative);
    if (schemas.length === 0) return this.rules.baseRule("json-value");
    const values = enumeratedValues(schemas);
    if (values !== null) {
      const validValues = values.filter((value) => this.#mayFit(value, schemas));
      const texts = [...new Set(validValues.map(jsonText))];
      return texts.length === 0 ? NEVER : wordsToExpr(texts, this.rules.freshName(), this.rules.byName);
    }
    for (const schema of schemas) {
      const { not } = schema;
      if (not === true || (isObject(not) && Object.keys(not).length === 0)) return NEVER;
      if (isObject(not)) this.reportUnenforced(schema, "not");
      if ("if" in schema && ("then" in schema || "else" in schema)) this.reportUnenforced(schema, "if");
      for (const key of ["$dynamicRef", "$recursiveRef"])
        if (key in schema) this.reportUnenforced(schema, key);
    }
    const types = [...generatedTypes(schemas)];
    if (!schemas.some((schema) => "type" in schema) && types.length < declaredTypes(schemas).size) {
      for (const schema of schemas.filter(impliesType)) {
        this.#impliedTypes.add(`#${this.#document.pointerOf(schema)}=${types.join("+")}`);
      }
    }
    return alt(...types.map((type) => this.#compileType(type, schemas)));
  }

  /** Whether an enumerated value may fit. Reports the keywords that the validator can't verify. */
  #mayFit(value: Json, schemas: readonly JsonObject[]): boolean {
    const results = schemas.map((schema) => this.validator.validate(value, schema));
    if (results.includes(null)) return false;
    for (const { schema, keyword } of results.flatMap((result) => result ?? []))
      this.reportUnenforced(schema, keyword);
    return true;
  }

  #compileType(type: JsonType, schemas: readonly JsonObject[]): Expr {
    switch (type) {
      case "null":
        return text("null");
      case "boolean":
        return this.rules.baseRule("json-boolean");
      case "integer":
      case "number":
        return compileNumber(schemas, type === "integer", this);
      case "string":
        return compileString(schemas, this);
      case "array":
        return compileArray(schemas, this);
      case "object":
        return compileObject(schemas, this);
    }
  }

  /** Reports a `oneOf` if a value of this alternative may fit another option too. */
  #checkOneOf(alternative: SchemaAlternative): void {
    for (const { schema, option } of alternative.oneOfChoices) {
      const others = this.#alternatives
        .optionsOf(schema)
        .filter((_, index) => index !== option)
        .flat();
      this.#compared += others.length;
      const isDisjoint =
        this.#compared <= MAX_COMPARED &&
        others.every((other) => areAlternativesDisjoint(alternative.schemas, other.schemas, this.validator));
      if (!isDisjoint) this.reportUnenforced(schema, "oneOf");
    }
  }

  /** Follows the rules without a finite text from the root to the schema at fault. */
  #unsatisfiable(): SchemaError {
    const { byName: rules } = this.rules;
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

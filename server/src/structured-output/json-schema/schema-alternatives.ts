import { isObject, type JsonObject, type Schema, type SchemaDocument } from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";

/** One way in which a value can fit: schemas without `$ref`, `allOf`, `anyOf` or `oneOf`, all of which must hold. */
export interface SchemaAlternative {
  schemas: readonly JsonObject[];
  /** The `oneOf` options that led to this alternative. */
  oneOfChoices: readonly OneOfChoice[];
}

export interface OneOfChoice {
  /** The schema with the `oneOf`. */
  schema: JsonObject;
  /** Index of the option. */
  option: number;
}

const ANYTHING: SchemaAlternative = { schemas: [], oneOfChoices: [] };

/** Most alternatives of combined schemas; a combination that gives more is not enforced. */
const MAX_ENFORCED_ALTERNATIVES = 200;
/** Most alternatives of one schema; more are refused. */
const MAX_ALTERNATIVES = 2_000;
/** Longest chain of references and combinations. */
const MAX_CHAIN = 200;

const COMBINATIONS = new Set(["$ref", "allOf", "anyOf", "oneOf"]);
const ANNOTATIONS = new Set([
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
  "$id",
  "$anchor",
  "$defs",
  "definitions",
]);

/** Resolves references and combinations to alternatives (disjunctive normal form). */
export class SchemaAlternatives {
  readonly #document: SchemaDocument;
  readonly #reportUnenforced: (pointer: string) => void;
  readonly #options = new Map<JsonObject, SchemaAlternative[][]>();
  readonly #expanded = new Map<JsonObject, SchemaAlternative[] | null>();
  readonly #ids = new Map<JsonObject, number>();

  /** @param reportUnenforced called with the JSON pointer of each combination with too many alternatives. */
  constructor(document: SchemaDocument, reportUnenforced: (pointer: string) => void) {
    this.#document = document;
    this.#reportUnenforced = reportUnenforced;
  }

  /** The alternatives of a value that fits all the schemas; empty when no value does. */
  expand(schemas: readonly Schema[]): SchemaAlternative[] {
    let result: SchemaAlternative[] = [ANYTHING];
    for (const schema of schemas) result = this.#cross(result, this.#expand(schema, 0)) ?? result;
    return result;
  }

  /** The alternatives of each option of an expanded schema's `oneOf`. */
  optionsOf(schema: JsonObject): readonly (readonly SchemaAlternative[])[] {
    return this.#options.get(schema) ?? [];
  }

  /** A number that identifies the schema. */
  schemaId(schema: JsonObject): number {
    let number = this.#ids.get(schema);
    if (number === undefined) {
      number = this.#ids.size;
      this.#ids.set(schema, number);
    }
    return number;
  }

  #expand(schema: Schema, depth: number): SchemaAlternative[] {
    if (!isObject(schema)) return schema ? [ANYTHING] : [];
    const known = this.#expanded.get(schema);
    if (known !== undefined) {
      // Null: the schema is being expanded, so it contains itself, and this alternative has no finite value.
      return known ?? [];
    }
    const path = this.#document.pointerOf(schema);
    if (depth > MAX_CHAIN) throw new SchemaError(path, "References and combinations lead on too far.");
    this.#expanded.set(schema, null);
    const hasOwnKeywords = Object.keys(schema).some((key) => !COMBINATIONS.has(key) && !ANNOTATIONS.has(key));
    let result: SchemaAlternative[] = [hasOwnKeywords ? { schemas: [schema], oneOfChoices: [] } : ANYTHING];
    const narrow = (key: string, alternatives: SchemaAlternative[]): void => {
      const crossed = this.#cross(result, alternatives);
      if (crossed === null) this.#reportUnenforced(`${path}/${key}`);
      else result = crossed;
    };
    if (typeof schema["$ref"] === "string") {
      narrow("$ref", this.#expand(this.#document.resolve(schema), depth + 1));
    }
    for (const part of this.#list(schema, "allOf")) narrow("allOf", this.#expand(part, depth + 1));
    if ("anyOf" in schema) {
      const options = this.#list(schema, "anyOf").map((part) => this.#expand(part, depth + 1));
      narrow("anyOf", this.#unique(options.flat()));
    }
    if ("oneOf" in schema) {
      const options = this.#list(schema, "oneOf").map((part) => this.#expand(part, depth + 1));
      this.#options.set(schema, options);
      narrow(
        "oneOf",
        this.#unique(
          options.flatMap((alternatives, option) =>
            alternatives.map((alternative) => chosen(alternative, schema, option)),
          ),
        ),
      );
    }
    this.#expanded.set(schema, result);
    return result;
  }

  #list(schema: JsonObject, key: string): Schema[] {
    return (schema[key] as Schema[] | undefined) ?? [];
  }

  #cross(
    left: readonly SchemaAlternative[],
    right: readonly SchemaAlternative[],
  ): SchemaAlternative[] | null {
    if (left.length * right.length > MAX_ENFORCED_ALTERNATIVES && left.length > 1 && right.length > 1)
      return null;
    return this.#unique(left.flatMap((a) => right.map((b) => both(a, b))));
  }

  #unique(alternatives: readonly SchemaAlternative[]): SchemaAlternative[] {
    const byKey = new Map<string, SchemaAlternative>();
    for (const alternative of alternatives) {
      const key = alternative.schemas.map((schema) => this.schemaId(schema)).join();
      if (!byKey.has(key)) byKey.set(key, alternative);
      if (byKey.size > MAX_ALTERNATIVES) throw new SchemaError("", "The schema has too many combinations.");
    }
    return [...byKey.values()];
  }
}

function both(a: SchemaAlternative, b: SchemaAlternative): SchemaAlternative {
  if (a === ANYTHING) return b;
  if (b === ANYTHING) return a;
  return {
    schemas: [...new Set([...a.schemas, ...b.schemas])],
    oneOfChoices: [...a.oneOfChoices, ...b.oneOfChoices],
  };
}

function chosen(alternative: SchemaAlternative, schema: JsonObject, option: number): SchemaAlternative {
  return { schemas: alternative.schemas, oneOfChoices: [...alternative.oneOfChoices, { schema, option }] };
}

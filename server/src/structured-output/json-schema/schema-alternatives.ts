import { isObject, type JsonObject, type Schema, type SchemaDocument } from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";

/** Schemas without combinations that hold together: one way in which a value can fit. */
export interface SchemaAlternative {
  schemas: readonly JsonObject[];
  /** The options of `oneOf` that this way takes. */
  oneOfChoices: readonly OneOfChoice[];
}

export interface OneOfChoice {
  schema: JsonObject;
  option: number;
}

const ANYTHING: SchemaAlternative = { schemas: [], oneOfChoices: [] };

/** Ways in which one schema can fit; a combination that would give more is not enforced. */
const MAX_ENFORCED_ALTERNATIVES = 200;
/** Alternatives of one schema in all. */
const MAX_ALTERNATIVES = 2_000;
/** References that lead to references. */
const MAX_CHAIN = 200;

const COMBINATIONS = new Set(["$ref", "allOf", "anyOf", "oneOf"]);
const ANNOTATIONS = new Set([
  ...[
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
  ],
  ...["$id", "$anchor", "$defs", "definitions"],
]);

/** Resolves references and combinations into the ways in which a value can fit. */
export class SchemaAlternatives {
  readonly #document: SchemaDocument;
  readonly #reportUnenforced: (pointer: string) => void;
  readonly #options = new Map<JsonObject, SchemaAlternative[][]>();
  readonly #expanded = new Map<JsonObject, SchemaAlternative[] | null>();
  readonly #ids = new Map<JsonObject, number>();

  /** @param unenforced is told the pointers of combinations that are too many to enforce. */
  constructor(document: SchemaDocument, unenforced: (pointer: string) => void) {
    this.#document = document;
    this.#reportUnenforced = unenforced;
  }

  /** The ways in which a value can fit all the schemas; none where it cannot. */
  expand(schemas: readonly Schema[]): SchemaAlternative[] {
    let result: SchemaAlternative[] = [ANYTHING];
    for (const schema of schemas) result = this.#cross(result, this.#expand(schema, 0)) ?? result;
    return result;
  }

  /** The ways of every option of a `oneOf` that some branch has a choice of. */
  optionsOf(schema: JsonObject): readonly (readonly SchemaAlternative[])[] {
    return this.#options.get(schema) ?? [];
  }

  /** The same number for the same schema, to tell branches apart. */
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
      // Null: the schema is being expanded, so it needs itself, and this way never ends.
      return known ?? [];
    }
    const path = this.#document.pointerOf(schema);
    if (depth > MAX_CHAIN) throw new SchemaError(path, "References and combinations lead on too far.");
    this.#expanded.set(schema, null);
    const own = Object.keys(schema).some((key) => !COMBINATIONS.has(key) && !ANNOTATIONS.has(key));
    let result: SchemaAlternative[] = [own ? { schemas: [schema], oneOfChoices: [] } : ANYTHING];
    const narrow = (key: string, branches: SchemaAlternative[]): void => {
      const crossed = this.#cross(result, branches);
      if (crossed === null) this.#reportUnenforced(`${path}/${key}`);
      else result = crossed;
    };
    if (typeof schema["$ref"] === "string") {
      narrow("$ref", this.#expand(this.#document.resolve(schema["$ref"], `${path}/$ref`), depth + 1));
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
        this.#unique(options.flatMap((ways, option) => ways.map((way) => chosen(way, schema, option)))),
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

  #unique(branches: readonly SchemaAlternative[]): SchemaAlternative[] {
    const byKey = new Map<string, SchemaAlternative>();
    for (const branch of branches) {
      const key = branch.schemas.map((schema) => this.schemaId(schema)).join();
      if (!byKey.has(key)) byKey.set(key, branch);
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

function chosen(branch: SchemaAlternative, schema: JsonObject, option: number): SchemaAlternative {
  return { schemas: branch.schemas, oneOfChoices: [...branch.oneOfChoices, { schema, option }] };
}

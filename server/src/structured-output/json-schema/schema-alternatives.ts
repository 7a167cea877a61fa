import { isObject, type JsonObject, type Schema, type SchemaDocument } from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";

/** Schemas without combinations that hold together: one way in which a value can fit. */
export interface Branch {
  schemas: readonly JsonObject[];
  /** The options of `oneOf` that this way takes. */
  choices: readonly Choice[];
}

export interface Choice {
  schema: JsonObject;
  option: number;
}

const ANYTHING: Branch = { schemas: [], choices: [] };

/** Ways in which one schema can fit; a combination that would give more is not enforced. */
const MAX_BRANCHES = 200;
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
export class Branches {
  readonly #document: SchemaDocument;
  readonly #unenforced: (pointer: string) => void;
  readonly #options = new Map<JsonObject, Branch[][]>();
  readonly #known = new Map<JsonObject, Branch[] | null>();
  readonly #numbers = new Map<JsonObject, number>();

  /** @param unenforced is told the pointers of combinations that are too many to enforce. */
  constructor(document: SchemaDocument, unenforced: (pointer: string) => void) {
    this.#document = document;
    this.#unenforced = unenforced;
  }

  /** The ways in which a value can fit all the schemas; none where it cannot. */
  of(schemas: readonly Schema[]): Branch[] {
    let result: Branch[] = [ANYTHING];
    for (const schema of schemas) result = this.#cross(result, this.#expand(schema, 0)) ?? result;
    return result;
  }

  /** The ways of every option of a `oneOf` that some branch has a choice of. */
  optionsOf(schema: JsonObject): readonly (readonly Branch[])[] {
    return this.#options.get(schema) ?? [];
  }

  /** The same number for the same schema, to tell branches apart. */
  numberOf(schema: JsonObject): number {
    let number = this.#numbers.get(schema);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(schema, number);
    }
    return number;
  }

  #expand(schema: Schema, depth: number): Branch[] {
    if (!isObject(schema)) return schema ? [ANYTHING] : [];
    const known = this.#known.get(schema);
    if (known !== undefined) {
      // Null: the schema is being expanded, so it needs itself, and this way never ends.
      return known ?? [];
    }
    const path = this.#document.pointerOf(schema);
    if (depth > MAX_CHAIN) throw new SchemaError(path, "References and combinations lead on too far.");
    this.#known.set(schema, null);
    const own = Object.keys(schema).some((key) => !COMBINATIONS.has(key) && !ANNOTATIONS.has(key));
    let result: Branch[] = [own ? { schemas: [schema], choices: [] } : ANYTHING];
    const narrow = (key: string, branches: Branch[]): void => {
      const crossed = this.#cross(result, branches);
      if (crossed === null) this.#unenforced(`${path}/${key}`);
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
    this.#known.set(schema, result);
    return result;
  }

  #list(schema: JsonObject, key: string): Schema[] {
    return (schema[key] as Schema[] | undefined) ?? [];
  }

  #cross(left: readonly Branch[], right: readonly Branch[]): Branch[] | null {
    if (left.length * right.length > MAX_BRANCHES && left.length > 1 && right.length > 1) return null;
    return this.#unique(left.flatMap((a) => right.map((b) => both(a, b))));
  }

  #unique(branches: readonly Branch[]): Branch[] {
    const byKey = new Map<string, Branch>();
    for (const branch of branches) {
      const key = branch.schemas.map((schema) => this.numberOf(schema)).join();
      if (!byKey.has(key)) byKey.set(key, branch);
      if (byKey.size > MAX_ALTERNATIVES) throw new SchemaError("", "The schema has too many combinations.");
    }
    return [...byKey.values()];
  }
}

function both(a: Branch, b: Branch): Branch {
  if (a === ANYTHING) return b;
  if (b === ANYTHING) return a;
  return { schemas: [...new Set([...a.schemas, ...b.schemas])], choices: [...a.choices, ...b.choices] };
}

function chosen(branch: Branch, schema: JsonObject, option: number): Branch {
  return { schemas: branch.schemas, choices: [...branch.choices, { schema, option }] };
}

import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormatsModule from "ajv-formats";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSchema } from "./compile-schema.ts";
import { parseGbnf } from "./grammar.ts";
import { SchemaError } from "./schema-error.ts";
import { randomOf, sample } from "./testing.ts";

const addFormats = addFormatsModule as unknown as (ajv: Ajv | Ajv2020) => void;

function validator(schema: unknown, draft: "2020" | "7" = "2020") {
  const settings = { strict: false, allErrors: true, multipleOfPrecision: 9, validateFormats: true };
  const ajv = draft === "7" ? new Ajv(settings) : new Ajv2020(settings);
  addFormats(ajv);
  return ajv.compile(schema as object);
}

/** The schema without the keywords that were named as not enforced. */
function enforcedPart(schema: unknown, unenforced: readonly string[]): unknown {
  const copy = structuredClone(schema);
  // The deepest first, because the last step renames what they lie under.
  for (const pointer of unenforced.toSorted((a, b) => b.length - a.length)) {
    const parts = pointer
      .split("/")
      .slice(1)
      .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    let at = copy as Record<string, unknown>;
    for (const part of parts.slice(0, -1)) at = at[part] as Record<string, unknown>;
    const keyword = parts.at(-1)!;
    if (keyword === "oneOf") at["anyOf"] = at["oneOf"];
    delete at[keyword];
    if (keyword === "if") for (const key of ["then", "else"]) delete at[key];
  }
  return copy;
}

/** Compiles, generates blindly, checks every text; returns what was not enforced. */
function checkSamples(
  schema: unknown,
  samples: number,
  seed: number,
  draft: "2020" | "7" = "2020",
): string[] {
  const { grammar, unenforced } = compileSchema(schema);
  const { lowered } = parseGbnf(grammar);
  const validate = validator(enforcedPart(schema, unenforced), draft);
  // To leave one keyword out can make another stricter: a oneOf of which two options then fit.
  const validateWhole = validator(schema, draft);
  const random = randomOf(seed);
  for (let i = 0; i < samples; i++) {
    const output = sample(lowered, random, random(60));
    const value: unknown = JSON.parse(output);
    if (!output.isWellFormed()) throw new Error(`not well-formed: ${output}`);
    if (!validate(value) && !validateWhole(value)) {
      throw new Error(
        `${output}\nis not valid for ${JSON.stringify(schema)}\n${JSON.stringify(validate.errors)}\n${grammar}`,
      );
    }
  }
  return unenforced;
}

const NAMES = ["a", "b", "ab", "name", "id", 'q"uo\\te', "naïve", "x-y", ""];
const name = fc.constantFrom(...NAMES);
const small = fc.integer({ min: 0, max: 5 });
const bound = fc.oneof(
  fc.integer({ min: -200, max: 200 }),
  fc.constantFrom(0, 0.5, -0.25, 1e-7, 1.5e3, 99.99, 2 ** 31, 9007199254740991, -1e15, 1e20),
);
const PATTERNS = [
  "^[a-z]{2,4}$",
  "foo",
  "^\\d+",
  "x|^y$",
  "^(ab|cd)*$",
  '["\\\\]',
  "^\\S+@\\w+\\.(com|org)$",
  "[^a-c]{2}",
  "\\n$",
  "(a+)+b",
];
const FORMATS = ["date-time", "date", "time", "uuid", "email", "ipv4", "ipv6", "uri", "hostname", "duration"];

function some(shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(shape, { requiredKeys: "type" in shape ? (["type"] as never) : [] }) as fc.Arbitrary<
    Record<string, unknown>
  >;
}

const { schema: anySchema } = fc.letrec<{ schema: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    some({ type: fc.constant("string"), minLength: small, maxLength: fc.integer({ min: 3, max: 40 }) }),
    some({
      type: fc.constant("string"),
      pattern: fc.constantFrom(...PATTERNS),
      maxLength: fc.integer({ min: 5, max: 30 }),
    }),
    some({ type: fc.constant("string"), format: fc.constantFrom(...FORMATS) }),
    some({ type: fc.constantFrom("number", "integer"), minimum: bound, maximum: bound }),
    some({ type: fc.constantFrom("number", "integer"), exclusiveMinimum: bound, exclusiveMaximum: bound }),
    some({
      type: fc.constantFrom("number", "integer"),
      multipleOf: fc.constantFrom(1, 2, 5, 0.5, 0.25, 10, 0.01),
      minimum: bound,
    }),
    some({
      enum: fc.array(fc.jsonValue({ maxDepth: 2, noUnicodeString: false }), { minLength: 1, maxLength: 20 }),
    }),
    some({ const: fc.jsonValue({ maxDepth: 2 }) }),
    fc.constantFrom(true, {}, { type: "null" }, { type: "boolean" }, { type: ["string", "integer", "null"] }),
    fc.constantFrom({ type: "object" }, { type: "array" }, { type: "string", nullable: true }),
  ),
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie("leaf"),
    some({
      type: fc.constant("object"),
      properties: fc.dictionary(name, tie("schema"), { maxKeys: 5 }),
      required: fc.uniqueArray(name, { maxLength: 3 }),
      additionalProperties: fc.oneof(fc.boolean(), tie("schema")),
      patternProperties: fc.dictionary(fc.constantFrom("^x-", "a", "\\d"), tie("schema"), { maxKeys: 2 }),
      minProperties: fc.integer({ min: 0, max: 2 }),
      maxProperties: fc.integer({ min: 2, max: 6 }),
    }),
    some({
      type: fc.constant("array"),
      items: tie("schema"),
      prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }),
      minItems: fc.integer({ min: 0, max: 3 }),
      maxItems: fc.integer({ min: 2, max: 6 }),
      uniqueItems: fc.boolean(),
    }),
    some({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    some({ oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    some({ allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }) }),
    some({ $ref: fc.constant("#/$defs/node"), description: fc.string() }),
    some({ type: fc.constant("string"), not: tie("leaf") }),
  ),
}));
/** Recursive through `node`, which can always end. */
const document = fc.record({ main: anySchema, next: anySchema }).map(({ main, next }) => ({
  $defs: {
    node: {
      type: "object",
      properties: { value: next, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
      required: ["next"],
    },
  },
  allOf: [main],
}));

describe("compiled schemas", () => {
  test("whatever the grammar lets a generator write is JSON and valid", () => {
    let compiled = 0;
    fc.assert(
      fc.property(document, fc.integer({ min: 1, max: 1e9 }), (schema, seed) => {
        try {
          checkSamples(schema, 12, seed);
          compiled++;
        } catch (error) {
          if (!(error instanceof SchemaError)) throw error;
        }
      }),
      { numRuns: 400 },
    );
    expect(compiled).toBeGreaterThan(200);
  });
});

/** Arbitrary JSON Schemas, both usual and odd ones, of the keywords that the compiler enforces. */
import fc from "fast-check";

export type Schema = boolean | { [keyword: string]: unknown };

/** Names that need escapes, are empty, or are the beginning of one another. */
const name = fc.constantFrom("a", "b", "ab", "name", "id", 'q"uo\\te', "naïve", "日本", "x-y", "");
/** Ajv treats a missing property with the empty name as present. */
const requirable = name.filter((text) => text !== "");
const atMost = (max: number) => fc.integer({ min: 0, max });
const bound = fc.oneof(
  fc.integer({ min: -200, max: 200 }),
  fc.constantFrom(0.5, -0.25, 1e-7, 1.5e3, 99.99, 2 ** 31, -1e15),
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
  "(a+)+b",
  "^[äöü日]{1,3}$",
];
const FORMATS = ["date-time", "date", "time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri"];

/** A schema with the required keywords and a random subset of the others. */
function some(
  shape: Record<string, fc.Arbitrary<unknown>>,
  ...always: string[]
): fc.Arbitrary<{ [keyword: string]: unknown }> {
  return fc.record(shape, { requiredKeys: always as never[] }) as fc.Arbitrary<{
    [keyword: string]: unknown;
  }>;
}

/** A lower and an upper bound in the right order, so that some value fits. */
function between<T>(
  value: fc.Arbitrary<T & number>,
  least: string,
  most: string,
): fc.Arbitrary<{ [keyword: string]: unknown }> {
  return fc
    .tuple(value, value, fc.constantFrom("both", "least", "most", "none"))
    .map(([one, other, which]) => ({
      ...(which === "both" || which === "least" ? { [least]: Math.min(one, other) } : {}),
      ...(which === "both" || which === "most" ? { [most]: Math.max(one, other) } : {}),
    }));
}

function joined(...parts: fc.Arbitrary<object>[]): fc.Arbitrary<{ [keyword: string]: unknown }> {
  return fc.tuple(...parts).map((all) => Object.assign({}, ...all));
}

const text = fc.oneof(
  joined(fc.constant({ type: "string" }), between(atMost(12), "minLength", "maxLength")),
  some({ type: fc.constant("string"), pattern: fc.constantFrom(...PATTERNS) }, "type", "pattern"),
  some({ type: fc.constant("string"), format: fc.constantFrom(...FORMATS) }, "type", "format"),
  some(
    {
      type: fc.constant("string"),
      pattern: fc.constantFrom(...PATTERNS),
      minLength: atMost(3),
      maxLength: fc.integer({ min: 6, max: 30 }),
    },
    "type",
    "pattern",
    "maxLength",
  ),
);

const number = fc.oneof(
  joined(
    some({ type: fc.constantFrom("number", "integer") }, "type"),
    fc.oneof(between(bound, "minimum", "maximum"), between(bound, "exclusiveMinimum", "exclusiveMaximum")),
  ),
  joined(
    some(
      { type: fc.constantFrom("number", "integer"), multipleOf: fc.constantFrom(1, 2, 5, 0.5, 0.25, 10) },
      "type",
    ),
    between(atMost(500), "minimum", "maximum"),
  ),
);

const listed = fc.oneof(
  some({ enum: fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 12 }) }, "enum"),
  some({ const: fc.jsonValue({ maxDepth: 2 }) }, "const"),
);

const plain = fc.constantFrom<Schema>(
  true,
  {},
  { type: "null" },
  { type: "boolean" },
  { type: "string" },
  { type: "number" },
  { type: "object" },
  { type: "array" },
  { type: ["string", "integer", "null"] },
  { type: "string", nullable: true },
);

const { schema: any } = fc.letrec<{ schema: Schema }>((tie) => {
  const options = (maxLength: number) => fc.array(tie("schema"), { minLength: 1, maxLength });
  const object = joined(
    some(
      {
        type: fc.constant("object"),
        properties: fc.dictionary(name, tie("schema"), { maxKeys: 5 }),
        required: fc.uniqueArray(requirable, { maxLength: 3 }),
        additionalProperties: fc.oneof(fc.boolean(), tie("schema")),
        patternProperties: fc.dictionary(fc.constantFrom("^x-", "a", "\\d"), tie("schema"), { maxKeys: 2 }),
      },
      "type",
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant({}) },
      some({ minProperties: atMost(2), maxProperties: fc.integer({ min: 3, max: 6 }) }),
    ),
  );
  const array = joined(
    some(
      {
        type: fc.constant("array"),
        items: tie("schema"),
        prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }),
      },
      "type",
    ),
    between(atMost(4), "minItems", "maxItems"),
  );
  return {
    schema: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.oneof<fc.Arbitrary<Schema>[]>(plain, text, number, listed),
      object,
      object,
      array,
      some({ anyOf: options(3) }, "anyOf"),
      some({ oneOf: options(3) }, "oneOf"),
      some({ allOf: options(2) }, "allOf"),
      some({ $ref: fc.constant("#/$defs/node"), description: fc.string() }, "$ref"),
    ),
  };
});

/** Whole schema documents. All can refer to `node`, which is recursive but has finite values; the value must match `main`. */
export const schemaDocument: fc.Arbitrary<{ [keyword: string]: unknown }> = fc
  .record({ main: any, inner: any })
  .map(({ main, inner }) => ({
    $defs: {
      node: {
        type: "object",
        properties: { value: inner, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
        required: ["next"],
      },
    },
    allOf: [main],
  }));

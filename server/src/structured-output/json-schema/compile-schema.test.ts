import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exactly } from "../../../test/harness/exact-ajv.ts";
import { possiblyValid } from "../../../test/harness/possibly-valid.ts";
import { parseGbnf } from "../gbnf/grammar.ts";
import { allows, sample, seededRandom } from "../gbnf/testing.ts";
import { compileSchema } from "./compile-schema.ts";
import { parseExactJson } from "./exact-json.ts";
import { jsonText } from "./json-text.ts";
import type { Json } from "./schema-document.ts";
import { SchemaError } from "./schema-error.ts";

function validator(schema: unknown, draft: "2020" | "7" = "2020") {
  const settings = { strict: false, allErrors: true };
  return exactly(draft === "7" ? new Ajv(settings) : new Ajv2020(settings)).compile(schema as object);
}

/** Checks random texts of the schema's grammar with Ajv; returns the keywords that the grammar does not enforce. */
function checkSamples(
  schema: unknown,
  samples: number,
  seed: number,
  draft: "2020" | "7" = "2020",
): string[] {
  const { grammar, unenforced } = compileSchema(schema);
  const { lowered } = parseGbnf(grammar);
  const validate = validator(unenforced.length === 0 ? schema : possiblyValid(schema, unenforced), draft);
  const random = seededRandom(seed);
  for (let i = 0; i < samples; i++) {
    const output = sample(lowered, random, random(60));
    const value: unknown = JSON.parse(output);
    if (!output.isWellFormed()) throw new Error(`not well-formed: ${output}`);
    if (!validate(value)) {
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
/** Whole numbers beyond 2^53 are enforced exactly, but Ajv rounds them onto an excluded bound. */
const exclusiveBound = bound.filter((value) => Math.abs(value) <= Number.MAX_SAFE_INTEGER);
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
  "(?=a)b",
];
const FORMATS = [
  "date-time",
  "date",
  "time",
  "uuid",
  "email",
  "ipv4",
  "ipv6",
  "uri",
  "hostname",
  "duration",
  "regex",
];

function subset(shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(shape, { requiredKeys: "type" in shape ? (["type"] as never) : [] }) as fc.Arbitrary<
    Record<string, unknown>
  >;
}

const { schema: anySchema } = fc.letrec<{ schema: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    subset({ type: fc.constant("string"), minLength: small, maxLength: fc.integer({ min: 3, max: 40 }) }),
    subset({
      type: fc.constant("string"),
      pattern: fc.constantFrom(...PATTERNS),
      maxLength: fc.integer({ min: 5, max: 30 }),
    }),
    subset({ type: fc.constant("string"), format: fc.constantFrom(...FORMATS) }),
    subset({ type: fc.constantFrom("number", "integer"), minimum: bound, maximum: bound }),
    subset({
      type: fc.constantFrom("number", "integer"),
      exclusiveMinimum: exclusiveBound,
      exclusiveMaximum: exclusiveBound,
    }),
    subset({
      type: fc.constantFrom("number", "integer"),
      multipleOf: fc.constantFrom(1, 2, 5, 0.5, 0.25, 10, 0.01),
      minimum: bound,
    }),
    subset({
      enum: fc.array(fc.jsonValue({ maxDepth: 2, noUnicodeString: false }), { minLength: 1, maxLength: 20 }),
    }),
    subset({ const: fc.jsonValue({ maxDepth: 2 }) }),
    fc.constantFrom(true, {}, { type: "null" }, { type: "boolean" }, { type: ["string", "integer", "null"] }),
    fc.constantFrom({ type: "object" }, { type: "array" }, { type: "string", nullable: true }),
  ),
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie("leaf"),
    subset({
      type: fc.constant("object"),
      properties: fc.dictionary(name, tie("schema"), { maxKeys: 5 }),
      // Ajv treats a missing property with the empty name as present.
      required: fc.uniqueArray(
        name.filter((text) => text !== ""),
        { maxLength: 3 },
      ),
      additionalProperties: fc.oneof(fc.boolean(), tie("schema")),
      patternProperties: fc.dictionary(fc.constantFrom("^x-", "a", "\\d", "(?=n)"), tie("schema"), {
        maxKeys: 2,
      }),
      minProperties: fc.integer({ min: 0, max: 2 }),
      maxProperties: fc.integer({ min: 2, max: 6 }),
    }),
    subset({
      type: fc.constant("array"),
      items: tie("schema"),
      prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }),
      minItems: fc.integer({ min: 0, max: 3 }),
      maxItems: fc.integer({ min: 2, max: 6 }),
      uniqueItems: fc.boolean(),
    }),
    subset({
      allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
      required: fc.uniqueArray(
        name.filter((text) => text !== ""),
        { maxLength: 2 },
      ),
      dependentRequired: fc.dictionary(name, fc.uniqueArray(name, { maxLength: 2 }), { maxKeys: 2 }),
      unevaluatedProperties: tie("leaf"),
      // No unevaluatedItems: Ajv loses track of the evaluated items where alternatives meet.
      contains: tie("leaf"),
      not: tie("leaf"),
    }),
    subset({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    subset({ oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    subset({ allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }) }),
    subset({ $ref: fc.constant("#/$defs/node"), description: fc.string() }),
    subset({ type: fc.constant("string"), not: tie("leaf") }),
  ),
}));
/** Schemas that recurse through `node`, which always has a finite value. */
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

describe("a compiled schema", () => {
  test("allows only JSON texts that are valid", () => {
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
      { numRuns: 250 },
    );
    expect(compiled).toBeGreaterThan(125);
  });
});

/** Schema, values that its grammar must allow, values that it must not. */
const CASES: [schema: unknown, possible: Json[], impossible: Json[]][] = [
  [{ type: "string" }, ["", 'a"\\\n\u0001é😀'], [1, null]],
  [{ type: ["integer", "null"] }, [0, -12, null], [1.5, "1"]],
  [{ type: "string", nullable: true }, ["a", null], [1]],
  [{ enum: ["a", 1, null, { b: [true] }] }, ["a", 1, null, { b: [true] }], ["b", 2, { b: [] }]],
  [{ type: "string", enum: ["a", 1] }, ["a"], [1]],
  [{ const: { x: "é\u007f" } }, [{ x: "é\u007f" }], [{ x: "e" }]],
  [{ enum: Array.from({ length: 300 }, (_, i) => `w${i}`) }, ["w0", "w30", "w299"], ["w", "w300", "w000"]],
  [{ anyOf: [{ type: "string", maxLength: 2 }, { type: "integer" }] }, ["ab", 7], ["abc", 1.5]],
  [{ allOf: [{ minimum: 3 }, { maximum: 5 }], type: "integer" }, [3, 5], [2, 6]],
  [{ type: "string", minLength: 2, maxLength: 3 }, ["ab", "😀😀😀", '""'], ["a", "abcd"]],
  [{ type: "string", minLength: 2_500 }, ["x".repeat(2_500), "x".repeat(2_600)], ["x".repeat(2_499)]],
  [{ type: "string", maxLength: 4_321 }, ["", "x".repeat(4_321), "x".repeat(3_999)], ["x".repeat(4_322)]],
  [{ type: "string", pattern: "^[A-Z]\\w{1,3}$" }, ["Ab", "A_9z"], ["ab", "A", "Abcde"]],
  [{ type: "string", pattern: "o.x" }, ["fo-xy", "foox"], ["o\nx", "ox"]],
  [{ type: "string", pattern: '^"\\\\\\n$' }, ['"\\\n'], ["x"]],
  [{ type: "string", pattern: "^(?:ab?|cd)*?$", maxLength: 4 }, ["", "abcd", "aaaa"], ["b", "ababa"]],
  [{ type: "string", pattern: "^[^\\d\\s]$" }, ["x", "é", "😀"], ["1", " ", "xx"]],
  [{ type: "string", pattern: "^a|b$" }, ["ax", "xb", "a", "b"], ["xa", "bx"]],
  [{ type: "string", pattern: "(a+)+b" }, ["aab", "xaby"], ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b"]],
  [
    { type: "string", format: "date" },
    ["2024-02-29", "2000-02-29", "2023-12-31", "0001-01-01", "1000-01-01", "0400-02-29"],
    ["2023-02-29", "1900-02-29", "2023-4-1", "0000-01-01", "0000-02-29"],
  ],
  [
    { type: "string", format: "date-time" },
    ["2024-02-29T23:59:59.123Z", "2024-01-01T00:00:00+05:30", "2016-12-31t23:59:60z"],
    ["2024-01-01 00:00:00Z", "2024-01-01T24:00:00Z", "0000-01-01T00:00:00Z"],
  ],
  [
    { type: "string", format: "time" },
    ["12:00:00Z", "23:59:59.5-01:00", "23:59:60.25z", "23:59:60+00:00"],
    ["12:00", "24:00:00Z", "22:59:60Z", "23:59:60+01:00"],
  ],
  [{ type: "string", format: "uuid" }, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]],
  [{ type: "string", format: "email" }, ["a.b+c@ex-ample.co.uk"], ["a@b", "@b.c", "a b@c.d"]],
  [{ type: "string", format: "ipv4" }, ["0.0.0.0", "255.249.99.1"], ["256.0.0.1", "1.2.3"]],
  [
    { type: "string", format: "ipv6" },
    ["::", "::1", "2001:db8::ff00:42:8329", "1:2:3:4:5:6:7:8"],
    ["1::2::3", "12345::", "1:2:3"],
  ],
  [
    { type: "string", format: "uri" },
    [
      "https://example.com:8080/a%20b?q=1#x",
      "mailto:a@b.c",
      "ftp://user:pass@example.com/x",
      "http://[2001:db8::1]:80/",
      "file:///etc/hosts",
      "file:///",
    ],
    ["example.com", "http://a b", "http://[1.2]/", "http:///x"],
  ],
  [
    { type: "string", format: "hostname" },
    [`${"a".repeat(63)}.example.com`, "a.b.c.d.e.f"],
    [`${"a".repeat(64)}.com`, "-a.com", "a..b"],
  ],
  // A reference and an anchor belong to the nearest $id.
  [
    {
      $id: "https://example.com/root",
      $defs: {
        inner: {
          $id: "inner",
          $defs: { value: { type: "integer" }, named: { $anchor: "named", type: "boolean" } },
          prefixItems: [{ $ref: "#/$defs/value" }, { $ref: "#named" }],
          items: false,
        },
        value: { type: "string" },
        named: { $anchor: "named", type: "null" },
      },
      type: "object",
      properties: {
        a: { $ref: "inner" },
        b: { $ref: "#/$defs/value" },
        c: { $ref: "#named" },
        d: { $ref: "https://example.com/inner#named" },
      },
    },
    [{ a: [1, true], b: "x", c: null, d: false }],
    [{ a: ["x"] }, { a: [1, null] }, { b: 1 }, { c: true }, { d: null }],
  ],
  [
    {
      $defs: {
        a: { $id: "urn:x:a", $defs: { b: { const: 1 } }, type: "array", items: { $ref: "#/$defs/b" } },
      },
      $ref: "urn:x:a",
    },
    [[], [1]],
    [[2]],
  ],
  [{ type: "integer", minimum: -5, maximum: 120 }, [-5, 0, 99, 120], [-6, 121, 1.5]],
  [
    { type: "integer", exclusiveMinimum: 0, exclusiveMaximum: 1_000_000 },
    [1, 999_999, 10_000],
    [0, 1_000_000, -1],
  ],
  [{ type: "number", minimum: -0.5, maximum: 2.25 }, [-0.5, 0, 2.25, 2.2, -0.4999], [-0.51, 2.26, 3]],
  [{ type: "number", minimum: 0, maximum: 1e20 }, [0.5, 123.456, 12345678.25, 1e20], [-1]],
  [{ type: "number", minimum: -1e15, maximum: 1e9 }, [-0.000123, -123456789012.345, 1e9], [1e9 + 0.5]],
  [{ type: "number", exclusiveMinimum: 0 }, [0.001, 1, 1e14], [0, -1]],
  [{ type: "integer", multipleOf: 7, minimum: 0, maximum: 1_000 }, [0, 7, 994], [1, 995, 1_001]],
  [{ type: "number", multipleOf: 0.25 }, [0.25, -3.75, 12], [0.3, 0.125]],
  [{ type: "number", multipleOf: 0.01 }, [0.07, 19.99, 3], [0.001]],
  [
    { type: "array", items: { type: "integer" }, minItems: 1, maxItems: 3 },
    [[1], [1, 2, 3]],
    [[], [1, 2, 3, 4], ["a"]],
  ],
  [{ type: "array", minItems: 0, maxItems: 0 }, [[]], [[1]]],
  [
    { type: "array", prefixItems: [{ type: "string" }, { type: "integer" }] },
    [[], ["a"], ["a", 1], ["a", 1, null, {}]],
    [["a", "b"], [1]],
  ],
  [
    { type: "array", prefixItems: [{ type: "string" }], items: { type: "boolean" }, minItems: 2 },
    [
      ["a", true],
      ["a", true, false],
    ],
    [["a"], ["a", 1]],
  ],
  [{ type: "array", prefixItems: [{ type: "string" }], items: false }, [["a"]], [["a", 1]]],
  [
    {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" }, c: { type: "integer" } },
      required: ["b"],
    },
    [{ b: 1 }, { a: 1, b: 2 }, { b: 1, c: 2 }, { a: 1, b: 2, c: 3 }],
    [{}, { a: 1 }, { a: 1, c: 2 }, { b: 1, d: 2 }, { b: "x" }],
  ],
  [
    { type: "object", properties: { a: {}, b: {} } },
    [{}, { a: null }, { b: [1] }, { a: 1, b: {} }],
    [{ x: 1 }],
  ],
  [{ type: "object" }, [{}, { anything: [1, { x: null }] }], [[]]],
  [{ properties: { a: { type: "null" } }, required: ["a", "b"] }, [{ a: null, b: 3 }], [{ a: null }, 3]],
  [
    { type: "object", properties: { a: { type: "integer" } }, additionalProperties: { type: "string" } },
    [{}, { a: 1 }, { a: 1, ab: "x", "": "y" }, { b: "x" }],
    [{ a: "x" }, { b: 1 }, { a: 1, b: 2 }],
  ],
  [
    {
      type: "object",
      properties: { a: { type: "integer" }, b: {} },
      additionalProperties: { type: "string" },
    },
    [{ a: 1, b: 2, c: "x" }],
    [{ a: "x" }, { a: 1, c: 2 }],
  ],
  [
    { type: "object", properties: { 'q"': { type: "null" } }, additionalProperties: true },
    [{ 'q"': null, q: 1 }],
    [{ 'q"': 1 }],
  ],
  [
    {
      type: "object",
      patternProperties: { "^x-": { type: "integer" }, z$: { minimum: 5 } },
      additionalProperties: false,
    },
    [{ "x-a": 1, "x-z": 5 }, { z: 7 }],
    [{ "x-z": 4 }, { a: 1 }, { "x-": "s" }],
  ],
  [
    { type: "object", properties: { a: {}, b: {}, c: {} }, minProperties: 2, maxProperties: 2 },
    [
      { a: 1, c: 2 },
      { b: 1, c: 2 },
    ],
    [{ a: 1 }, { a: 1, b: 2, c: 3 }],
  ],
  [
    {
      allOf: [
        { properties: { a: { type: "integer" } }, required: ["a"] },
        { properties: { b: { type: "string" }, a: { minimum: 3 } } },
      ],
    },
    [{ a: 3 }, { a: 4, b: "x" }],
    [{ a: 2 }, { a: 3, c: 1 }],
  ],
  [
    {
      $defs: {
        n: {
          properties: { v: { type: "integer" }, n: { $ref: "#/$defs/n" } },
          required: ["v"],
          type: "object",
        },
      },
      $ref: "#/$defs/n",
    },
    [{ v: 1 }, { v: 1, n: { v: 2, n: { v: 3 } } }],
    [{ n: { v: 1 } }, { v: 1, n: {} }],
  ],
  [{ definitions: { "a/b~c d": { type: "null" } }, $ref: "#/definitions/a~1b~0c%20d" }, [null], [1]],
  [{ type: "array", items: { $ref: "#" } }, [[], [[], [[]]]], [[1], {}]],
  [
    {
      oneOf: [
        { type: "object", properties: { k: { const: "a" }, x: { type: "null" } }, required: ["k", "x"] },
        { type: "object", properties: { k: { const: "b" } }, required: ["k"] },
      ],
    },
    [{ k: "a", x: null }, { k: "b" }],
    [{ k: "a" }, { k: "b", x: null }, { k: "c" }],
  ],
  [{}, [null, 1, -1.5e-7, "x", [], {}, [{ a: [] }]], []],
  [true, [null], []],
  [{ type: "string", title: "t", description: "d", default: 3, examples: [1] }, ["x"], [3]],
  // Optional parts that no value fits are left out.
  [{ type: "object", properties: { a: false, b: { type: "integer" } } }, [{}, { b: 1 }], [{ a: 1 }]],
  [{ anyOf: [false, { type: "null" }, { type: "integer", minimum: 2, maximum: 1 }] }, [null], [1]],
  [{ type: "array", items: false }, [[]], [[1]]],
  [
    { type: "array", allOf: [{ prefixItems: [{ type: "string" }] }], unevaluatedItems: { type: "integer" } },
    [["a"], ["a", 1, 2]],
    [[1], ["a", "b"]],
  ],
];

describe("the grammar of a schema", () => {
  test.each(CASES)("allows the valid values of %j and no others", (schema, possible, impossible) => {
    const { grammar, unenforced } = compileSchema(schema);
    // multipleOf is reported wherever validators with floating-point division disagree.
    expect(unenforced.filter((pointer) => !pointer.endsWith("multipleOf"))).toEqual([]);
    for (const value of possible)
      expect(allows(grammar, jsonText(value)), jsonText(value).slice(0, 99)).toBe(true);
    for (const value of impossible)
      expect(allows(grammar, jsonText(value)), jsonText(value).slice(0, 99)).toBe(false);
    expect(allows(grammar, `${jsonText(possible[0]!)} `)).toBe(false);
    checkSamples(schema, 20, 1);
  });

  test("keeps numbers beyond doubles and the order of its properties as they were declared", () => {
    const allowsOnly = (schema: string, possible: string[], impossible: string[]): void => {
      const { grammar, unenforced } = compileSchema(parseExactJson(schema, 100));
      expect(unenforced).toEqual([]);
      for (const text of possible) expect(allows(grammar, text), `${schema} ${text}`).toBe(true);
      for (const text of impossible) expect(allows(grammar, text), `${schema} ${text}`).toBe(false);
    };
    allowsOnly('{"const":9007199254740993}', ["9007199254740993"], ["9007199254740992"]);
    allowsOnly(
      '{"enum":[12345678901234567890,0.1234567890123456789,"x"],"type":["integer","string"]}',
      ["12345678901234567890", '"x"'],
      ["12345678901234567000", "0.1234567890123456789"],
    );
    allowsOnly(
      '{"type":"integer","minimum":9007199254740993,"maximum":9007199254740995}',
      ["9007199254740993", "9007199254740995"],
      ["9007199254740992", "9007199254740996"],
    );
    allowsOnly(
      '{"type":"integer","exclusiveMinimum":9007199254740992,"exclusiveMaximum":9007199254740996}',
      ["9007199254740993", "9007199254740995"],
      ["9007199254740992", "9007199254740996"],
    );
    allowsOnly(
      '{"enum":[9007199254740993,9007199254740995],"minimum":9007199254740994}',
      ["9007199254740995"],
      ["9007199254740993"],
    );
    allowsOnly(
      '{"type":"integer","minimum":0,"format":"uint64"}',
      ["18446744073709551615"],
      ["18446744073709551616"],
    );
    allowsOnly(
      '{"type":"object","properties":{"b":{"type":"null"},"10":{"type":"null"},"2":{"type":"null"}},"required":["b","10","2"]}',
      ['{"b": null, "10": null, "2": null}'],
      ['{"2": null, "10": null, "b": null}'],
    );
    allowsOnly(
      '{"const":{"z":1,"1":{"5":2,"3":4}}}',
      ['{"z": 1, "1": {"5": 2, "3": 4}}'],
      ['{"1": {"3": 4, "5": 2}, "z": 1}'],
    );
  });

  test("enforces patterns that are valid only without the flag u", () => {
    const { grammar, unenforced } = compileSchema({ type: "string", pattern: '^\\:[^\\\\\\"]*$' });
    expect(unenforced).toEqual([]);
    expect(allows(grammar, '":ab"')).toBe(true);
    for (const text of ['"ab"', '":a\\"', '"\\:"']) expect(allows(grammar, text)).toBe(false);
  });

  test("enforces `items` lists and boolean exclusive bounds of older drafts", () => {
    const schema = {
      type: "array",
      items: [{ type: "string" }, { type: "integer" }],
      additionalItems: { type: "null" },
      minItems: 2,
    };
    const { grammar } = compileSchema(schema);
    expect(allows(grammar, '["a", 1, null, null]')).toBe(true);
    expect(allows(grammar, '["a", 1, 2]')).toBe(false);
    checkSamples(schema, 20, 1, "7");
    const old = { type: "integer", minimum: 3, exclusiveMinimum: true, maximum: 9 };
    expect(allows(compileSchema(old).grammar, "3")).toBe(false);
    expect(allows(compileSchema(old).grammar, "4")).toBe(true);
  });

  test.each([
    [{ not: { type: "string" } }, ["/not"]],
    [
      { type: "object", properties: { "a/b": { type: "array", uniqueItems: true } } },
      ["/properties/a~1b/uniqueItems"],
    ],
    [{ type: "array", contains: { const: 1 } }, ["/contains"]],
    [{ type: "object", propertyNames: { maxLength: 3 } }, ["/propertyNames"]],
    [{ type: "object", dependentRequired: { a: ["b"] } }, ["/dependentRequired"]],
    [{ type: "string", pattern: "(?=a)b" }, ["/pattern"]],
    [{ type: "string", pattern: "(a)\\1" }, ["/pattern"]],
    [{ type: "string", pattern: "\\bword\\b" }, ["/pattern"]],
    [{ type: "string", pattern: "^(a|b)*a(a|b){20}$" }, ["/pattern"]],
    [{ type: "string", pattern: "^((a{1,100}){1,100}){1,100}$" }, ["/pattern"]],
    [{ type: "string", format: "regex" }, ["/format"]],
    [{ enum: ["a"], format: "semver", type: "string" }, ["/format"]],
    [{ type: "integer", multipleOf: 99_991 }, ["/multipleOf"]],
    [{ type: "number", multipleOf: 0.1 }, ["/multipleOf"]],
    [{ oneOf: [{ type: "number" }, { type: "integer" }] }, ["/oneOf"]],
    // Validators differ on whether "" is a date-time, so `not` can't be verified and neither can `oneOf`.
    [
      {
        type: "array",
        prefixItems: [
          {
            oneOf: [{ type: "string", not: { type: "string", format: "date-time" } }, { enum: ["", false] }],
          },
          { type: "number" },
        ],
      },
      ["/prefixItems/0/oneOf", "/prefixItems/0/oneOf/0/not"],
    ],
    [{ enum: ["a", 1], not: { format: "semver" } }, ["/not"]],
    // The grammar generates null, although uniqueItems implies arrays.
    [
      { oneOf: [{ enum: [null, []] }, { type: ["string", "null"] }], uniqueItems: true, maxItems: 1 },
      ["/oneOf"],
    ],
    [{ enum: [["a"]], items: { anyOf: [{ format: "semver" }, { type: "string" }] } }, []],
    [{ enum: [{ a: 1 }], unevaluatedProperties: false }, ["/unevaluatedProperties"]],
    [{ type: "array", unevaluatedItems: { type: "integer" } }, []],
    [
      { allOf: [{ prefixItems: [{ type: "integer" }] }, { type: "array", unevaluatedItems: false }] },
      ["/allOf/1/unevaluatedItems"],
    ],
    [
      {
        enum: [{ b: 1 }],
        patternProperties: { "(?=n)": { type: "string" } },
        additionalProperties: { type: "null" },
      },
      ["/patternProperties", "/additionalProperties"],
    ],
    [{ type: "object", patternProperties: { "(?=a)": {} }, required: ["a"] }, ["/patternProperties"]],
    [
      {
        allOf: [
          { type: "object", unevaluatedProperties: false },
          { properties: { a: {} }, required: ["a"] },
        ],
      },
      ["/allOf/0/unevaluatedProperties"],
    ],
    [{ if: { type: "string" }, else: { minLength: 3 } }, ["/if"]],
    [{ type: "string", maxLength: 1e9 }, ["/maxLength"]],
    [{ type: "object", minProperties: 3 }, ["/minProperties"]],
    [{ $defs: { a: { not: { const: 3 } } }, type: "array", items: { $ref: "#/$defs/a" } }, ["/$defs/a/not"]],
    [{ $defs: { unused: { not: {} } }, type: "string", contains: true, uniqueItems: true }, []],
  ])("of %j lists the keywords that the grammar does not enforce", (schema, pointers) => {
    expect(compileSchema(schema).unenforced).toEqual(pointers);
  });

  test.each([
    [{ properties: { a: { minLength: 1 } } }, ["#=object", "#/properties/a=string"]],
    [{ minimum: 1, pattern: "a" }, ["#=string+number"]],
    [{ anyOf: [{ required: ["a"] }, { type: "string", minLength: 1 }] }, ["#/anyOf/0=object"]],
    [{ title: "anything" }, []],
    [{ enum: [1, "a"], minimum: 0 }, []],
    [{ type: ["object", "null"], properties: { a: true } }, []],
    [{ allOf: [{ type: "object" }, { properties: {} }] }, []],
  ])("of %j lists the types that it implies without saying so", (schema, implied) => {
    expect(compileSchema(schema).impliedTypes.sort()).toEqual(implied.sort());
  });

  test.each([
    [false, ""],
    [3, ""],
    [{ type: "text" }, "/type"],
    [{ type: [] }, "/type"],
    [{ enum: [] }, "/enum"],
    [{ anyOf: [] }, "/anyOf"],
    [{ properties: [] }, "/properties"],
    [{ properties: { a: 3 } }, "/properties/a"],
    [{ required: "a" }, "/required"],
    [{ type: "string", pattern: "(" }, "/pattern"],
    [{ type: "string", minLength: -1 }, "/minLength"],
    [{ type: "integer", minimum: "1" }, "/minimum"],
    [{ multipleOf: 0 }, "/multipleOf"],
    [{ dependentRequired: { a: "b" } }, "/dependentRequired/a"],
    [{ dependencies: { "a/b": 3 } }, "/dependencies/a~1b"],
    [{ enum: [{ a: 1 }], dependentRequired: { a: ["b"] } }, ""],
    [{ type: "object", required: ["a"], unevaluatedProperties: false }, ""],
    [{ $ref: "#/$defs/missing" }, "/$ref"],
    [{ $ref: "https://example.com/schema" }, "/$ref"],
    [{ $defs: { a: { $id: "a", $ref: "#/$defs/b" }, b: {} }, $ref: "a" }, "/$defs/a/$ref"],
    [{ $ref: "#" }, ""],
    [{ enum: [1, 2, 3], anyOf: [{ $ref: "#" }, { $ref: "#" }, { type: "string" }] }, ""],
    [{ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }, ""],
    [
      {
        $defs: { a: { properties: { a: { $ref: "#/$defs/a" } }, required: ["a"] } },
        properties: { x: { $ref: "#/$defs/a" } },
        required: ["x"],
      },
      "/$defs/a/properties/a",
    ],
    [{ properties: { a: { type: "integer", minimum: 3, maximum: 2 } }, required: ["a"] }, "/properties/a"],
    [{ type: "string", minLength: 3, maxLength: 2 }, ""],
    [{ type: "string", pattern: "^a$", minLength: 2 }, ""],
    [{ allOf: [{ type: "string" }, { type: "integer" }] }, ""],
    [{ properties: { a: {} }, required: ["b"], additionalProperties: false }, ""],
    [{ type: "string", enum: [1, 2] }, ""],
    [{ type: "array", minItems: 2, maxItems: 1 }, ""],
    [{ type: "array", minItems: 1e12 }, ""],
    [{ type: "object", properties: { a: {} }, minProperties: 2 }, ""],
    [{ not: {} }, ""],
  ])("of %j is refused with the JSON pointer of the error", (schema, path) => {
    let thrown: unknown;
    try {
      compileSchema(schema);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SchemaError);
    expect((thrown as SchemaError).path).toBe(path);
  });

  test("never allows a property twice, even if names share a prefix", () => {
    const properties = { a: { type: "integer" }, b: { type: "integer" }, bc: { type: "integer" } };
    const { grammar } = compileSchema({ type: "object", properties, additionalProperties: true });
    expect(allows(grammar, '{"b": 1, "c": ""}')).toBe(true);
    for (const name of Object.keys(properties))
      expect(allows(grammar, `{"${name}": 1, "${name}": ""}`)).toBe(false);
  });

  test("grows linearly with the number of properties", () => {
    const size = (count: number): number => {
      const names = Array.from({ length: count }, (_, i) => `property${i}`);
      const properties = Object.fromEntries(names.map((name) => [name, { type: "integer" }]));
      return compileSchema({ type: "object", properties, required: names.filter((_, i) => i % 3 === 0) })
        .grammar.length;
    };
    expect(size(800)).toBeLessThan(size(100) * 9);
  });

  test("is refused or of bounded size when its schema is made to explode", () => {
    const chain = (make: (next: object) => object): object => {
      const $defs: Record<string, object> = {};
      for (let i = 0; i < 40; i++) $defs[`d${i}`] = make({ $ref: `#/$defs/d${i + 1}` });
      $defs["d40"] = { type: "integer" };
      return { $defs, $ref: "#/$defs/d0" };
    };
    const wide = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`p${i}`, { enum: [i] }]));
    const bombs: unknown[] = [
      chain((next) => ({
        anyOf: [{ allOf: [next, { title: "x", minimum: 1 }] }, { allOf: [next, { maximum: 9 }] }],
      })),
      chain((next) => ({ properties: { a: next, b: next }, required: ["a", "b"] })),
      chain((next) => ({
        anyOf: [
          { properties: { a: next }, required: ["a"] },
          { properties: { a: next, b: next }, required: ["a"] },
        ],
      })),
      chain((next) => ({ type: "array", minItems: 50, items: next })),
      { type: "object", properties: wide },
      { type: "object", properties: wide, minProperties: 100 },
      { anyOf: Array.from({ length: 3_000 }, (_, i) => ({ properties: { a: { const: i } } })) },
      {
        type: "array",
        items: {
          type: "array",
          minItems: 1_999,
          items: { type: "string", minLength: 1_999, maxLength: 60_000 },
        },
        minItems: 1_999,
      },
      { enum: Array.from({ length: 20_000 }, (_, i) => i * 7) },
    ];
    for (const bomb of bombs) {
      try {
        expect(compileSchema(bomb).grammar.length).toBeLessThan(1_000_000);
      } catch (error) {
        expect(error).toBeInstanceOf(SchemaError);
      }
    }
  });
});

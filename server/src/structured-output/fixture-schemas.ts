/** Realistic schemas that cover every supported keyword; for tests and the benchmark. */
export const VARIED_SCHEMAS: readonly unknown[] = Array.from({ length: 200 }, (_, i) => schemaOf(i));

function schemaOf(i: number): object {
  const kinds = [record, tagged, event, tree, union, service, choice, merged, table, settings];
  // The comment makes every one a text of its own.
  return { $comment: `schema ${i}`, ...kinds[i % kinds.length]!(i) };
}

function record(i: number): object {
  const types = ["string", "integer", "boolean", "number", ["string", "null"]];
  const names = Array.from({ length: 2 + (i % 23) }, (_, at) => `field_${at}_${i}`);
  const properties = Object.fromEntries(
    names.map((name, at) => [name, { type: types[(at + i) % 5], title: name }]),
  );
  return { type: "object", properties, required: names.filter((_, at) => (at + i) % 3 > 0) };
}

function tagged(i: number): object {
  const tags = {
    type: "array",
    items: { type: "string", minLength: 1, maxLength: 20 + i },
    minItems: 1,
    maxItems: 10,
  };
  const score = { type: "number", minimum: 0, exclusiveMaximum: i + 0.5 };
  return { type: "object", properties: { tags, score }, required: ["tags", "score"] };
}

function event(i: number): object {
  return {
    type: "object",
    properties: {
      id: { type: "string", format: "uuid" },
      at: { type: "string", format: i % 2 ? "date-time" : "date" },
      mail: { type: "string", format: "email" },
      code: { type: "string", pattern: `^[A-Z]{${1 + (i % 5)}}-\\d{4}$` },
    },
    required: ["id", "code"],
  };
}

function tree(i: number): object {
  const value = { type: "integer", minimum: -i, maximum: i * 100 };
  const node = {
    type: "object",
    properties: { value, children: { type: "array", items: { $ref: "#/$defs/node" } } },
    required: ["value"],
  };
  return { $defs: { node }, $ref: "#/$defs/node" };
}

function union(i: number): object {
  const option = (kind: string, rest: object) => ({
    type: "object",
    properties: { kind: { const: kind }, ...rest },
    required: ["kind", ...Object.keys(rest)],
  });
  const options = [
    option(`move-${i}`, { x: { type: "number" }, y: { type: "number" } }),
    option("stop", {}),
    option("say", { text: { type: "string" } }),
  ];
  return { [i % 2 ? "oneOf" : "anyOf"]: options };
}

function service(i: number): object {
  return {
    type: "object",
    properties: {
      port: { type: "integer", minimum: 1, maximum: 65_535 },
      url: { type: "string", format: "uri" },
      address: {
        anyOf: [
          { type: "string", format: "ipv4" },
          { type: "string", format: "ipv6" },
        ],
      },
    },
    additionalProperties: { type: "string", maxLength: i },
    required: ["port"],
  };
}

function choice(i: number): object {
  return {
    type: "array",
    items: { enum: Array.from({ length: 3 + i }, (_, at) => `value-${at}`) },
    minItems: 2,
  };
}

function merged(i: number): object {
  const base = {
    type: "object",
    properties: { a: { type: "string", pattern: `foo|bar${i}` } },
    required: ["a"],
  };
  return { allOf: [base, { properties: { b: { type: "integer", multipleOf: 1 + (i % 12) } } }] };
}

function table(i: number): object {
  const row = {
    type: "array",
    prefixItems: [{ type: "string" }, { type: "integer" }, true].slice(0, 1 + (i % 3)),
    minItems: 1,
  };
  return {
    type: "object",
    patternProperties: { [`^t${i}-`]: { type: "array", items: row } },
    additionalProperties: false,
  };
}

function settings(i: number): object {
  const names = Array.from({ length: 5 + (i % 4) }, (_, at) => `option${at}`);
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { type: ["boolean", "string"] }])),
    minProperties: 2,
    maxProperties: 4,
  };
}

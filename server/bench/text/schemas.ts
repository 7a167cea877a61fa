/** Schemas of the kinds that requests have, all different and determined by the seed. */

type Schema = Record<string, unknown>;
type Random = (below: number) => number;

/** @returns `count` schemas, the kinds in turn. */
export function schemas(seed: number, count: number): { kind: string; schema: Schema }[] {
  const random = randomOf(seed);
  const kinds = Object.entries(KINDS);
  return Array.from({ length: count }, (_, i) => {
    const [kind, make] = kinds[i % kinds.length]!;
    const maker = new Maker(random, i);
    // The title makes the schema unique even when all random choices coincide.
    return { kind, schema: { title: `Schema ${seed}-${i}`, ...make(maker) } };
  });
}

function randomOf(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const WORDS =
  "id name title city street amount price status date owner notes tags items kind level score email phone".split(
    " ",
  );
const FORMATS = ["date-time", "date", "time", "uuid", "email", "ipv4", "ipv6", "uri"];
const PATTERNS = [
  "^[A-Z]{2}-\\d{4}$",
  "^\\+?[0-9 ]{6,20}$",
  "^[a-z0-9]+(-[a-z0-9]+)*$",
  "^#[0-9a-fA-F]{6}$",
  "^(north|south|east|west)$",
  "^\\d{4}-\\d{2}$",
];

class Maker {
  readonly random: Random;
  readonly #seed: number;
  #named = 0;

  constructor(random: Random, seed: number) {
    this.random = random;
    this.#seed = seed;
  }

  between(low: number, high: number): number {
    return low + this.random(high - low + 1);
  }

  of<T>(values: readonly T[]): T {
    return values[this.random(values.length)]!;
  }

  /** `count` property names that no other schema has. */
  names(count: number): string[] {
    return Array.from({ length: count }, () => `${this.of(WORDS)}_${this.#seed}_${this.#named++}`);
  }

  words(count: number): string[] {
    return Array.from({ length: count }, (_, i) => `${this.of(WORDS)} ${this.#seed} ${i}`);
  }

  leaf(): Schema {
    return this.of<() => Schema>([
      () => ({ type: "string", description: `The ${this.of(WORDS)}, as the user gave it.` }),
      () => ({ type: "string", maxLength: this.between(10, 200) }),
      () => ({ type: "integer" }),
      () => ({ type: "integer", minimum: 0, maximum: this.between(10, 5_000) }),
      () => ({ type: "number" }),
      () => ({ type: "boolean" }),
      () => ({ type: ["string", "null"] }),
      () => ({ enum: this.words(this.between(2, 8)) }),
      () => ({ type: "array", items: { type: "string" } }),
    ])();
  }

  object(count: number, required = count, leaf: () => Schema = () => this.leaf()): Schema {
    const names = this.names(count);
    return {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, leaf()])),
      required: names.slice(0, required),
      additionalProperties: false,
    };
  }
}

const KINDS: Record<string, (m: Maker) => Schema> = {
  "flat object": (m) => m.object(m.between(2, 8)),
  "tool parameters": (m) => m.object(m.between(3, 6), m.between(1, 2)),
  nested: (m) => m.object(3, 3, () => m.object(3, 2, () => m.object(m.between(2, 4)))),
  "array of objects": (m) => ({ type: "array", items: m.object(m.between(3, 6)) }),
  "array with bounds": (m) => ({
    type: "array",
    items: m.object(m.between(2, 4)),
    minItems: m.between(1, 3),
    maxItems: m.between(4, 40),
  }),
  enum: (m) => ({ enum: m.words(m.between(10, 100)) }),
  pattern: (m) =>
    m.object(m.between(1, 4), 1, () => ({
      type: "string",
      pattern: m.of(PATTERNS),
      maxLength: m.between(30, 60),
    })),
  format: (m) => m.object(m.between(1, 5), 1, () => ({ type: "string", format: m.of(FORMATS) })),
  "integer bounds": (m) =>
    m.object(m.between(1, 5), 1, () => ({
      type: "integer",
      minimum: -m.between(0, 9_999),
      maximum: m.between(1, 9_999_999),
    })),
  "number bounds": (m) =>
    m.object(m.between(1, 4), 1, () => ({
      type: "number",
      minimum: m.between(0, 99) / 10,
      exclusiveMaximum: m.between(100, 9_999) / 10,
    })),
  lengths: (m) =>
    m.object(m.between(1, 4), 2, () => ({
      type: "string",
      minLength: m.between(1, 20),
      maxLength: m.between(21, 500),
    })),
  anyOf: (m) => ({ anyOf: [m.object(3), m.object(2), { type: "null" }, { type: "string" }] }),
  "oneOf by kind": (m) => ({
    oneOf: m.words(m.between(2, 5)).map((kind) => {
      const object = m.object(m.between(2, 4)) as { properties: Schema; required: string[] };
      return {
        ...object,
        properties: { kind: { const: kind }, ...object.properties },
        required: ["kind", ...object.required],
      };
    }),
  }),
  allOf: (m) => {
    const open = () => {
      const { additionalProperties: _, ...object } = m.object(m.between(2, 3));
      return object;
    };
    return { allOf: [open(), open()] };
  },
  "recursive tree": (m) => ({
    $ref: "#/$defs/node",
    $defs: {
      node: {
        type: "object",
        properties: {
          [m.names(1)[0]!]: m.leaf(),
          value: { type: "string" },
          children: { type: "array", items: { $ref: "#/$defs/node" } },
        },
        required: ["value", "children"],
        additionalProperties: false,
      },
    },
  }),
  "shared definitions": (m) => ({
    ...m.object(m.between(2, 6), 2, () => ({ $ref: `#/$defs/${m.of(["address", "money"])}` })),
    $defs: { address: m.object(4), money: m.object(2) },
  }),
  tuple: (m) => ({
    type: "array",
    prefixItems: [m.leaf(), m.leaf(), m.leaf()],
    items: m.leaf(),
    maxItems: m.between(4, 10),
  }),
  map: (m) => ({ ...m.object(2), additionalProperties: m.leaf() }),
  "many optional": (m) => m.object(m.between(8, 16), m.between(0, 3)),
  wide: (m) => m.object(m.between(30, 50)),
  invoice: (m) => ({
    type: "object",
    properties: {
      [m.names(1)[0]!]: m.leaf(),
      number: { type: "string", pattern: "^[A-Z]{2}-\\d{4}$" },
      issued: { type: "string", format: "date" },
      customer: m.object(4, 3),
      lines: { type: "array", items: m.object(4), minItems: 1, maxItems: m.between(5, 50) },
      total: { type: "number", minimum: 0 },
      paid: { type: ["boolean", "null"] },
    },
    required: ["number", "issued", "customer", "lines", "total"],
    additionalProperties: false,
  }),
};

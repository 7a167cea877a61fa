import { afterAll, afterEach, describe, expect, test } from "vitest";
import { CompositeGrammarBuilder } from "./composite-grammar-builder.ts";
import { GrammarError } from "./gbnf/parser.ts";
import { allows } from "./gbnf/testing.ts";
import { ANY_JSON_OBJECT, GrammarCompiler, type GrammarCompilerOptions } from "./grammar-compiler.ts";
import { SchemaError } from "./json-schema/schema-error.ts";

const open: GrammarCompiler[] = [];

function compilerWith(options: Partial<GrammarCompilerOptions>): GrammarCompiler {
  // Far above the CPU time of a compilation.
  const compiler = new GrammarCompiler({ cpuLimitMs: 20_000, ...options });
  open.push(compiler);
  return compiler;
}

/** Shared by the tests without options of their own, because a process takes a while to start. */
const shared = new GrammarCompiler({ cpuLimitMs: 20_000 });
afterAll(() => shared.close());

afterEach(async () => {
  await Promise.all(open.splice(0).map((compiler) => compiler.close()));
});

const ACCOUNT = "acme";
const COSTLY = { type: "string", pattern: "^(a|b)*a(a|b){9}$" };

describe("GrammarCompiler", () => {
  test("compiles the same grammar in this process and in its own", async () => {
    const compiler = shared;
    const simple = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
    const inline = await compiler.compileSchema(simple, ACCOUNT);
    const { grammar } = await compiler.compileComposite(
      {
        rules: { root: "x" },
        schemas: { x: { ...simple, minProperties: 0 } },
        texts: {},
      },
      ACCOUNT,
    );
    expect(allows(inline.grammar, '{"a": 5}')).toBe(true);
    expect(allows(grammar, '{"a": 5}')).toBe(true);
    expect(allows(grammar, '{"a": "5"}')).toBe(false);
  });

  test("reports the JSON pointer of an error from this process and from its own", async () => {
    const compiler = shared;
    const broken = { type: "object", properties: { "a/b": { type: "text" } } };
    await expect(compiler.compileSchema(broken, ACCOUNT)).rejects.toMatchObject({
      path: "/properties/a~1b/type",
    });
    const impossible = { type: "array", minItems: 1, items: { type: "integer", minimum: 3, maximum: 2 } };
    const refusal = await compiler.compileSchema(impossible, ACCOUNT).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(SchemaError);
    expect(refusal).toMatchObject({ path: "/items", message: expect.stringContaining("/items") });
  });

  test("reports line, column and the expected text for a broken grammar", async () => {
    const compiler = shared;
    const refusal = await compiler
      .checkGbnf('root ::= "a"\nb ::= [z-a]', ACCOUNT)
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(GrammarError);
    expect(refusal).toMatchObject({ line: 2, column: 8, expected: "the lower character first" });
  });

  test("keeps its cache bounded over a million different schemas", async () => {
    const compiler = compilerWith({ maxCached: 50, maxCachedBytes: 20_000 });
    for (let i = 0; i < 3_000; i++) {
      await compiler.compileSchema({ const: `value ${i}` }, ACCOUNT);
      await compiler.compileSchema({ type: "text", title: String(i) }, ACCOUNT).catch(() => {});
      expect(compiler.cached.count).toBeLessThanOrEqual(50);
      expect(compiler.cached.sizeBytes).toBeLessThanOrEqual(20_000);
    }
    await compiler.compileSchema(
      { enum: Array.from({ length: 500 }, (_, i) => `a long value ${i}`) },
      ACCOUNT,
    );
    expect(compiler.cached.sizeBytes).toBeLessThanOrEqual(20_000);
  });

  test("compiles a schema once for concurrent requests", async () => {
    const compiler = compilerWith({ maxQueuedPerAccount: 1 });
    const results = await Promise.all(
      Array.from({ length: 20 }, () => compiler.compileSchema(COSTLY, ACCOUNT)),
    );
    expect(new Set(results.map((result) => result.grammar)).size).toBe(1);
  });

  test("refuses a schema that takes too much CPU time, compiles the next one, and forgets the refusal", async () => {
    const compiler = compilerWith({ cpuLimitMs: 50, processes: 1 });
    const parts = Array.from({ length: 40 }, (_, i) => ({
      type: "string",
      pattern: `^(a|b)*a(a|b){8}x{${i}}$`,
    }));
    const costly = { type: "array", prefixItems: parts };
    const slow = compiler.compileSchema(costly, ACCOUNT);
    const waiting = compiler.compileSchema({ type: "string", pattern: "^x+$" }, "other");
    await expect(slow).rejects.toThrow("too complex");
    expect(allows((await waiting).grammar, '"xx"')).toBe(true);
    expect(compiler.cached.count).toBe(1);
  });

  test("refuses more queued schemas than maxQueuedPerAccount", async () => {
    const compiler = compilerWith({ processes: 1, maxQueuedPerAccount: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, (_, i) =>
        compiler.compileSchema({ type: "string", pattern: `^a{${i}}$` }, ACCOUNT),
      ),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(2);
    expect(refused[0]!.reason).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("refuses a deep or large schema before it copies the schema", async () => {
    const compiler = shared;
    let deep: unknown = { type: "string" };
    for (let i = 0; i < 10_000; i++) deep = { type: "array", items: deep };
    await expect(compiler.compileSchema(deep, ACCOUNT)).rejects.toThrow("nested deeper");
    await expect(compiler.compileSchema({ enum: ["x".repeat(300_000)] }, ACCOUNT)).rejects.toThrow("larger");
    await expect(
      compiler.compileSchema({ enum: Array.from({ length: 60_000 }, (_, i) => i) }, ACCOUNT),
    ).rejects.toThrow("larger");
    await expect(compiler.checkGbnf("a".repeat(1_000_000), ACCOUNT)).rejects.toBeInstanceOf(GrammarError);
  });
});

describe("a composite grammar", () => {
  const builder = (): CompositeGrammarBuilder => {
    const compiler = shared;
    return new CompositeGrammarBuilder((parts) => compiler.compileComposite(parts, ACCOUNT));
  };

  test("matches repeated literals around the arguments of one of several tools", async () => {
    const parts = builder();
    const tool = (name: string, schema: unknown): string =>
      `${parts.literal(`{"name": "${name}", "arguments": `)} ${parts.schema(schema)} ${parts.literal("}")}`;
    const add = tool("add", {
      type: "object",
      properties: { a: { type: "integer", maximum: 9 } },
      required: ["a"],
    });
    const say = tool("say", { type: "object", properties: { text: { type: "string", maxLength: 3 } } });
    const call = parts.rule(`${parts.literal("<call>\n")} (${add} | ${say}) ${parts.literal("</call>")}`);
    const { grammar, unenforced } = await parts.finish(`${call} ("\\n" ${call}){0,3}`);
    expect(unenforced).toEqual([]);
    const one = '<call>\n{"name": "add", "arguments": {"a": 7}}</call>';
    const other = '<call>\n{"name": "say", "arguments": {"text": "h\\"i"}}</call>';
    expect(allows(grammar, `${one}\n${other}\n${one}`)).toBe(true);
    expect(allows(grammar, other.replace("h", "long"))).toBe(false);
    expect(allows(grammar, one.replace("7", "10"))).toBe(false);
    expect(allows(grammar, one.replace('"add"', '"sub"'))).toBe(false);
  });

  test("prefixes the pointers of unenforced keywords with the number of the schema", async () => {
    const parts = builder();
    const [first, second] = [
      parts.schema({ type: "string" }),
      parts.schema({ type: "array", uniqueItems: true }),
    ];
    expect((await parts.finish(`${first} ${second}`)).unenforced).toEqual(["/1/uniqueItems"]);
    const broken = builder();
    const root = [broken.schema(true), broken.schema({ properties: { a: false }, required: ["a"] })].join(
      " ",
    );
    await expect(broken.finish(root)).rejects.toMatchObject({ path: "/1" });
  });

  test("allows prefixes of the literals in textWithout, but not the literals", async () => {
    const parts = builder();
    const { grammar } = await parts.finish(
      `${parts.textWithout("</think>", "<stop>")} ${parts.literal("</think>")} "{}"`,
    );
    expect(allows(grammar, "a < b, </thin, <<st\n</think>{}")).toBe(true);
    expect(allows(grammar, "</think>{}")).toBe(true);
    expect(allows(grammar, "a</think>b</think>{}")).toBe(false);
    expect(allows(grammar, "<stop></think>{}")).toBe(false);
  });
});

test("ANY_JSON_OBJECT matches JSON objects only", () => {
  for (const text of ["{}", '{"a": [1, null, {"b": "\\u00e9"}], "c": -1.5e9}'])
    expect(allows(ANY_JSON_OBJECT, text)).toBe(true);
  for (const text of ["[]", '"a"', "", "{} ", '{"a": 01}', '{"a": "\n"}', '{"a": "\\ud800"}']) {
    expect(allows(ANY_JSON_OBJECT, text)).toBe(false);
  }
});

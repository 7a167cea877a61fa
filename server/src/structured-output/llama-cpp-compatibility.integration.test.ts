import fc from "fast-check";
import { getLlama, type Llama } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VARIED_SCHEMAS } from "./fixture-schemas.ts";
import { parseGbnf } from "./gbnf/grammar.ts";
import { GrammarMatcher } from "./gbnf/matcher.ts";
import { GrammarError } from "./gbnf/parser.ts";
import { sample, seededRandom } from "./gbnf/testing.ts";
import { ANY_JSON_OBJECT } from "./grammar-compiler.ts";
import { compileSchema } from "./json-schema/compile-schema.ts";

let llama: Llama;

beforeAll(async () => {
  llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: 1 });
});
afterAll(() => llama.dispose());

/** llama.cpp's own check of a whole output. */
async function engineFor(grammar: string): Promise<(output: string) => boolean> {
  const llamaGrammar = await llama.createGrammar({ grammar });
  return (output) => (llamaGrammar as unknown as { _testText(text: string): boolean })._testText(output);
}

test("llama.cpp accepts every compiled grammar and agrees with GrammarMatcher on its texts, cut and changed ones included", async () => {
  const grammars = [ANY_JSON_OBJECT, ...VARIED_SCHEMAS.map((schema) => compileSchema(schema).grammar)];
  expect(grammars.length).toBeGreaterThanOrEqual(50);
  const random = seededRandom(7);
  for (const grammar of grammars) {
    const engine = await engineFor(grammar);
    const { lowered } = parseGbnf(grammar);
    for (let i = 0; i < 3; i++) {
      const output = sample(lowered, random, 20);
      expect(engine(output), `${output}\n${grammar}`).toBe(true);
      const at = random(output.length);
      for (const changed of [output.slice(0, at), `${output.slice(0, at)}"${output.slice(at)}`].filter(
        (text) => text.isWellFormed(),
      )) {
        const matcher = new GrammarMatcher(lowered);
        expect(engine(changed), `${changed}\n${grammar}`).toBe(matcher.accept(changed) && matcher.canEnd);
      }
    }
  }
});

test("llama.cpp accepts every grammar that parseGbnf accepts, and its random texts", async () => {
  const item = fc.oneof(
    fc.constantFrom(
      '"a"',
      '"bc"',
      "[a-c]",
      "[^a-y]",
      "x",
      "y",
      ".",
      '""',
      '("a" | "b")',
      '("a"? "b"*)',
      "(x | y)",
      "([ab] | )",
    ),
    fc.constantFrom(
      '"a"*',
      "[a-c]+",
      "x?",
      "y{0,2}",
      '"bc"{2}',
      '("a" | "b")*',
      '("a"? "b"*)*',
      "(x)*",
      "x{1,}",
      "y+?",
    ),
  );
  const body = fc
    .array(
      fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(" ")),
      { minLength: 1, maxLength: 3 },
    )
    .map((options) => options.join(" | "));
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(body, body, body, fc.integer(), async (root, x, y, seed) => {
      let grammar: ReturnType<typeof parseGbnf>;
      try {
        grammar = parseGbnf(`root ::= ${root} x? y?\nx ::= ${x}\ny ::= ${y}`);
      } catch (error) {
        expect(error).toBeInstanceOf(GrammarError);
        return;
      }
      accepted++;
      const engine = await engineFor(grammar.text);
      const output = sample(grammar.lowered, seededRandom(seed), 12);
      expect(engine(output)).toBe(true);
    }),
    // A fixed seed: the test could not interrupt native code on a grammar that explodes.
    { numRuns: 150, seed: 20_261_120 },
  );
  expect(accepted).toBeGreaterThan(20);
});

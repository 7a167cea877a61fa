/**
 * Tests the guarantee of structured output with the worst generator: a model for which all tokens are about equally
 * probable. The real engine generates outputs for the grammars of random schemas.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collectGeneration } from "../../src/engine/contract.ts";
import { launchReplica, type TestReplica, textRequest } from "../../src/engines/llama-cpp/testing.ts";
import { parseGbnf } from "../../src/structured-output/gbnf/grammar.ts";
import type { GrammarSymbol, LoweredGrammar } from "../../src/structured-output/gbnf/lowered-grammar.ts";
import { GrammarMatcher } from "../../src/structured-output/gbnf/matcher.ts";
import { grammarForSchema } from "../../src/structured-output/grammar-compiler.ts";
import { SchemaError } from "../../src/structured-output/json-schema/schema-error.ts";
import { exactly } from "../harness/exact-ajv.ts";
import { randomModel } from "../harness/random-model.ts";
import { type Schema, schemaDocument } from "./schemas.ts";

const never = new AbortController().signal;

/** Most bytes of an output, so that it fits the engine's context. */
const MAX_BYTES = 1_900;

let replica: TestReplica;

beforeAll(async () => {
  replica = await launchReplica({ modelPath: await randomModel(), slots: 8, contextSize: 2048, threads: 1 });
});
afterAll(() => replica?.dispose());

interface TestCase {
  schema: Schema;
  seed: number;
  /** Added to the tokens that the output needs at most; negative: too few tokens. */
  spareTokens: number;
}

const testCase: fc.Arbitrary<TestCase> = fc.record({
  schema: schemaDocument,
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  spareTokens: fc.integer({ min: -12, max: 24 }),
});

interface Output {
  text: string;
  reason: string;
  /** As in the request. */
  maxTokens: number;
  completionTokens: number;
  /** Tokens of the shortest output, without the end token. */
  shortestTokens: number;
  closed: boolean;
  matcher: GrammarMatcher;
  isValid: (value: unknown) => boolean;
}

function shortestBytes(grammar: LoweredGrammar): number {
  return Buffer.byteLength(new GrammarMatcher(grammar).shortestCompletion()!);
}

/** Bytes of the longest text; infinite when texts are unbounded. */
function longestBytes({ rules, root }: LoweredGrammar): number {
  const known = new Map<number, number>();
  const ofSymbol = (symbol: GrammarSymbol): number => {
    if ("rule" in symbol) return ofRule(symbol.rule);
    return "set" in symbol
      ? Buffer.byteLength(String.fromCodePoint(symbol.set.at(-1)!))
      : Number.POSITIVE_INFINITY;
  };
  const ofRule = (rule: number): number => {
    const found = known.get(rule);
    if (found !== undefined) return found;
    // A recursion that reaches this rule again makes texts unbounded.
    known.set(rule, Number.POSITIVE_INFINITY);
    const lengths = rules[rule]!.alternatives.map((symbols) =>
      symbols.reduce((sum, symbol) => sum + ofSymbol(symbol), 0),
    );
    const longest = Math.max(...lengths);
    known.set(rule, longest);
    return longest;
  };
  return ofRule(root);
}

function expectFinished({ text, matcher, isValid }: Output): void {
  expect(matcher.accept(text) && matcher.canEnd, text).toBe(true);
  expect(isValid(JSON.parse(text)), text).toBe(true);
}

/**
 * Generates one output; null when no value fits the schema or the grammar does not enforce all of it.
 * @param budget most bytes that the output may need; a token has at least one byte.
 */
async function generate(
  { schema, seed, spareTokens }: TestCase,
  budget: (grammar: LoweredGrammar) => number,
): Promise<Output | null> {
  const compiled = await grammarForSchema(schema, "acme").catch((error) => {
    if (error instanceof SchemaError) return null;
    throw error;
  });
  if (compiled === null || compiled.unenforced.length > 0) return null;
  const { grammar } = compiled;
  const { lowered } = parseGbnf(grammar);
  const matcher = new GrammarMatcher(lowered);
  const bytes = budget(lowered);
  if (bytes > MAX_BYTES) return null;
  // One more for the end token.
  const maxTokens = Math.max(1, bytes + 1 + spareTokens);
  const request = textRequest("HttpResponse:", { grammar, maxTokens, sampling: { temperature: 1, seed } });
  let closed = false;
  const { texts, finishes, end } = await collectGeneration(replica.engine, request, never, (event) => {
    if (event.type === "finish") closed = event.closed === true;
  });
  return {
    text: texts[0]!,
    reason: finishes[0]!,
    maxTokens,
    completionTokens: end.usage.completionTokens,
    shortestTokens: (await replica.engine.tokenize(matcher.shortestCompletion()!)).length,
    closed,
    matcher,
    isValid: exactly(new Ajv2020({ strict: false })).compile(schema as object),
  };
}

test("an output is complete and valid if the shortest one fits maxTokens, else a prefix of a valid one", async () => {
  const counts = { stop: 0, closed: 0, length: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(testCase, { minLength: 10, maxLength: 10 }), async (cases) => {
      const outputs = await Promise.all(cases.map((one) => generate(one, shortestBytes)));
      for (const output of outputs.filter((output) => output !== null)) {
        const { text, reason, maxTokens, completionTokens, shortestTokens, closed, matcher } = output;
        counts[closed ? "closed" : (reason as keyof typeof counts)]++;
        if (shortestTokens + 1 <= maxTokens) expect(reason, text).toBe("stop");
        if (reason === "stop") {
          expect(completionTokens).toBeLessThanOrEqual(maxTokens);
          expectFinished(output);
        } else {
          expect(completionTokens).toBe(maxTokens);
          expect(closed).toBe(false);
          expect(matcher.accept(text), text).toBe(true);
        }
      }
    }),
    { numRuns: 18 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(5);
});

test("an output ends without force if the longest one fits maxTokens", async () => {
  let finished = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(testCase, { minLength: 10, maxLength: 10 }), async (cases) => {
      const outputs = await Promise.all(
        cases.map((one) => generate({ ...one, spareTokens: 0 }, longestBytes)),
      );
      for (const output of outputs.filter((output) => output !== null)) {
        expect(output.reason, output.text).toBe("stop");
        expect(output.closed).toBe(false);
        expectFinished(output);
        finished++;
      }
    }),
    { numRuns: 20 },
  );
  expect(finished).toBeGreaterThan(10);
});

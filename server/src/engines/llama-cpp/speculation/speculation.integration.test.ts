import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectGeneration } from "../../../engine/contract.ts";
import { EngineError } from "../../../engine/errors.ts";
import type { GenerateRequest } from "../../../engine/generation.ts";
import { convertToGguf } from "../../../model-files/service.ts";
import { writeTinyModel } from "../../../model-files/testing.ts";
import { expectSimilarTokens } from "../expect-similar-tokens.ts";
import type { LlamaCppOptions } from "../kind.ts";
import { launchReplica, type TestReplica, textRequest } from "../testing.ts";

let folder: string;
const paths = { model: "", other: "", foreign: process.env["HEARTH_TEST_MODEL"]! };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hearth-speculation-"));
  for (const [name, seed] of [
    ["model", 7],
    ["other", 8],
  ] as const) {
    await writeTinyModel(join(folder, name), { seed });
    paths[name] = join(folder, `${name}.gguf`);
    await convertToGguf(join(folder, name), paths[name], {
      type: "F16",
      signal: new AbortController().signal,
    });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function generate(replica: TestReplica, text: string, overrides: Partial<GenerateRequest> = {}) {
  const request = textRequest(text, { maxTokens: 48, ignoreEos: true, logprobs: 3, ...overrides });
  const { tokens: choices, end } = await collectGeneration(
    replica.engine,
    request,
    new AbortController().signal,
  );
  return { tokens: choices[0]!, prediction: end.usage.prediction };
}

async function using<T>(
  options: Partial<LlamaCppOptions>,
  work: (replica: TestReplica) => Promise<T>,
): Promise<T> {
  const replica = await launchReplica({
    modelPath: paths.model,
    slots: 4,
    contextSize: 512,
    threads: 1,
    ...options,
  });
  try {
    return await work(replica);
  } finally {
    await replica.dispose();
  }
}

const PROMPTS = ["one two one two one two one", "a b c", "x".repeat(300)];

/** The outputs of the prompts, first all at the same time, then one by one. */
async function generateAll(replica: TestReplica, overrides: Partial<GenerateRequest> = {}) {
  const results = await Promise.all(PROMPTS.map((prompt) => generate(replica, prompt, overrides)));
  for (const prompt of PROMPTS) results.push(await generate(replica, prompt, overrides));
  return results;
}

describe("speculation", () => {
  let plain: Awaited<ReturnType<typeof generateAll>>;
  beforeAll(async () => {
    plain = await using({}, (replica) => generateAll(replica));
  });

  it.each<[string, () => Partial<LlamaCppOptions>]>([
    ["the model itself", () => ({ draft: { modelPath: paths.model, tokens: 5 } })],
    ["an unrelated model", () => ({ draft: { modelPath: paths.other } })],
    ["n-gram lookup", () => ({ ngram: { length: 2, tokens: 4 } })],
  ])("by %s gives the same output, but for rounding", async (_by, options) => {
    expect(plain.map(({ prediction }) => prediction)).toEqual(plain.map(() => undefined));
    await using(options(), async (replica) => {
      for (const [i, { tokens, prediction }] of (await generateAll(replica)).entries()) {
        expectSimilarTokens(tokens, plain[i]!.tokens);
        expect(prediction).toBeDefined();
      }
      for (const [i, { tokens, prediction }] of (
        await generateAll(replica, { disableSpeculation: true })
      ).entries()) {
        expectSimilarTokens(tokens, plain[i]!.tokens);
        expect(prediction).toBeUndefined();
      }
    });
  });

  it("by the model itself is nearly always right, and the usage says so", async () => {
    await using({ draft: { modelPath: paths.model, tokens: 5 } }, async (replica) => {
      const { prediction } = await generate(replica, "a b c");
      expect(prediction!.acceptedTokens).toBeGreaterThan(30);
      expect(prediction!.rejectedTokens).toBeLessThan(5);
    });
  });

  it("with a draft model of another vocabulary is refused when it is loaded", async () => {
    const failure = await using({ draft: { modelPath: paths.foreign } }, async () => null).catch(
      (error) => error,
    );
    expect(failure).toBeInstanceOf(EngineError);
    expect(failure).toMatchObject({ code: "invalid", message: expect.stringContaining("draft model") });
  });
});

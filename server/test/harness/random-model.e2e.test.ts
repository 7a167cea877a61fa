import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { collectGeneration } from "../../src/engine/contract.ts";
import type { GenerateRequest } from "../../src/engine/generation.ts";
import { launchReplica, type TestReplica, textRequest } from "../../src/engines/llama-cpp/testing.ts";
import { MODEL, startHearth, tempFolder } from "./hearth.ts";
import { post } from "./http.ts";
import { randomModel, randomModelCache } from "./random-model.ts";

const never = new AbortController().signal;

describe("the random model in the engine", () => {
  let replica: TestReplica;

  beforeAll(async () => {
    replica = await launchReplica({
      modelPath: await randomModel(),
      slots: 4,
      contextSize: 1024,
      threads: 1,
    });
  });
  afterAll(() => replica?.dispose());

  const generate = (overrides: Partial<GenerateRequest>) =>
    collectGeneration(replica.engine, textRequest("Once upon a time", overrides), never);

  test("writes max_tokens tokens, the same ones for the same seed and others for another seed", async () => {
    const run = (seed: number) => generate({ sampling: { temperature: 1, seed }, maxTokens: 20 });
    const [one, again, other] = await Promise.all([run(1), run(1), run(2)]);
    expect(one.finishes).toEqual(["length"]);
    expect(one.end.usage.completionTokens).toBe(20);
    expect(again.texts).toEqual(one.texts);
    expect(other.texts).not.toEqual(one.texts);
  });

  test("gives all tokens nearly the same probability", async () => {
    const { texts } = await generate({ sampling: { temperature: 1, seed: 1 }, n: 60, maxTokens: 1 });
    // Tokens that are parts of a character all decode to U+FFFD, so a few texts coincide.
    expect(new Set(texts).size).toBeGreaterThan(50);
  });

  test("has the default model's vocabulary and chat template", async () => {
    expect(replica.engine.model.eosToken).toBe("<|im_end|>");
    expect(replica.engine.model.chatTemplate).toContain("<|im_start|>");
    expect(await replica.engine.tokenize("<|im_start|>user\nHello")).toEqual([1, 4093, 198, 19556]);
  });
});

test("a random model is byte for byte the same file for the same seed and another file for another seed", async () => {
  // The seed is used by no other test: the file is deleted here, and other tests may be reading theirs.
  const make = () => randomModel({ seed: 77 });
  const path = await make();
  const digest = () => createHash("sha256").update(readFileSync(path)).digest("hex");
  const first = digest();
  rmSync(path);
  const [again, beside, other] = await Promise.all([make(), make(), randomModel()]);
  expect([again, beside]).toEqual([path, path]);
  expect(other).not.toBe(path);
  expect(digest()).toBe(first);
  rmSync(path);
});

test("a random model can be served by the whole platform in place of the default model", async () => {
  const hearth = await startHearth({ env: { HEARTH_CACHE_DIR: await randomModelCache(tempFolder()) } });
  const ask = (seed: number) =>
    post(hearth, "/inference/v1/chat/completions", {
      model: MODEL,
      messages: [{ role: "user", content: "What is the capital of France?" }],
      max_tokens: 20,
      seed,
    });
  const [one, other] = await Promise.all([ask(1), ask(2)]);
  expect([one.status, other.status]).toEqual([200, 200]);
  const choices = [one, other].map((response) => response.json.choices[0]);
  expect(choices.map((choice) => choice.finish_reason)).toEqual(["length", "length"]);
  expect(choices[0].message.content).not.toBe(choices[1].message.content);
});

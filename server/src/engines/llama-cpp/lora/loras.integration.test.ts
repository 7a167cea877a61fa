import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { getLlama, type Llama, LlamaLogLevel } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomModel } from "../../../../test/harness/random-model.ts";
import { type CollectedGeneration, collectGeneration } from "../../../engine/contract.ts";
import type { TextEngine } from "../../../engine/engine.ts";
import type { GenerateRequest } from "../../../engine/generation.ts";
import { expectSimilarTokens } from "../expect-similar-tokens.ts";
import type { LlamaCppOptions } from "../kind.ts";
import { LlamaBackend } from "../native/llama-backend.ts";
import { launchReplica, type TestReplica, textRequest } from "../testing.ts";
import { mergeLora, writeLora, writeTinyGgufModel } from "./lora-fixture.ts";

const never = new AbortController().signal;
const STORY = "one two three four five six seven eight nine ten ";

function run(engine: TextEngine, request: GenerateRequest): Promise<CollectedGeneration> {
  return collectGeneration(engine, request, never);
}

describe("a LoRA on a llama-cpp model", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearth-loras-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("gives the same output as the model with the scaled LoRA merged into its weights", async () => {
    const base = await randomModel({ logitSpread: 6 });
    const shape = { layers: 1, width: 64, feedForwardWidth: 128, heads: 2, kvHeads: 2, headSize: 32 };
    const targetModules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    const path = await writeLora(base, join(folder, "whole.gguf"), { shape, targetModules, rank: 4 });
    const options = { slots: 2, contextSize: 1024, threads: 1 };
    const replica = await launchReplica({ modelPath: base, ...options });
    const request = textRequest(STORY.repeat(12), { maxTokens: 32, logprobs: 3, ignoreEos: true });
    try {
      for (const scale of [1, -0.5]) {
        const merged = join(folder, "merged.gguf");
        await mergeLora({ basePath: base, loraPath: path, outPath: merged, scale });
        const reference = await launchReplica({ modelPath: merged, ...options });
        const id = `scale ${scale}`;
        await replica.engine.loadLora!({ id, path, scale });
        for (const prompt of [undefined, { logprobs: true }]) {
          const scored = prompt === undefined ? request : { ...request, prompt };
          const result = await run(replica.engine, { ...scored, lora: id });
          const expected = await run(reference.engine, scored);
          expectSimilarTokens(result.tokens[0]!, expected.tokens[0]!);
          expectSimilarTokens(result.prompt ?? [], expected.prompt ?? []);
          expect(result.texts).not.toEqual((await run(replica.engine, scored)).texts);
        }
        await reference.dispose();
      }
    } finally {
      await replica.dispose();
    }
  });
});

describe("LoRAs on one llama-cpp model", () => {
  const IDS = ["red", "green", "blue"];
  let folder: string;
  let base: string;
  let paths: string[];
  let replica: TestReplica;
  let engine: TextEngine;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearth-loras-"));
    base = await writeTinyGgufModel(folder);
    paths = [];
    for (const [seed, id] of IDS.entries())
      paths.push(await writeLora(base, join(folder, `${id}.gguf`), { seed: seed + 1 }));
    replica = await launchReplica({ modelPath: base, slots: 4, threads: 1, maxLoras: 4 });
    engine = replica.engine;
    for (const [i, id] of IDS.entries()) await engine.loadLora!({ id, path: paths[i]! });
  });
  afterAll(async () => {
    await replica?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  let scopes = 0;
  /** In a cache scope of its own, so that the whole prompt is computed and the result is the same to the bit. */
  const request = (overrides: Partial<GenerateRequest> = {}) =>
    textRequest(STORY, { maxTokens: 24, ignoreEos: true, cacheScope: `${++scopes}`, ...overrides });

  it("give every request the output it would have alone, whatever runs at the same time", async () => {
    const GRAMMAR = 'root ::= "<" [a-z]{2,12} ">"';
    const requestCase = fc.record({
      adapter: fc.constantFrom(undefined, ...IDS),
      prompt: fc.constantFrom(STORY, `${STORY}eleven`, STORY.repeat(5), `${STORY.repeat(5)}!`, "Other"),
      maxTokens: fc.integer({ min: 0, max: 20 }),
      n: fc.integer({ min: 1, max: 2 }),
      overrides: fc.constantFrom<Partial<GenerateRequest>>(
        {},
        { grammar: GRAMMAR },
        { prediction: { kind: "text", text: STORY } },
        { prompt: { logprobs: true } },
        { stop: ["e"] },
      ),
      delay: fc.integer({ min: 0, max: 30 }),
      abort: fc.boolean(),
    });
    const alone = new Map<string, CollectedGeneration>();
    await fc.assert(
      fc.asyncProperty(fc.array(requestCase, { minLength: 2, maxLength: 10 }), async (cases) => {
        const requests = cases.map(({ adapter, prompt, overrides, delay: _, abort: __, ...rest }) =>
          textRequest(prompt, {
            logprobs: 3,
            ...rest,
            ...overrides,
            ...(adapter === undefined ? {} : { lora: adapter }),
          }),
        );
        for (const request of requests) {
          const key = JSON.stringify(request);
          if (!alone.has(key)) alone.set(key, await run(engine, request));
        }
        const together = await Promise.all(
          requests.map(async (request, i) => {
            for (let turn = 0; turn < cases[i]!.delay; turn++) await new Promise(setImmediate);
            const abort = new AbortController();
            const result = collectGeneration(engine, request, abort.signal, (event) => {
              if (cases[i]!.abort && event.type === "delta") abort.abort();
            });
            return result;
          }),
        );
        together.forEach((result, i) => {
          const expected = alone.get(JSON.stringify(requests[i]!))!;
          if (result.end.aborted) return;
          result.tokens.forEach((tokens, choice) => {
            expectSimilarTokens(tokens, expected.tokens[choice]!);
          });
          expectSimilarTokens(result.prompt ?? [], expected.prompt ?? []);
        });
      }),
      { numRuns: 40 },
    );
    expect(new Set(IDS.map((id) => textOf(alone, id))).size, "the LoRAs differ").toBe(IDS.length);
  });

  it("reuse their own state, and none of each other's or the base model's", async () => {
    const input = { kind: "text", text: `A prompt of its own. ${STORY.repeat(4)}`, addBos: true } as const;
    const cached = async (adapter?: string) => {
      const lora = adapter === undefined ? {} : { lora: adapter };
      const result = await run(engine, request({ input, ...lora, cacheScope: "one", maxTokens: 2 }));
      return result.end.usage.cachedTokens;
    };
    expect(await cached()).toBe(0);
    expect(await cached("red")).toBe(0);
    expect(await cached("red")).toBeGreaterThan(100);
    expect(await cached("green")).toBe(0);
    expect(await cached("green")).toBeGreaterThan(100);
    expect(await cached()).toBeGreaterThan(100);
  });

  it("finish their running requests after an unload, and leave no state to the next LoRA of that id", async () => {
    const id = "changing";
    const long = (adapter = id) => request({ lora: adapter, maxTokens: 300 });
    await engine.loadLora!({ id, path: paths[0]! });
    const red = await run(engine, { ...long(), cacheScope: "kept" });
    let unloaded: Promise<void> | null = null;
    const running = await collectGeneration(engine, long(), never, (event) => {
      if (event.type === "delta") unloaded ??= engine.unloadLora!(id);
    });
    await unloaded;
    expect(running.texts).toEqual(red.texts);
    await expect(run(engine, long())).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining(id),
    });
    await engine.loadLora!({ id, path: paths[1]! });
    const green = await run(engine, { ...long(), cacheScope: "kept" });
    expect(green.end.usage.cachedTokens).toBe(0);
    expect(green.texts).toEqual((await run(engine, long("green"))).texts);
    await engine.unloadLora!(id);
    await engine.unloadLora!(id);
  });

  it("are refused beyond the limit until one is unloaded", async () => {
    await engine.loadLora!({ id: "fourth", path: paths[0]! });
    const fifth = { id: "fifth", path: paths[1]! };
    await expect(engine.loadLora!(fifth)).rejects.toMatchObject({ code: "overloaded", retryable: true });
    await engine.loadLora!({ id: "fourth", path: paths[0]! });
    await expect(engine.loadLora!({ id: "fourth", path: paths[1]! })).rejects.toMatchObject({
      code: "invalid",
    });
    await engine.unloadLora!("fourth");
    await engine.loadLora!(fifth);
    await engine.unloadLora!("fifth");
  });

  it("load and unload without any effect on running requests", async () => {
    const alone = await run(engine, request({ lora: "blue", maxTokens: 200 }));
    let loads = 0;
    const [beside] = await Promise.all([
      run(engine, request({ lora: "blue", maxTokens: 200 })),
      (async () => {
        for (; loads < 20; loads++) {
          await engine.loadLora!({ id: `passing ${loads}`, path: paths[loads % 3]! });
          await engine.unloadLora!(`passing ${loads}`);
        }
      })(),
    ]);
    expect(beside.texts).toEqual(alone.texts);
    expect(loads).toBe(20);
  });

  it.each<[string, () => Partial<LlamaCppOptions>]>([
    ["a draft model without a LoRA", () => ({ draft: { modelPath: base, tokens: 3 } })],
    ["n-gram lookup", () => ({ ngram: { length: 2, tokens: 4 } })],
  ])("give the same output with speculation by %s", async (_, options) => {
    const speculating = await launchReplica({ modelPath: base, slots: 4, threads: 1, ...options() });
    try {
      for (const [i, id] of IDS.entries()) await speculating.engine.loadLora!({ id, path: paths[i]! });
      const requests = IDS.map((adapter) => request({ lora: adapter, maxTokens: 60, logprobs: 3 }));
      const results = await Promise.all(requests.map((request) => run(speculating.engine, request)));
      for (const [i, request] of requests.entries()) {
        expectSimilarTokens(results[i]!.tokens[0]!, (await run(engine, request)).tokens[0]!);
        expect(results[i]!.end.usage.prediction).toBeDefined();
      }
    } finally {
      await speculating.dispose();
    }
  });

  it("fail only their own requests when their weights are out of range", async () => {
    await engine.loadLora!({ id: "wild", path: paths[0]!, scale: 1e30 });
    const plain = await run(engine, request({ maxTokens: 100 }));
    const beside = run(engine, request({ maxTokens: 100 }));
    for (const sampling of [{ temperature: 0 }, { temperature: 1, seed: 2 }]) {
      const wild = request({ sampling, lora: "wild", n: 2 });
      await expect(run(engine, wild)).rejects.toMatchObject({
        code: "invalid",
        message: expect.stringContaining("out of range"),
      });
    }
    expect((await beside).texts).toEqual(plain.texts);
    expect((await run(engine, request({ maxTokens: 100 }))).texts).toEqual(plain.texts);
    await engine.unloadLora!("wild");
  });

  it("never end the process, whatever bytes their files hold", { timeout: 120_000 }, async () => {
    const good = await readFile(paths[2]!);
    const path = join(folder, "mutated.gguf");
    const outcomes = { loaded: 0, refused: 0 };
    const change = fc.record({ at: fc.nat(2_000), value: fc.nat(255), length: fc.constantFrom(1, 1, 1, 8) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 3 }),
        fc.nat(good.length),
        async (changes, cut) => {
          const bytes = Buffer.from(cut % 5 === 0 ? good.subarray(0, cut) : good);
          for (const { at, value, length } of changes)
            bytes.fill(value, Math.min(at, bytes.length), Math.min(at + length, bytes.length));
          await writeFile(path, bytes);
          const id = "mutated";
          const error = await engine.loadLora!({ id, path }).catch((thrown: unknown) => thrown);
          if (error === undefined) {
            outcomes.loaded++;
            await run(engine, request({ lora: id, maxTokens: 2 })).catch((thrown: unknown) => {
              expect(thrown).toMatchObject({ code: "invalid" });
            });
          } else {
            outcomes.refused++;
            expect(error).toMatchObject({ code: "invalid" });
            expect((error as Error).message).not.toContain(folder);
          }
          await engine.unloadLora!(id);
        },
      ),
      { numRuns: 150 },
    );
    await engine.health();
    expect(outcomes.loaded).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});

describe("a slot whose state holds NaN from a LoRA", () => {
  let folder: string;
  let llama: Llama;
  let backend: LlamaBackend;
  let wild: number;
  const long = Array.from({ length: 400 }, (_, i) => i % 200);
  // Not a multiple of a block, so that the block kernel reads memory beyond the prompt.
  const short = long.slice(0, 150).toReversed();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearth-loras-"));
    const base = await writeTinyGgufModel(folder);
    const none = { gpu: false, build: "never", skipDownload: true, maxThreads: 1 } as const;
    llama = await getLlama({ ...none, logLevel: LlamaLogLevel.error });
    const model = await llama.loadModel({ modelPath: base });
    backend = new LlamaBackend(
      model,
      await model.createContext({ contextSize: 512, sequences: 2, threads: 1 }),
    );
    const tokens = short.slice(0, 16);
    await backend.testCopying(tokens);
    await backend.testNativeApi(tokens);
    await backend.testLoras(tokens);
    wild = await backend.loras!.load(await writeLora(base, join(folder, "wild.gguf")), 1e30);
  });
  afterAll(async () => {
    await llama?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  const logprobs = async (slot: number) => {
    await backend.truncate(slot, 0);
    return (await backend.score(slot, { tokens: short, next: short, top: 0 })).map(({ logprob }) => logprob);
  };

  it.each([
    ["is finite again after a wipe by a copy of another slot", 1],
    ["is finite again after a wipe without another slot", null],
  ])("%s", async (_, from) => {
    expect(backend.canCopy).toBe(true);
    await backend.truncate(0, 0);
    await backend.wipe(0, null);
    const [clean] = [await logprobs(0), await logprobs(1)];
    expect(clean.every(Number.isFinite)).toBe(true);
    await backend.truncate(0, 0);
    backend.useLora(wild);
    await backend.prefill(0, long);
    backend.useLora(null);
    expect((await logprobs(0)).every(Number.isFinite), "the slot is NaN before the wipe").toBe(false);
    await backend.wipe(0, from);
    expect(backend.cachedTokens(0)).toEqual([]);
    expect(await logprobs(0)).toEqual(clean);
  });
});

/** All greedy outputs with one of the LoRAs. */
function textOf(alone: ReadonlyMap<string, CollectedGeneration>, lora: string): string {
  const results = [...alone].filter(([key]) => key.includes(`"lora":"${lora}"`));
  return JSON.stringify(results.map(([, { texts }]) => texts));
}

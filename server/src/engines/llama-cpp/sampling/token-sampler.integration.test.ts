import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sampling } from "../../../engine/sampling.ts";
import { writeTinyGgufModel } from "../lora/lora-fixture.ts";
import { LlamaBackend } from "../native/llama-backend.ts";

describe.each([
  ["the token sampler", true],
  ["the fallback to the library's public functions", false],
])("%s", (_, usesNativeApi) => {
  let folder: string;
  let llama: Llama;
  let model: LlamaModel;
  let backend: LlamaBackend;
  let logitsOf: (tokens: readonly number[]) => Promise<Map<number, number>>;

  beforeAll(async () => {
    llama = await getLlama({
      gpu: false,
      build: "never",
      skipDownload: true,
      maxThreads: 1,
      logLevel: LlamaLogLevel.error,
    });
    folder = await mkdtemp(join(tmpdir(), "hearth-sampling-"));
    // With quantised weights a token's logits are the same, to the bit, in batches of any size.
    model = await llama.loadModel({ modelPath: await writeTinyGgufModel(folder, "Q8_0") });
    const context = await model.createContext({ contextSize: 512, sequences: 1, threads: 1 });
    const raw = (await model.createContext({ contextSize: 512, threads: 1 })).getSequence();
    backend = new LlamaBackend(model, context);
    if (usesNativeApi) await backend.testNativeApi(prompt());
    expect(backend.capabilities.features.includes("logprobs")).toBe(usesNativeApi);
    logitsOf = async (tokens) => {
      await raw.adaptStateToTokens(tokens.slice(0, -1) as Token[], false);
      const rest = tokens.slice(raw.nextTokenIndex) as Token[];
      const last = [rest.pop()!, { generateNext: { logits: true } }] as const;
      const result = await raw.controlledEvaluate([...rest, [...last]]);
      return result.at(-1)!.next.logits!;
    };
  });
  afterAll(async () => {
    await llama?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  // Its greedy continuation repeats itself, so that penalties have an effect.
  const prompt = () => model.tokenize("My favourite fruit is", true);

  const generate = async (sampling: Sampling, count: number): Promise<number[]> => {
    const done = await backend.truncate(0, prompt().length - 1);
    const spec = { sampling, prompt: prompt(), maxTokens: count };
    const decoder = await backend.decode(0, prompt().slice(done), spec);
    const output: number[] = [];
    while (output.length < count) output.push(...(await decoder.next()).map(({ token }) => token));
    decoder.end();
    return output;
  };

  it.each<[string, Sampling]>([
    ["frequency", { frequencyPenalty: 0.9 }],
    ["presence", { presencePenalty: 1.7 }],
    ["a negative frequency", { frequencyPenalty: -0.6 }],
    ["frequency and presence", { frequencyPenalty: 0.4, presencePenalty: 0.5 }],
    ["repetition", { repetitionPenalty: 1.4 }],
    ["a repetition below 1", { repetitionPenalty: 0.8 }],
    ["all three", { frequencyPenalty: 0.7, presencePenalty: 0.6, repetitionPenalty: 1.25 }],
  ])(
    "with %s penalty picks the token that the penalty formulas rank first, at every step",
    async (_, sampling) => {
      const tokens = await generate({ temperature: 0, ...sampling }, 20);
      expect(tokens).not.toEqual(await generate({ temperature: 0 }, 20));
      for (let step = 0; step < tokens.length; step++) {
        const output = tokens.slice(0, step);
        const logits = await logitsOf([...prompt(), ...output]);
        const penalised = penalise(logits, prompt(), output, sampling);
        const best = Math.max(...penalised.values());
        // Two tokens may be nearly equal, and the reference logits come from a batch of another size.
        expect(penalised.get(tokens[step]!)).toBeGreaterThan(best - 0.05);
      }
    },
  );

  it("cuts off no token by default: at a high temperature tokens beyond the best 40 appear", async () => {
    const order = [...(await logitsOf(prompt()))].sort((a, b) => b[1] - a[1]).map(([token]) => token);
    const ranks = async (sampling: Sampling) => {
      const result: number[] = [];
      for (let seed = 0; seed < 40; seed++) {
        const [token] = await generate({ temperature: 2, ...sampling, seed }, 1);
        result.push(order.indexOf(token!));
      }
      return result;
    };
    expect(Math.max(...(await ranks({})))).toBeGreaterThan(100);
    expect(Math.max(...(await ranks({ topK: 3 })))).toBeLessThan(3);
    expect(Math.max(...(await ranks({ topP: 0.0001 })))).toBe(0);
    expect(Math.max(...(await ranks({ minP: 1 })))).toBe(0);
  });

  it("gives the same output for the same seed and others for other seeds, also beyond 32 bits", async () => {
    const outputs = [];
    for (const seed of [0, 1, -1, 2 ** 32, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER]) {
      const first = await generate({ temperature: 2, seed }, 8);
      expect(await generate({ temperature: 2, seed }, 8)).toEqual(first);
      outputs.push(first.join());
    }
    expect(new Set(outputs).size).toBeGreaterThanOrEqual(4);
  });
});

/** The penalty formulas of the engine port. */
function penalise(
  logits: ReadonlyMap<number, number>,
  prompt: readonly number[],
  output: readonly number[],
  { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 }: Sampling,
): Map<number, number> {
  const present = new Set([...prompt, ...output]);
  const result = new Map<number, number>();
  for (const [token, raw] of logits) {
    const count = output.filter((t) => t === token).length;
    const logit = raw - count * frequencyPenalty - (count > 0 ? presencePenalty : 0);
    const factor = logit > 0 ? 1 / repetitionPenalty : repetitionPenalty;
    result.set(token, present.has(token) ? logit * factor : logit);
  }
  return result;
}

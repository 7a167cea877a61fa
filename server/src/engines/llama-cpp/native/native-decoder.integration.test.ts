import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyGgufModel } from "../lora/lora-fixture.ts";
import type { DecodeSpec } from "../scheduling/backend.ts";
import { LlamaBackend } from "./llama-backend.ts";

/** A CPU clock by which any batch costs as much as one token, so that the backend guesses as many as it can. */
let readings = 0;
const cpuMs = () => ++readings;

describe("the native decoder", () => {
  let folder: string;
  let llama: Llama;
  let model: LlamaModel;
  let backend: LlamaBackend;

  beforeAll(async () => {
    llama = await getLlama({
      gpu: false,
      build: "never",
      skipDownload: true,
      maxThreads: 1,
      logLevel: LlamaLogLevel.error,
    });
    folder = await mkdtemp(join(tmpdir(), "hearth-decoder-"));
    // With quantised weights a token's logits are the same, to the bit, in batches of any size.
    await open(await writeTinyGgufModel(folder, "Q8_0"));
  });
  afterAll(async () => {
    await llama?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(modelPath: string): Promise<void> {
    model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize: 512, sequences: 2, threads: 1 });
    backend = new LlamaBackend(model, context, cpuMs);
    await backend.testNativeApi(model.tokenize("Once upon a time there was"));
  }

  const prompt = () => model.tokenize("Three animals of the forest:", true);

  const generate = async (spec: Partial<DecodeSpec>, slot = 0) => {
    const maxTokens = spec.maxTokens ?? 40;
    await backend.truncate(slot, 0);
    const whole = { sampling: { temperature: 0 }, prompt: prompt(), ...spec, maxTokens };
    const decoder = await backend.decode(slot, prompt(), whole);
    const output: number[] = [];
    let calls = 0;
    while (output.length < maxTokens) {
      const tokens = await decoder.next();
      calls++;
      output.push(...tokens.map(({ token }) => token));
      if (tokens.at(-1)!.ends) break;
      const held = backend.cachedTokens(slot);
      expect(held, "the slot holds all generated tokens but the last").toEqual([
        ...prompt(),
        ...output.slice(0, -1),
      ]);
    }
    decoder.end();
    return { output, calls };
  };

  it.each<[string, DecodeSpec["sampling"]]>([
    ["greedily", { temperature: 0 }],
    [
      "with a seed and penalties",
      { temperature: 1.2, seed: 6, topP: 0.9, frequencyPenalty: 0.3, repetitionPenalty: 1.1 },
    ],
    ["by mirostat", { temperature: 1, seed: 6, mirostat: { target: 3, learningRate: 0.1 } }],
  ])("gives the same output whatever the prediction, %s", async (_, sampling) => {
    const plain = await generate({ sampling, ignoreEos: true });
    expect(plain.calls).toBe(plain.output.length);
    const { output } = plain;
    const edited = [...output.slice(0, 12), 100, 101, ...output.slice(16)];
    for (const prediction of [output, edited, output.slice(20), output.toReversed(), [5, 6]]) {
      const predicted = await generate({ sampling, ignoreEos: true, prediction });
      expect(predicted.output).toEqual(output);
      if (prediction === output) expect(predicted.calls).toBeLessThan(8);
      if (prediction === edited) expect(predicted.calls).toBeLessThan(16);
    }
  });

  it("gives the same output with a grammar whatever the prediction", async () => {
    const grammar = 'root ::= "[" [a-z]{3,9} (", " [a-z]{3,9}){4} "]"';
    const { output } = await generate({ grammar });
    expect(model.detokenize(output as never[])).toMatch(/^\[[a-z]{3,9}(, [a-z]{3,9}){4}\]$/);
    expect((await generate({ grammar, prediction: output })).output).toEqual(output);
    expect((await generate({ grammar, prediction: output.map((t, i) => (i % 4 ? t : 99)) })).output).toEqual(
      output,
    );
  });

  it("computes forced tokens in one batch", async () => {
    const thinking = { open: "<think>", close: "</think> So it is", opened: true, maxTokens: 3 };
    const { output, calls } = await generate({ thinking, maxTokens: 20, ignoreEos: true });
    const close = model.tokenize(thinking.close, true);
    expect(output.slice(3, 3 + close.length)).toEqual(close);
    expect(calls).toBeLessThanOrEqual(20 - close.length + 1);
  });

  it("gives two concurrent choices the same output as one alone", async () => {
    const [one, other] = [{ logprobs: 2, ignoreEos: true }, { minTokens: 40 }];
    const apart = [await generate(one, 0), await generate(other, 1)];
    expect(await Promise.all([generate(one, 0), generate(other, 1)])).toEqual(apart);
  });

  it("fails when the grammar allows no token, and decodes the next request", async () => {
    // Needs a vocabulary whose tokens are whole characters: the grammar allows no character after "a".
    await open(process.env["HEARTH_TEST_MODEL"]!);
    const grammar = 'root ::= "a" [^\\x00-\\U0010FFFF]';
    for (const temperature of [0, 1]) {
      await expect(generate({ grammar, sampling: { temperature, seed: 1 } })).rejects.toThrow();
    }
    expect((await generate({ logprobs: 0, maxTokens: 2 })).output.length).toBe(2);
  });
});

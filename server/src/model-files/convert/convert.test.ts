import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TokenInfo } from "../../engine/port.ts";
import { launchReplica, textRequest } from "../../engines/llama-cpp/testing.ts";
import { loadReference, referenceLogprobs } from "../reference-fixture.ts";
import { writeTinyModel } from "../testing.ts";
import { convertToGguf } from "./convert.ts";

const signal = new AbortController().signal;
const PROMPT = Array.from({ length: 48 }, (_, i) => (i * 37 + 11) % 256);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-convert-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const gemma = {
  architectures: ["GemmaForCausalLM"],
  head_dim: 32,
  hidden_activation: "gelu_pytorch_tanh",
  hidden_act: undefined,
  tie_word_embeddings: undefined,
};

/** `config.json` of tiny models, against those of the tiny llama. */
const MODELS: Record<string, Record<string, unknown>> = {
  llama: {},
  "llama, tied, biased": { tie_word_embeddings: true, attention_bias: true, mlp_bias: true },
  "llama 3.1": {
    rope_theta: 500_000,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
  "llama, linear": { rope_scaling: { type: "linear", factor: 4 } },
  "mistral, heads of another size": {
    architectures: ["MistralForCausalLM"],
    head_dim: 32,
    sliding_window: 64,
  },
  qwen2: {
    architectures: ["Qwen2ForCausalLM"],
    rope_theta: 1e6,
    use_sliding_window: false,
    sliding_window: 8,
  },
  "qwen2, yarn": {
    architectures: ["Qwen2ForCausalLM"],
    rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 128 },
  },
  qwen3: { architectures: ["Qwen3ForCausalLM"], head_dim: 32 },
  gemma: gemma,
  "gemma 2": {
    ...gemma,
    architectures: ["Gemma2ForCausalLM"],
    query_pre_attn_scalar: 32,
    attn_logit_softcapping: 2,
    final_logit_softcapping: 5,
    sliding_window: 16,
  },
  "phi-3": { architectures: ["Phi3ForCausalLM"] },
  "phi-3, partly turned, long": {
    architectures: ["Phi3ForCausalLM"],
    partial_rotary_factor: 0.5,
    original_max_position_embeddings: 128,
    rope_scaling: { type: "longrope", short_factor: [1, 1.1, 1.3, 1.7], long_factor: [1, 2, 4, 8] },
  },
};

async function engineTokens(path: string, tokens: readonly number[]): Promise<readonly TokenInfo[]> {
  const replica = await launchReplica({ modelPath: path, slots: 2, contextSize: 128, threads: 1 });
  try {
    const request = textRequest("", {
      input: { kind: "tokens", tokens },
      maxTokens: 1,
      logprobs: 5,
      prompt: { logprobs: true },
    });
    for await (const event of replica.engine.generate(request, signal)) {
      if (event.type === "prompt") return event.tokens;
    }
    throw new Error("the engine delivered no prompt");
  } finally {
    await replica.dispose();
  }
}

function largestDifference(tokens: readonly TokenInfo[], expected: readonly Float64Array[]): number {
  let largest = 0;
  for (const [index, { id, logprob, top }] of tokens.entries()) {
    if (index === 0) continue;
    for (const found of [{ id, logprob: logprob as number }, ...top]) {
      largest = Math.max(largest, Math.abs(found.logprob - expected[index - 1]![found.id]!));
    }
  }
  return largest;
}

describe("a converted model computes what the original does", () => {
  test.each(Object.entries(MODELS))("%s", async (name, config) => {
    const source = join(folder, name);
    await writeTinyModel(source, { config });
    const expected = referenceLogprobs(loadReference(source), PROMPT);
    for (const type of ["F16", "Q8_0"] as const) {
      const path = join(folder, `${name}.gguf`);
      await convertToGguf(source, path, { type, signal });
      const difference = largestDifference(await engineTokens(path, PROMPT), expected);
      console.log(name, type, difference);
      expect(difference).toBeLessThan(type === "F16" ? 0.03 : 0.15);
    }
  });
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FileBytes } from "../file-bytes.ts";
import { readGguf } from "../gguf/reader.ts";
import { largestDifference, nextTokens } from "../llama-cpp-fixture.ts";
import { loadReference, type ReferenceModel, referenceLogprobs } from "../reference-fixture.ts";
import { editJson, safetensors, writeTinyModel } from "../testing.ts";
import { convertToGguf } from "./convert.ts";

const signal = new AbortController().signal;
const PROMPT = Array.from({ length: 48 }, (_, i) => (i * 37 + 11) % 256);
/**
 * Largest accepted difference of a token's log-probability between the 64-bit reference and llama.cpp with 16-bit
 * weights.
 */
const TOLERANCE = 0.04;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-convert-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Wrong = (model: ReferenceModel) => ReferenceModel;

/** A deliberate mistake: the reference with a changed configuration. */
const configured =
  (change: Record<string, unknown>): Wrong =>
  ({ config, tensors }) => ({ config: { ...config, ...change }, tensors });

/** A deliberate mistake: the reference with changed tensors of this name. */
const changed =
  (name: RegExp, change: (value: number, index: number, values: Float64Array) => number): Wrong =>
  ({ config, tensors }) => ({
    config,
    tensors: new Map(
      [...tensors].map(([key, matrix]) => [
        key,
        name.test(key)
          ? { ...matrix, values: matrix.values.map((v, i) => change(v, i, matrix.values)) }
          : matrix,
      ]),
    ),
  });

/**
 * A deliberate mistake: the rows of each head of 16 in llama.cpp's order, as if the conversion reordered them wrongly.
 */
const notInterleaved = changed(/[qk]_proj\.weight$/, (_, index, values) => {
  const [row, column] = [Math.floor(index / 64), index % 64];
  const inHead = row % 16;
  return values[(row - inHead + (inHead % 2) * 8 + Math.floor(inHead / 2)) * 64 + column] as number;
});
const otherTheta = configured({ rope_theta: 100 });

const gemma = {
  architectures: ["GemmaForCausalLM"],
  head_dim: 32,
  hidden_activation: "gelu_pytorch_tanh",
  hidden_act: undefined,
  tie_word_embeddings: undefined,
};
const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};
const longrope = {
  architectures: ["Phi3ForCausalLM"],
  partial_rotary_factor: 0.5,
  rope_scaling: { type: "longrope", short_factor: [1, 1.5, 3, 6], long_factor: [1, 2, 8, 20] },
};

/** For each model the fields that differ from the tiny llama, and mistakes that the comparison must detect. */
const MODELS: Record<string, { config: Record<string, unknown>; wrong: Record<string, Wrong> }> = {
  llama: { config: {}, wrong: { "rows not reordered": notInterleaved, "another theta": otherTheta } },
  "llama with biases and one matrix for input and output": {
    config: { tie_word_embeddings: true, attention_bias: true, mlp_bias: true },
    wrong: {
      "no biases of queries": changed(/q_proj\.bias$/, () => 0),
      "biases of keys not reordered": changed(/k_proj\.bias$/, (_, i, values) => values[i ^ 1] as number),
      "no biases of outputs": changed(/o_proj\.bias$/, () => 0),
      "no biases in the middle": changed(/(gate|up|down)_proj\.bias$/, () => 0),
    },
  },
  "llama 3.1": {
    config: { rope_theta: 500_000, rope_scaling: llama3 },
    wrong: { "no scaling": configured({ rope_scaling: undefined }) },
  },
  "llama, linear scaling": {
    config: { rope_scaling: { type: "linear", factor: 4 } },
    wrong: { "no scaling": configured({ rope_scaling: undefined }) },
  },
  "mistral, heads of another size": {
    config: { architectures: ["MistralForCausalLM"], head_dim: 32, sliding_window: 64 },
    wrong: { "another theta": otherTheta, "a shorter window": configured({ sliding_window: 24 }) },
  },
  qwen2: {
    config: {
      architectures: ["Qwen2ForCausalLM"],
      rope_theta: 1e6,
      use_sliding_window: false,
      sliding_window: 8,
    },
    wrong: {
      "no biases": changed(/\.bias$/, () => 0),
      "its window used": configured({ use_sliding_window: true }),
      "rows reordered": notInterleaved,
    },
  },
  "qwen2, yarn": {
    config: {
      architectures: ["Qwen2ForCausalLM"],
      rope_parameters: {
        rope_type: "yarn",
        rope_theta: 1e4,
        factor: 4,
        original_max_position_embeddings: 128,
      },
      rope_theta: undefined,
    },
    wrong: { "no scaling": configured({ rope_parameters: undefined }) },
  },
  qwen3: {
    config: { architectures: ["Qwen3ForCausalLM"], head_dim: 32 },
    wrong: { "the norms of heads left out": changed(/[qk]_norm\.weight$/, () => 1) },
  },
  gemma: {
    config: gemma,
    wrong: {
      "norms without their 1": changed(/norm\.weight$/, (value) => value - 1),
      "another theta": otherTheta,
    },
  },
  "gemma 2": {
    config: {
      ...gemma,
      architectures: ["Gemma2ForCausalLM"],
      query_pre_attn_scalar: 32,
      attn_logit_softcapping: 3,
      final_logit_softcapping: 12,
      sliding_window: 16,
    },
    wrong: {
      "attention not capped": configured({ attn_logit_softcapping: undefined }),
      "logits not capped": configured({ final_logit_softcapping: undefined }),
      "no window": configured({ sliding_window: undefined }),
      "another scale": configured({ query_pre_attn_scalar: 4 }),
      "norms mixed up": changed(/post_feedforward_layernorm\.weight$/, (value, i) => (i % 2 ? value : 0)),
    },
  },
  "phi-3": {
    config: { architectures: ["Phi3ForCausalLM"] },
    wrong: {
      "another theta": otherTheta,
      "the two halves mixed up": changed(
        /gate_up_proj\.weight$/,
        (_, i, values) => values[(i + values.length / 2) % values.length] as number,
      ),
    },
  },
  "phi-3, turned in part, within its first context": {
    config: { ...longrope, original_max_position_embeddings: 256 },
    wrong: {
      "turned whole": configured({ partial_rotary_factor: 1, rope_scaling: undefined }),
      "for long prompts": configured({ original_max_position_embeddings: 32 }),
    },
  },
  "phi-3, turned in part, beyond its first context": {
    config: { ...longrope, original_max_position_embeddings: 32 },
    wrong: { "for short prompts": configured({ original_max_position_embeddings: 256 }) },
  },
};

describe("a converted model computes the same token probabilities as the original, for", () => {
  test.each(Object.entries(MODELS))("%s", async (name, { config, wrong }) => {
    const source = join(folder, name);
    await writeTinyModel(source, { config });
    const path = join(folder, `${name}.gguf`);
    await convertToGguf(source, path, { type: "F16", signal });
    const found = await nextTokens(path, PROMPT);
    const reference = loadReference(source);
    expect(largestDifference(found, referenceLogprobs(reference, PROMPT))).toBeLessThan(TOLERANCE);
    for (const [mistake, make] of Object.entries(wrong)) {
      const difference = largestDifference(found, referenceLogprobs(make(reference), PROMPT));
      expect(difference, mistake).toBeGreaterThan(4 * TOLERANCE);
    }
  });

  test("8-bit weights, within a tolerance, with F16 for matrices that don't fill whole blocks", async () => {
    const source = join(folder, "q8");
    await writeTinyModel(source, { config: { intermediate_size: 72 } });
    const path = join(folder, "q8.gguf");
    await convertToGguf(source, path, { type: "Q8_0", signal });
    const found = await nextTokens(path, PROMPT);
    // Random weights pass every error on to the output. The accepted errors are a few percent of the probability.
    expect(largestDifference(found, referenceLogprobs(loadReference(source), PROMPT))).toBeLessThan(0.6);
    const { tensors } = await header(path);
    expect(tensors.get("blk.0.ffn_up.weight")?.kind).toBe("Q8_0");
    expect(tensors.get("blk.0.ffn_down.weight")?.kind).toBe("F16");
    expect(tensors.get("blk.0.attn_norm.weight")?.kind).toBe("F32");
  });
});

describe("a conversion", () => {
  test("gives the same file for one weight file as for several, and its progress ends at the total", async () => {
    const [one, several] = [join(folder, "one"), join(folder, "several")];
    await writeTinyModel(one, { type: "BF16" });
    await writeTinyModel(several, { type: "BF16", shards: 3 });
    const steps: (readonly [number, number])[] = [];
    await convertToGguf(one, `${one}.gguf`, { type: "F16", signal });
    await convertToGguf(several, `${several}.gguf`, {
      type: "F16",
      signal,
      onProgress: (...step) => steps.push(step),
    });
    expect(await readFile(`${one}.gguf`)).toEqual(await readFile(`${several}.gguf`));
    expect(steps.at(-1)?.[0]).toBe(steps.at(-1)?.[1]);
    expect(steps.map(([done]) => done)).toEqual(steps.map(([done]) => done).sort((a, b) => a - b));
  });
});

describe("the context of a converted model is", () => {
  test.each([
    ["the configured context without a sliding window", {}, 512],
    [
      "the window when all layers have one",
      { architectures: ["MistralForCausalLM"], sliding_window: 64 },
      64,
    ],
    [
      "the configured context when the window is larger",
      { architectures: ["MistralForCausalLM"], sliding_window: 4096 },
      512,
    ],
    [
      "the configured context when the window is not used",
      { architectures: ["Qwen2ForCausalLM"], sliding_window: 64 },
      512,
    ],
    [
      "the window when it is used",
      { architectures: ["Qwen2ForCausalLM"], sliding_window: 64, use_sliding_window: true },
      64,
    ],
  ])("%s", async (name, config, tokens) => {
    const source = join(folder, name);
    await writeTinyModel(source, { config });
    await convertToGguf(source, `${source}.gguf`, { type: "F16", signal });
    const { metadata: settings } = await header(`${source}.gguf`);
    expect(settings.get(`${settings.get("general.architecture")}.context_length`)).toBe(tokens);
  });
});

describe("convertToGguf names the fault when it refuses", () => {
  test.each<[Record<string, unknown>, string | RegExp]>([
    [
      { architectures: ["MixtralForCausalLM"] },
      /"MixtralForCausalLM", which is not supported; these are: Llama.*Phi3/,
    ],
    [{ architectures: [] }, /architectures must name one/],
    [{ architectures: ["__proto__"] }, /"__proto__", which is not supported/],
    [{ quantization_config: { bits: 4 } }, /quantization_config is not supported/],
    [{ hidden_act: "relu" }, /hidden_act must be silu/],
    [{ hidden_size: 63 }, /hidden_size must be a multiple of num_attention_heads/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads must divide/],
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers must be an integer between 1 and 512/],
    [{ head_dim: 15 }, /head_dim must be even/],
    [
      { architectures: ["Phi3ForCausalLM"], head_dim: 32 },
      /head_dim must be hidden_size by num_attention_heads/,
    ],
    [{ rms_norm_eps: "x" }, /rms_norm_eps must be a number above 0/],
    [{ vocab_size: undefined }, /vocab_size is missing/],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, /rope_scaling.rope_type "dynamic" is not supported/],
    [{ rope_scaling: { ...llama3, high_freq_factor: 1 } }, /high_freq_factor must be above/],
    [{ rope_scaling: { ...llama3, factor: null } }, /rope_scaling.factor is missing/],
    [
      { rope_scaling: { rope_type: "yarn", factor: 4, attention_factor: 1 } },
      /attention_factor is not supported/,
    ],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor is not supported/],
    [
      { ...longrope, partial_rotary_factor: 1, original_max_position_embeddings: 32 },
      /short_factor must have 8 numbers|long_factor must have 8/,
    ],
    [{ ...gemma, tie_word_embeddings: false }, /tie_word_embeddings must be true/],
    [{ architectures: ["Qwen3ForCausalLM"], attention_bias: true }, /biases/],
    [
      { ...gemma, ...MODELS["gemma 2"]!.config, query_pre_attn_scalar: 224 },
      /query_pre_attn_scalar must be 32/,
    ],
    [
      { ...gemma, ...MODELS["gemma 2"]!.config, layer_types: ["full_attention"] },
      /layer_types must alternate/,
    ],
  ])("%j", async (config, reason) => {
    const source = await mkdtemp(join(folder, "refused-"));
    await writeTinyModel(source);
    await editJson(source, "config.json", config);
    await expect(convertToGguf(source, `${source}.gguf`, { type: "F16", signal })).rejects.toThrow(reason);
  });

  const tensor = (name: string, shape: readonly number[], value = 0) => ({
    name,
    shape,
    values: new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(value),
  });

  test("tensors that are missing, unexpected, of another shape, or not finite", async () => {
    const source = join(folder, "tensors");
    await writeTinyModel(source);
    const convert = () => convertToGguf(source, `${source}.gguf`, { type: "F16", signal });
    const store = (...tensors: ReturnType<typeof tensor>[]) =>
      writeFile(join(source, "model.safetensors"), safetensors(tensors, "F32"));
    await store(tensor("model.embed_tokens.weight", [288, 64]));
    await expect(convert()).rejects.toThrow('model.safetensors: the tensor "model.norm.weight" is missing.');
    await store(tensor("model.embed_tokens.weight", [287, 64]));
    await expect(convert()).rejects.toThrow(/has the shape \[287, 64\]; \[288, 64\] is needed/);
    await writeTinyModel(source, { config: { attention_bias: true } });
    await editJson(source, "config.json", { attention_bias: false });
    await expect(convert()).rejects.toThrow(
      /has the tensor "model\.layers\.0.*bias", which this architecture doesn't/,
    );
    await writeTinyModel(source);
    const path = join(source, "model.safetensors");
    const bytes = await readFile(path);
    bytes.writeFloatLE(Number.NaN, bytes.length - 8);
    await writeFile(path, bytes);
    await expect(convert()).rejects.toThrow(/a value is not a number/);
    await expect(readFile(`${source}.gguf`)).rejects.toThrow(/ENOENT/);
  });
});

async function header(path: string) {
  const file = await FileBytes.open(folder, path.slice(folder.length + 1));
  try {
    return await readGguf(file);
  } finally {
    await file.close();
  }
}

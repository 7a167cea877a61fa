import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { convertToGguf } from "../convert/convert.ts";
import { largestDifference, nextTokens } from "../llama-cpp-fixture.ts";
import { loadReference, mergeLora, referenceLogprobs } from "../reference-fixture.ts";
import {
  SMOLLM2_135M_SHAPE,
  safetensors,
  type TensorToStore,
  type TinyLoraOptions,
  writeTinyLora,
  writeTinyModel,
} from "../testing.ts";
import { checkLora, convertLora, readLora } from "./lora.ts";

const signal = new AbortController().signal;
const ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const PROMPT = Array.from({ length: 40 }, (_, i) => (i * 29 + 5) % 256);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-adapters-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("llama.cpp with a converted LoRA computes the same as the base model with the LoRA merged, for", () => {
  test.each<[string, Record<string, unknown>, TinyLoraOptions]>([
    ["llama", {}, { targetModules: ALL }],
    [
      "llama, rank-stabilised",
      {},
      { targetModules: ["q_proj", "k_proj"], config: { use_rslora: true }, strength: 0.3 },
    ],
    ["llama, another rank and scale", {}, { rank: 4, alpha: 3, targetModules: ["v_proj", "down_proj"] }],
    ["qwen2", { architectures: ["Qwen2ForCausalLM"] }, { targetModules: ["q_proj", "k_proj", "v_proj"] }],
    [
      "gemma",
      { architectures: ["GemmaForCausalLM"], hidden_act: "gelu", tie_word_embeddings: true },
      { targetModules: ALL },
    ],
    ["phi-3", { architectures: ["Phi3ForCausalLM"] }, { targetModules: ["o_proj", "down_proj"] }],
  ])("%s", async (name, config, options) => {
    const [base, adapter] = [join(folder, name), join(folder, `${name}-adapter`)];
    await writeTinyModel(base, { config });
    await writeTinyLora(adapter, options);
    await convertToGguf(base, `${base}.gguf`, { type: "F16", signal });
    await convertLora({ folder: adapter, base, outFile: `${adapter}.gguf` }, { signal });
    const found = await nextTokens(`${base}.gguf`, PROMPT, `${adapter}.gguf`);
    const reference = loadReference(base);
    expect(largestDifference(found, referenceLogprobs(mergeLora(reference, adapter), PROMPT))).toBeLessThan(
      0.05,
    );
    expect(largestDifference(found, referenceLogprobs(reference, PROMPT))).toBeGreaterThan(0.3);
  });
});

describe("the base model of a LoRA", () => {
  test("can be a Hugging Face folder, a GGUF file, or a folder with one, with the same result", async () => {
    const [base, adapter, inFolder] = [
      join(folder, "b"),
      join(folder, "a"),
      await mkdtemp(join(folder, "gguf-")),
    ];
    await writeTinyModel(base);
    await writeTinyLora(adapter, { targetModules: ALL, type: "BF16" });
    await convertToGguf(base, `${base}.gguf`, { type: "F16", signal });
    await copyFile(`${base}.gguf`, join(inFolder, "model.gguf"));
    const facts = await checkLora(adapter, base);
    expect(facts).toEqual({
      rank: 8,
      alpha: 16,
      targetModules: ALL,
      baseModelName: "tiny",
      baseArchitecture: "llama",
      parameterCount: 2 * 8 * (128 + 96 + 96 + 128 + 3 * 160),
    });
    expect(await checkLora(adapter, `${base}.gguf`)).toEqual(facts);
    expect(await checkLora(adapter, inFolder)).toEqual(facts);
  });

  test("can be the default model", async () => {
    const model = process.env["HEARTH_TEST_MODEL"] as string;
    const adapter = join(folder, "smol");
    await writeTinyLora(adapter, { shape: SMOLLM2_135M_SHAPE, targetModules: ALL, rank: 4 });
    await convertLora({ folder: adapter, base: model, outFile: `${adapter}.gguf` }, { signal });
    // A short prompt, because the probabilities of all 49,152 tokens are read for each token of it.
    const prompt = PROMPT.slice(0, 4);
    expect(await nextTokens(model, prompt, `${adapter}.gguf`)).not.toEqual(await nextTokens(model, prompt));
  });

  test("must have an architecture that LoRAs are supported for", async () => {
    const base = join(folder, "other");
    await writeTinyModel(base);
    await writeFile(join(base, "config.json"), JSON.stringify({ architectures: ["GPT2LMHeadModel"] }));
    await writeTinyLora(join(folder, "x"));
    await expect(checkLora(join(folder, "x"), base)).rejects.toThrow(/config\.json/);
  });
});

describe("checkLora", () => {
  let base: string;
  beforeAll(async () => {
    base = join(folder, "base");
    await writeTinyModel(base);
  });

  async function refusal(options: TinyLoraOptions, tensors?: readonly TensorToStore[]): Promise<string> {
    const adapter = await mkdtemp(join(folder, "refused-"));
    await writeTinyLora(adapter, options);
    if (tensors) await writeFile(join(adapter, "adapter_model.safetensors"), safetensors(tensors, "F32"));
    return checkLora(adapter, base).then(
      () => "accepted",
      (error: Error) => error.message,
    );
  }

  test.each<[Record<string, unknown>, string | RegExp]>([
    [{ r: 3 }, "adapter_config.json: r must be an integer between 4 and 64, inclusive."],
    [{ r: 65 }, "adapter_config.json: r must be an integer between 4 and 64, inclusive."],
    [{ r: "8" }, /r must be an integer/],
    [{ r: undefined }, "adapter_config.json: r is missing."],
    [{ target_modules: undefined }, "adapter_config.json: target_modules is missing."],
    [{ target_modules: [] }, /target_modules must name at least one/],
    [{ target_modules: { q_proj: true } }, /target_modules must be a list/],
    [{ target_modules: "all-linear" }, /k_proj\.lora_A\.weight is missing/],
    [
      { target_modules: ["embed_tokens"] },
      /names "embed_tokens"; these are supported: q_proj, .*block_sparse_moe\.gate/,
    ],
    [{ target_modules: ["w1"] }, /names w1, which the base model doesn't have; it has q_proj/],
    [{ peft_type: "IA3" }, /peft_type must be LORA/],
    [{ task_type: "SEQ_CLS" }, /task_type must be CAUSAL_LM/],
    [{ use_dora: true }, /use_dora is not supported/],
    [{ bias: "all" }, /bias must be none/],
    [{ modules_to_save: ["lm_head"] }, /modules_to_save is not supported/],
    [{ rank_pattern: { q_proj: 4 } }, /rank_pattern is not supported/],
    [{ alpha_pattern: { q_proj: 4 } }, /alpha_pattern is not supported/],
    [{ layer_replication: [[0, 1]] }, /layer_replication is not supported/],
    [{ init_lora_weights: "pissa_niter_16" }, /init_lora_weights changes the base model's weights/],
    [{ lora_alpha: 0 }, /lora_alpha must be a number above 0/],
  ])("refuses a configuration with %j", async (config, reason) => {
    expect(await refusal({ config })).toMatch(reason);
  });

  test("accepts fields that don't change the result", async () => {
    const config = {
      use_dora: false,
      modules_to_save: [],
      rank_pattern: {},
      init_lora_weights: "gaussian",
      lora_dropout: 0.1,
      inference_mode: true,
      something_new: { x: 1 },
    };
    expect(await refusal({ config })).toBe("accepted");
  });

  test.each<[string, TinyLoraOptions]>([
    ["a regular expression", { config: { target_modules: ".*\\.(q_proj|v_proj)$" } }],
    ["all-linear", { targetModules: ALL, config: { target_modules: "all-linear" } }],
  ])("takes the modules that have tensors for target_modules given as %s", async (_, options) => {
    const adapter = await mkdtemp(join(folder, "resolved-"));
    await writeTinyLora(adapter, options);
    const expected = options.targetModules ?? ["q_proj", "v_proj"];
    expect((await checkLora(adapter, base)).targetModules.sort()).toEqual([...expected].sort());
    const description = (await readLora(adapter)).description;
    expect(description.targetModules.sort()).toEqual([...expected].sort());
    await convertLora({ folder: adapter, base, outFile: join(adapter, "adapter.gguf") }, { signal });
  });

  test("refuses a regular expression with tensors that the base model does not have, or with none", async () => {
    const config = { target_modules: ".*" };
    expect(await refusal({ config }, pair(2))).toMatch(/layers\.2.* is not one of the base model's/);
    expect(await refusal({ config }, [])).toMatch(/has no LoRA weights/);
    expect(await refusal({ config }, pair(0).slice(0, 1))).toMatch(/lora_B\.weight is missing/);
  });

  const weights = (part: string, rows: number, columns: number): TensorToStore => ({
    name: `base_model.model.model.layers.${part}.weight`,
    shape: [rows, columns],
    values: new Float32Array(rows * columns),
  });
  const pair = (layer: number, a = weights(`${layer}.self_attn.q_proj.lora_A`, 8, 64)) => [
    a,
    weights(`${layer}.self_attn.q_proj.lora_B`, 64, 8),
  ];
  const q = { targetModules: ["q_proj"] };

  test("refuses a tensor whose shape does not match the base model", async () => {
    expect(await refusal(q, [...pair(0, weights("0.self_attn.q_proj.lora_A", 8, 128)), ...pair(1)])).toBe(
      "adapter_model.safetensors: Invalid LoRA weight model.layers.0.self_attn.q_proj.lora_A.weight shape: torch.Size([8, 128]), expected (8, 64)",
    );
    expect(await refusal({ ...q, rank: 4 }, [...pair(0), ...pair(1)])).toMatch(
      /\[8, 64\]\), expected \(4, 64\)/,
    );
    const wide = refusal({
      ...q,
      shape: { layers: 2, width: 64, feedForwardWidth: 96, heads: 8, kvHeads: 2, headSize: 16 },
    });
    expect(await wide).toMatch(/q_proj\.lora_B\.weight shape: torch\.Size\(\[128, 8\]\), expected \(64, 8\)/);
  });

  test("refuses a LoRA with a missing tensor, or with one that the base model does not have", async () => {
    expect(await refusal(q, pair(0))).toMatch(/layers\.1\.self_attn\.q_proj\.lora_A\.weight is missing/);
    expect(await refusal(q, [...pair(0), pair(1)[0]!])).toMatch(
      /layers\.1\.self_attn\.q_proj\.lora_B\.weight is missing/,
    );
    expect(await refusal(q, [...pair(0), ...pair(1), ...pair(2)])).toMatch(
      /layers\.2.* is not one of the base model's/,
    );
    expect(await refusal({ targetModules: ["v_proj"] }, [...pair(0), ...pair(1)])).toMatch(
      /is not of the target_modules/,
    );
    expect(await refusal({ ...q, config: { layers_to_transform: [0] } }, pair(0))).toBe("accepted");
    const first = { ...q, config: { target_modules: ["model.layers.0.self_attn.q_proj"] } };
    expect(await refusal(first, pair(0))).toBe("accepted");
    expect(await refusal(first, [...pair(0), ...pair(1)])).toMatch(
      /layers\.1.* is not of the target_modules/,
    );
    const head = { ...pair(0)[0]!, name: "base_model.model.lm_head.weight" };
    expect(await refusal(q, [...pair(0), ...pair(1), head])).toMatch(
      /lm_head\.weight is not one that is supported/,
    );
    const again = { ...pair(0)[0]!, name: "model.layers.0.self_attn.q_proj.lora_A.default.weight" };
    expect(await refusal(q, [...pair(0), ...pair(1), again])).toMatch(/is there under two names/);
  });

  test("refuses pickles, and a LoRA without weights", async () => {
    const adapter = await mkdtemp(join(folder, "pickle-"));
    await writeTinyLora(adapter);
    await rm(join(adapter, "adapter_model.safetensors"));
    await expect(checkLora(adapter, base)).rejects.toThrow(/^adapter_model\.safetensors: is missing/);
    await writeFile(join(adapter, "adapter_model.bin"), "");
    await expect(checkLora(adapter, base)).rejects.toThrow(/^adapter_model\.bin: is a pickle/);
  });
});

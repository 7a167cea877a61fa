/**
 * Plans the conversion of a decoder model, which generates text: every tensor it must have, and its name in the GGUF
 * file.
 */
import { ModelFileError } from "../errors.ts";
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
import type { DecoderConfig } from "../huggingface/decoder-config.ts";
import { quoted } from "../json.ts";
import type { ConversionPlan, PlannedTensor, RowOrder } from "./conversion-plan.ts";
import { FAMILIES, type Family, SUPPORTED_CLASSES } from "./families.ts";
import { layerModules, type WeightModule } from "./modules.ts";
import { planRope } from "./rope.ts";

/** @throws ModelFileError naming what is not supported. */
export function familyOf(config: DecoderConfig): Family {
  const family = FAMILIES.find(({ classes }) => classes.includes(config.architecture));
  if (family === undefined) {
    throw config.json.fail(
      "architectures",
      `names ${quoted(config.architecture)}, which is not supported; these are: ${SUPPORTED_CLASSES.join(", ")}.`,
    );
  }
  return family;
}

export function planDecoder(config: DecoderConfig): ConversionPlan {
  const family = familyOf(config);
  checkActivation(config, family);
  if (config.headSize % 2 !== 0) throw config.json.fail("head_dim", "must be even.");
  if (config.heads % config.kvHeads !== 0) {
    throw config.json.fail("num_key_value_heads", "must divide num_attention_heads.");
  }
  if (family.fused && config.heads * config.headSize !== config.width) {
    throw config.json.fail("head_dim", "must be hidden_size by num_attention_heads for this architecture.");
  }
  const rope = planRope(config, family.name, rotaryDimensions(config, family));
  const tied = config.json.optionalBoolean("tie_word_embeddings") ?? family.tiedByDefault;
  if (family.alwaysTied && !tied)
    throw config.json.fail("tie_word_embeddings", "must be true for this architecture.");
  const contextLength = contextLengthOf(config, family);
  return {
    architecture: family.name,
    metadata: [...metadataOf(config, family, contextLength), ...rope.metadata],
    tensors: [...embeddings(config, tied, family), ...layerTensors(config, family), ...rope.tensors],
    isRedundant: (name) => name.endsWith(".rotary_emb.inv_freq") || (tied && name === "lm_head.weight"),
    contextLength,
  };
}

function checkActivation(config: DecoderConfig, family: Family): void {
  for (const key of ["hidden_act", "hidden_activation"]) {
    const name = config.json.optionalText(key);
    if (name !== undefined && !family.activations.includes(name)) {
      throw config.json.fail(key, `must be ${family.activations[0]} for this architecture.`);
    }
  }
}

/** The number of numbers of a head that the rotary embedding rotates. @throws ModelFileError */
function rotaryDimensions(config: DecoderConfig, family: Family): number {
  const factor =
    config.json.optionalPositive("partial_rotary_factor") ??
    config.ropeScaling?.optionalPositive("partial_rotary_factor") ??
    1;
  if (factor === 1) return config.headSize;
  const rotated = Math.floor(factor * config.headSize);
  if (!family.partialRotary || factor > 1 || rotated < 2 || rotated % 2 !== 0) {
    throw config.json.fail("partial_rotary_factor", "is not supported for this architecture.");
  }
  return rotated;
}

/**
 * llama.cpp ignores the sliding windows of most architectures and attends to the whole context. For those, the context
 * is limited to the window, so that the converted model computes the same as the original.
 */
function contextLengthOf(config: DecoderConfig, family: Family): number {
  const window = config.json.optionalInteger("sliding_window", 1, 2 ** 31 - 1);
  if (window === undefined || family.window === "none" || family.window === "written")
    return config.contextLength;
  if (family.window === "cut-if-used" && config.json.optionalBoolean("use_sliding_window") !== true) {
    return config.contextLength;
  }
  return Math.min(window, config.contextLength);
}

function metadataOf(config: DecoderConfig, family: Family, contextLength: number): GgufKeyValue[] {
  const key = (name: string) => `${family.name}.${name}`;
  const metadata = [
    keyValue.text("general.architecture", family.name),
    keyValue.text("general.type", "model"),
    keyValue.uint(key("vocab_size"), config.vocabularySize),
    keyValue.uint(key("context_length"), contextLength),
    keyValue.uint(key("embedding_length"), config.width),
    keyValue.uint(key("block_count"), config.layers),
    keyValue.uint(key("feed_forward_length"), config.feedForwardWidth),
    keyValue.uint(key("attention.head_count"), config.heads),
    keyValue.uint(key("attention.head_count_kv"), config.kvHeads),
    keyValue.uint(key("attention.key_length"), config.headSize),
    keyValue.uint(key("attention.value_length"), config.headSize),
    keyValue.float(key("attention.layer_norm_rms_epsilon"), config.normEpsilon),
  ];
  if (family.name === "gemma2") metadata.push(...gemma2Metadata(config, key));
  return metadata;
}

function gemma2Metadata(config: DecoderConfig, key: (name: string) => string): GgufKeyValue[] {
  const { json } = config;
  // llama.cpp derives the scale of the attention from the model's size: 46 layers is the 27B model.
  const expected = config.layers === 46 ? config.width / config.heads : config.headSize;
  if ((json.optionalPositive("query_pre_attn_scalar") ?? 256) !== expected) {
    throw json.fail("query_pre_attn_scalar", `must be ${expected} for this size of model.`);
  }
  const kinds = json.optionalArray("layer_types") ?? [];
  if (kinds.some((kind, layer) => kind !== (layer % 2 === 0 ? "sliding_attention" : "full_attention"))) {
    throw json.fail("layer_types", "must alternate, a sliding window first.");
  }
  if (json.optionalBoolean("use_bidirectional_attention")) {
    throw json.fail("use_bidirectional_attention", "is not supported.");
  }
  return [
    keyValue.float(key("attn_logit_softcapping"), json.positive("attn_logit_softcapping")),
    keyValue.float(key("final_logit_softcapping"), json.positive("final_logit_softcapping")),
    keyValue.uint(key("attention.sliding_window"), json.integer("sliding_window", 1, 2 ** 31 - 1)),
  ];
}

function embeddings(config: DecoderConfig, tied: boolean, family: Family): PlannedTensor[] {
  const shape = [config.vocabularySize, config.width];
  const tensors: PlannedTensor[] = [
    { name: "token_embd.weight", from: { kind: "stored", name: "model.embed_tokens.weight", shape } },
    normTensor({ name: "output_norm", stored: "model.norm", length: config.width, family }),
  ];
  if (!tied) tensors.push({ name: "output.weight", from: { kind: "stored", name: "lm_head.weight", shape } });
  return tensors;
}

function normTensor({
  name,
  stored,
  length,
  family,
}: {
  name: string;
  stored: string;
  length: number;
  family: Family;
}): PlannedTensor {
  return {
    name: `${name}.weight`,
    from: { kind: "stored", name: `${stored}.weight`, shape: [length], plus: family.normOffset },
  };
}

function layerTensors(config: DecoderConfig, family: Family): PlannedTensor[] {
  const tensors = layerModules(family, config).flatMap((module): PlannedTensor[] => {
    const weight = storedTensor(module, "weight", [module.rows, module.columns]);
    return hasBias(config, family, module.name)
      ? [weight, storedTensor(module, "bias", [module.rows])]
      : [weight];
  });
  for (let layer = 0; layer < config.layers; layer++) tensors.push(...layerNorms(config, family, layer));
  return tensors;
}

function storedTensor(
  module: WeightModule,
  part: "weight" | "bias",
  shape: readonly number[],
): PlannedTensor {
  const order: { rowOrder?: RowOrder } = module.rowOrder === undefined ? {} : { rowOrder: module.rowOrder };
  return {
    name: `${module.tensor}.${part}`,
    from: { kind: "stored", name: `model.${module.name}.${part}`, shape, ...order },
  };
}

function hasBias(config: DecoderConfig, family: Family, module: string): boolean {
  const isAttention = module.includes(".self_attn.");
  const configured = (key: string) => config.json.optionalBoolean(key) === true;
  if (family.biases !== "configured") {
    if (configured("attention_bias") || configured("mlp_bias")) {
      throw new ModelFileError(config.json.file, "asks for biases that this architecture doesn't have here.");
    }
    return family.biases === "qkv" && isAttention && !module.endsWith(".o_proj");
  }
  return configured(isAttention ? "attention_bias" : "mlp_bias");
}

function layerNorms(config: DecoderConfig, family: Family, layer: number): PlannedTensor[] {
  const layerNorm = (name: string, stored: string, length = config.width) =>
    normTensor({
      name: `blk.${layer}.${name}`,
      stored: `model.layers.${layer}.${stored}`,
      length,
      family,
    });
  const tensors = [layerNorm("attn_norm", "input_layernorm")];
  if (family.postNorms) {
    tensors.push(
      layerNorm("post_attention_norm", "post_attention_layernorm"),
      layerNorm("ffn_norm", "pre_feedforward_layernorm"),
      layerNorm("post_ffw_norm", "post_feedforward_layernorm"),
    );
  } else tensors.push(layerNorm("ffn_norm", "post_attention_layernorm"));
  if (family.headNorms) {
    tensors.push(
      layerNorm("attn_q_norm", "self_attn.q_norm", config.headSize),
      layerNorm("attn_k_norm", "self_attn.k_norm", config.headSize),
    );
  }
  return tensors;
}

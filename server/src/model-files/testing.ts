/** For tests only: writes tiny models and LoRAs with random weights, in the formats of the Hugging Face libraries. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DecoderShape } from "./convert/modules.ts";
import { planDecoder } from "./convert/plan-decoder.ts";
import { readDecoderConfig } from "./huggingface/decoder-config.ts";
import { toFloat16, type WeightType } from "./number-formats.ts";

export interface TinyModelOptions {
  /** Determines the weights. Default 1. */
  seed?: number;
  /** Overrides fields of `TINY_LLAMA` in `config.json`; undefined removes a field. */
  config?: Readonly<Record<string, unknown>>;
  /** Type of the stored numbers. Default F32. */
  type?: WeightType;
  /** Number of weight files. Several files get an index. Default 1. */
  shards?: number;
  /** Null for none. Default: `TINY_TEMPLATE`. */
  chatTemplate?: string | null;
  /** Overrides fields of `tokenizer_config.json`. */
  tokenizerConfig?: Readonly<Record<string, unknown>>;
}

export interface TinyLoraOptions {
  /** Sizes of the base model. Default: those of `TINY_LLAMA`. */
  shape?: DecoderShape;
  seed?: number;
  /** Default 8. */
  rank?: number;
  /** Default: twice the rank. */
  alpha?: number;
  /** Default: `q_proj` and `v_proj`. */
  targetModules?: readonly string[];
  /** Size of the LoRA's output relative to the base model's. Default 1, which changes the model beyond recognition. */
  strength?: number;
  /** Overrides fields of `adapter_config.json`. */
  config?: Readonly<Record<string, unknown>>;
  type?: WeightType;
}

/** Room for 256 byte tokens, a few merged pairs, two special tokens, and some ids without a token. */
const VOCABULARY_SIZE = 288;
const PAIRS = ["th", "he", "in", "er", "an", "re", "on", "at", "en", "nd"];
const BOS = "<|begin|>";
const EOS = "<|end|>";

/** `config.json` of the smallest model that has all parts; it has about 120,000 parameters. */
export const TINY_LLAMA = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: VOCABULARY_SIZE,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: "silu",
  tie_word_embeddings: false,
} as const;

export const TINY_SHAPE: DecoderShape = {
  layers: 2,
  width: 64,
  feedForwardWidth: 96,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
};

/** Sizes of the default model, for LoRAs of it. */
export const SMOLLM2_135M_SHAPE: DecoderShape = {
  layers: 30,
  width: 576,
  feedForwardWidth: 1536,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
};

export const TINY_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/** Writes a folder like `transformers`: config, tokenizer, weights. The same options give the same bytes. */
export async function writeTinyModel(folder: string, options: TinyModelOptions = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeJson(folder, "config.json", { ...TINY_LLAMA, ...options.config });
  await writeTinyTokenizer(folder, options);
  const plan = planDecoder(await readDecoderConfig(folder));
  const random = gaussians(options.seed ?? 1);
  const tensors = plan.tensors.flatMap(({ from }) => {
    if (from.kind !== "stored") return [];
    const count = from.shape.reduce((product, length) => product * length, 1);
    return [
      {
        name: from.name,
        shape: from.shape,
        values: tinyWeights({
          name: from.name,
          shape: from.shape,
          values: random(count),
          plus: from.plus,
        }),
      },
    ];
  });
  await writeWeights(folder, tensors, options);
}

/** Writes a LoRA like PEFT: `adapter_config.json` and `adapter_model.safetensors`. */
export async function writeTinyLora(folder: string, options: TinyLoraOptions = {}): Promise<void> {
  const { shape = TINY_SHAPE, rank = 8, targetModules = ["q_proj", "v_proj"], strength = 1 } = options;
  const alpha = options.alpha ?? 2 * rank;
  await mkdir(folder, { recursive: true });
  await writeJson(folder, "adapter_config.json", {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: "tiny",
    r: rank,
    lora_alpha: alpha,
    target_modules: targetModules,
    bias: "none",
    ...options.config,
  });
  const random = gaussians(options.seed ?? 1);
  const tensors: TensorToStore[] = [];
  for (let layer = 0; layer < shape.layers; layer++) {
    for (const target of targetModules) {
      const { path, rows, columns } = moduleOf(target, shape);
      const name = `base_model.model.model.layers.${layer}.${path}`;
      const a = random(rank * columns);
      const b = random(rows * rank);
      for (let i = 0; i < a.length; i++) a[i]! /= Math.sqrt(columns);
      for (let i = 0; i < b.length; i++) b[i]! *= (strength * Math.sqrt(rank)) / alpha;
      tensors.push({ name: `${name}.lora_A.weight`, shape: [rank, columns], values: a });
      tensors.push({ name: `${name}.lora_B.weight`, shape: [rows, rank], values: b });
    }
  }
  const file = safetensors(tensors, options.type ?? "F32");
  await writeFile(join(folder, "adapter_model.safetensors"), file);
}

export interface TensorToStore {
  name: string;
  shape: readonly number[];
  values: Float32Array;
}

/** Encodes a safetensors file. */
export function safetensors(tensors: readonly TensorToStore[], type: WeightType): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  const data = tensors.map(({ name, shape, values }) => {
    const bytes = encodeNumbers(values, type);
    header[name] = { dtype: type, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
    return bytes;
  });
  return safetensorsFile(header, Buffer.concat(data));
}

/** Encodes a safetensors file with any header, also an invalid one. */
export function safetensorsFile(header: unknown, data: Buffer): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, data]);
}

/** A generator of normally distributed numbers, determined by the seed. */
export function gaussians(seed: number): (count: number) => Float32Array {
  let state = seed >>> 0;
  // A counter with a mixing function (MurmurHash3's finaliser).
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (((mixed ^ (mixed >>> 16)) >>> 0) + 0.5) / 2 ** 32;
  };
  return (count) =>
    Float32Array.from(
      { length: count },
      () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
}

export async function writeJson(folder: string, name: string, value: unknown): Promise<void> {
  await writeFile(join(folder, name), JSON.stringify(value, null, 2));
}

/** Changes fields of a JSON file; undefined removes a field. */
export async function editJson(folder: string, name: string, change: Record<string, unknown>): Promise<void> {
  const before = JSON.parse(await readFile(join(folder, name), "utf8")) as object;
  await writeJson(folder, name, { ...before, ...change });
}

/**
 * Scales random values so that activations keep their size through the layers, and so that the probabilities of the
 * next token are neither uniform nor certain.
 */
function tinyWeights({
  name,
  shape,
  values,
  plus,
}: {
  name: string;
  shape: readonly number[];
  values: Float32Array;
  plus: number | undefined;
}): Float32Array {
  if (name.endsWith("norm.weight") || name.endsWith("layernorm.weight")) {
    return values.map((value) => 1 - (plus ?? 0) + 0.2 * value);
  }
  if (shape.length === 1) return values.map((value) => 0.3 * value);
  const spread = name === "model.embed_tokens.weight" ? 0.5 : 1.5 / Math.sqrt(shape.at(-1) as number);
  return values.map((value) => spread * value);
}

async function writeWeights(
  folder: string,
  tensors: readonly TensorToStore[],
  { type = "F32", shards = 1 }: Pick<TinyModelOptions, "type" | "shards">,
): Promise<void> {
  if (shards === 1) return writeFile(join(folder, "model.safetensors"), safetensors(tensors, type));
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;
    const shardTensors = tensors.filter((_, index) => index % shards === shard);
    for (const { name } of shardTensors) map[name] = file;
    await writeFile(join(folder, file), safetensors(shardTensors, type));
  }
  await writeJson(folder, "model.safetensors.index.json", { metadata: {}, weight_map: map });
}

async function writeTinyTokenizer(folder: string, options: TinyModelOptions): Promise<void> {
  const vocab = Object.fromEntries([...byteLetters(), ...PAIRS].map((text, id) => [text, id]));
  const added = [BOS, EOS].map((content, index) => ({
    id: 256 + PAIRS.length + index,
    content,
    special: true,
    normalized: false,
    single_word: false,
    lstrip: false,
    rstrip: false,
  }));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  await writeJson(folder, "tokenizer.json", {
    version: "1.0",
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: { type: "BPE", byte_fallback: false, vocab, merges: PAIRS.map((pair) => [...pair].join(" ")) },
  });
  const template = options.chatTemplate === undefined ? TINY_TEMPLATE : options.chatTemplate;
  await writeJson(folder, "tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: BOS,
    eos_token: EOS,
    add_bos_token: false,
    ...(template === null ? {} : { chat_template: template }),
    ...options.tokenizerConfig,
  });
}

/** GPT-2's characters for the bytes 0–255: printable bytes stand for themselves, the others map to U+0100 and up. */
export function byteLetters(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

function moduleOf(target: string, shape: DecoderShape): { path: string; rows: number; columns: number } {
  const { width, feedForwardWidth } = shape;
  const queries = shape.heads * shape.headSize;
  const keys = shape.kvHeads * shape.headSize;
  const sizes: Record<string, readonly [part: string, rows: number, columns: number]> = {
    q_proj: ["self_attn", queries, width],
    k_proj: ["self_attn", keys, width],
    v_proj: ["self_attn", keys, width],
    o_proj: ["self_attn", width, queries],
    gate_proj: ["mlp", feedForwardWidth, width],
    up_proj: ["mlp", feedForwardWidth, width],
    down_proj: ["mlp", width, feedForwardWidth],
  };
  const size = sizes[target];
  if (size === undefined) throw new RangeError(`unknown module: ${target}`);
  return { path: `${size[0]}.${target}`, rows: size[1], columns: size[2] };
}

function encodeNumbers(values: Float32Array, type: WeightType): Buffer {
  if (type === "F32") return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const halves = type === "F16" ? toFloat16(values) : toBfloat16(values);
  return Buffer.from(halves.buffer, halves.byteOffset, halves.byteLength);
}

/** The upper half of each number. Truncating instead of rounding does not matter for random weights. */
function toBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (word) => word >>> 16);
}

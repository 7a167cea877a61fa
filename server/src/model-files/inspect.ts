/** Facts about the model in a folder. Reads and checks every file that the platform will rely on. */
import { readdir } from "node:fs/promises";
import { parseTokenizerSpec } from "../tokenization/parse-spec.ts";
import { END_TOKENS_KEY, TOKENIZER_KEY } from "../tokenization/types.ts";
import { FAMILIES } from "./convert/families.ts";
import { familyOf, planDecoder } from "./convert/plan-decoder.ts";
import { bindTensors } from "./convert/tensors.ts";
import { ModelFileError } from "./errors.ts";
import { FileBytes } from "./file-bytes.ts";
import { findGguf } from "./find-gguf.ts";
import { type GgufHeader, type GgufValue, readGguf } from "./gguf/reader.ts";
import { readDecoderConfig } from "./huggingface/decoder-config.ts";
import { readJsonFile } from "./json.ts";
import { type LoraDescription, readLora } from "./lora/lora.ts";
import { probeChatTemplate, readChatTemplate } from "./tokenizers/chat-template.ts";
import { readTokenizerConfig } from "./tokenizers/special-tokens.ts";
import { readTokenizer } from "./tokenizers/tokenizer.ts";
import { missingWeightsError, openWeights } from "./weights.ts";

export interface ModelFacts {
  format: "huggingface" | "gguf" | "peft";
  /** Name in the files: "LlamaForCausalLM", "llama" in a GGUF file; empty for a LoRA. */
  architecture: string;
  /** Count of the numbers in all tensors. */
  parameterCount: number;
  /** Most tokens of prompt and output together; null when the files don't say. */
  contextLength: number | null;
  /** The tensor type that takes the most bytes: "BF16", "Q4_K" … */
  weightType: string;
  /** Null when there is none, or none that is valid. */
  chatTemplate: string | null;
  /** Sentences about conversations that the chat template can't render. */
  chatTemplateWarnings: readonly string[];
  /** A guess: the chat template mentions tools. */
  supportsTools: boolean;
  /** Text of the start token; null for none. */
  bosToken: string | null;
  /** Text of the end token; null for none. */
  eosToken: string | null;
  /** The model is a mixture of experts. */
  moe: boolean;
  /** Fine-tuning can start from the files. */
  tunable: boolean;
  /** LoRAs can be converted for the model. */
  supportsLora: boolean;
  /** Number of 80 GB GPUs that hold the 16-bit weights and leave room for caches; a power of two. */
  worldSize: number;
  /** Null unless the folder holds a LoRA. */
  lora: LoraDescription | null;
}

const GPU_BYTES = 64e9;
const MAX_CONVERSATION_BYTES = 2 * 1024 ** 2;
const CONVERSATION_FILE = "fireworks.json";

/** @throws ModelFileError naming the file, and the part of it that is wrong or not supported. */
export async function inspect(folder: string): Promise<ModelFacts> {
  const names = await readdir(folder);
  const facts = await inspectFormat(folder, names);
  const source = names.includes(CONVERSATION_FILE)
    ? await readConversationTemplate(folder)
    : facts.chatTemplate;
  const probe = source === null ? { valid: false, warnings: [] } : probeChatTemplate(source, facts);
  const chatTemplate = probe.valid ? source : null;
  return {
    ...facts,
    chatTemplate,
    chatTemplateWarnings: probe.warnings,
    supportsTools: chatTemplate !== null && /\b(?:tools|functions)\b/.test(chatTemplate),
  };
}

type FormatFacts = Omit<ModelFacts, "supportsTools" | "chatTemplateWarnings">;

async function inspectFormat(folder: string, names: readonly string[]): Promise<FormatFacts> {
  if (names.includes("adapter_config.json")) return inspectLora(folder, names);
  const gguf = await findGguf(folder);
  if (gguf !== null) return inspectGguf(folder, gguf);
  if (names.includes("config.json")) return inspectHuggingFace(folder);
  throw missingWeightsError(names, "config.json");
}

async function inspectHuggingFace(folder: string): Promise<FormatFacts> {
  const config = await readDecoderConfig(folder);
  const plan = planDecoder(config);
  const { special, chatTemplate, table } = await readTokenizer(folder, config);
  const weights = await openWeights(folder);
  try {
    bindTensors(plan, weights, "F16");
    const tensors = [...weights.tensors.values()].filter(({ name }) => !plan.isRedundant(name));
    const parameterCount = countParameters(tensors);
    return {
      format: "huggingface",
      architecture: config.architecture,
      parameterCount,
      contextLength: plan.contextLength,
      weightType: mostCommonType(tensors.map(({ type, sizeBytes }) => [type, sizeBytes])),
      chatTemplate,
      bosToken: special.bos === null ? null : (table.get(special.bos)?.text ?? null),
      eosToken: table.get(special.ends[0] as number)?.text ?? null,
      moe: false,
      tunable: true,
      supportsLora: !familyOf(config).fused,
      worldSize: worldSize(parameterCount),
      lora: null,
    };
  } finally {
    await weights.close();
  }
}

async function inspectGguf(folder: string, name: string): Promise<FormatFacts> {
  const file = await FileBytes.open(folder, name);
  try {
    return ggufFacts(name, await readGguf(file));
  } finally {
    await file.close();
  }
}

function ggufFacts(name: string, { metadata, tensors }: GgufHeader): FormatFacts {
  const architecture = metadata.get("general.architecture");
  if (typeof architecture !== "string") throw new ModelFileError(name, "general.architecture is missing.");
  if ((metadata.get("general.type") ?? "model") !== "model")
    throw new ModelFileError(name, "is not a whole model.");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (!Array.isArray(tokens) || tokens.length === 0) throw new ModelFileError(name, "has no tokenizer.");
  checkConverted(name, metadata, tokens.length);
  if (!tensors.has("token_embd.weight"))
    throw new ModelFileError(name, 'the tensor "token_embd.weight" is missing.');
  const tokenOf = (kind: string) => {
    const id = metadata.get(`tokenizer.ggml.${kind}_token_id`);
    return typeof id === "number" && typeof tokens[id] === "string" ? tokens[id] : null;
  };
  const template = metadata.get("tokenizer.chat_template");
  const all = [...tensors.values()];
  const parameterCount = countParameters(all);
  return {
    format: "gguf",
    architecture,
    parameterCount,
    contextLength: wholeNumber(metadata.get(`${architecture}.context_length`)),
    weightType: mostCommonType(all.map(({ kind, sizeBytes }) => [kind, sizeBytes])),
    chatTemplate: typeof template === "string" ? template : null,
    bosToken: tokenOf("bos"),
    eosToken: tokenOf("eos"),
    moe: (wholeNumber(metadata.get(`${architecture}.expert_count`)) ?? 0) > 0,
    tunable: false,
    supportsLora: FAMILIES.some((family) => family.name === architecture && !family.fused),
    worldSize: worldSize(parameterCount),
    lora: null,
  };
}

/** Checks what only conversions write, because the engine reads it. @param size of the vocabulary */
function checkConverted(name: string, metadata: GgufHeader["metadata"], size: number): void {
  const spec = metadata.get(TOKENIZER_KEY);
  const ends = metadata.get(END_TOKENS_KEY);
  try {
    if (spec !== undefined) parseTokenizerSpec(String(spec), size);
  } catch {
    throw new ModelFileError(name, `${TOKENIZER_KEY} is damaged.`);
  }
  if (
    ends !== undefined &&
    !(Array.isArray(ends) && ends.every((id) => typeof id === "number" && id < size))
  ) {
    throw new ModelFileError(name, `${END_TOKENS_KEY} is damaged.`);
  }
}

async function inspectLora(folder: string, names: readonly string[]): Promise<FormatFacts> {
  const { description, tensors } = await readLora(folder);
  const parameterCount = countParameters(tensors);
  return {
    format: "peft",
    architecture: "",
    parameterCount,
    contextLength: null,
    weightType: mostCommonType(tensors.map(({ type, sizeBytes }) => [type, sizeBytes])),
    chatTemplate: await readChatTemplate(folder, names, await readTokenizerConfig(folder, names)),
    bosToken: null,
    eosToken: null,
    moe: false,
    tunable: false,
    supportsLora: false,
    worldSize: 1,
    lora: description,
  };
}

/** Reads the chat template of `fireworks.json`. */
async function readConversationTemplate(folder: string): Promise<string> {
  const json = await readJsonFile(folder, CONVERSATION_FILE, MAX_CONVERSATION_BYTES);
  const config = json.object("conversation_config");
  if (config.text("style") !== "jinja") throw config.fail("style", "must be jinja.");
  return config.object("args").text("template");
}

function countParameters(tensors: readonly { shape: readonly number[] }[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
}

/** The tensor type that takes the most bytes. */
function mostCommonType(sizes: readonly (readonly [kind: string, sizeBytes: number])[]): string {
  const sums = new Map<string, number>();
  for (const [kind, sizeBytes] of sizes) sums.set(kind, (sums.get(kind) ?? 0) + sizeBytes);
  return [...sums].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "F32";
}

function wholeNumber(value: GgufValue | undefined): number | null {
  if (typeof value === "bigint") return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : null;
}

function worldSize(parameterCount: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2((2 * parameterCount) / GPU_BYTES)));
}

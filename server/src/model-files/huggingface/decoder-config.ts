/** The fields of a decoder model's `config.json` that all supported architectures have. */
import type { JsonObject } from "../json.ts";
import { readJsonFile } from "../json.ts";

const MAX_CONFIG_BYTES = 4 * 1024 ** 2;

export interface DecoderConfig {
  /** Class of the model: "LlamaForCausalLM". */
  architecture: string;
  /** The whole file, for fields that only some architectures have. */
  json: JsonObject;
  layers: number;
  /** Size of the hidden state of a token. */
  width: number;
  /** Size of the intermediate state of the feed-forward part. */
  feedForwardWidth: number;
  heads: number;
  /** Heads of keys and values; heads/kvHeads query heads share each of them. */
  kvHeads: number;
  headSize: number;
  vocabularySize: number;
  /** Longest context, in tokens, that the model was trained for. */
  contextLength: number;
  normEpsilon: number;
  ropeTheta: number;
  /** Further settings of the rotary embedding; null for none. */
  ropeScaling: JsonObject | null;
}

/** @throws ModelFileError naming the field. */
export async function readDecoderConfig(folder: string): Promise<DecoderConfig> {
  return parseDecoderConfig(await readJsonFile(folder, "config.json", MAX_CONFIG_BYTES));
}

/** @throws ModelFileError naming the field. */
export function parseDecoderConfig(json: JsonObject): DecoderConfig {
  const architectures = json.strings("architectures");
  if (architectures.length !== 1) throw json.fail("architectures", "must name one architecture.");
  if (json.raw("quantization_config") !== undefined) {
    throw json.fail("quantization_config", "is not supported: upload the weights in F32, F16 or BF16.");
  }
  const heads = json.integer("num_attention_heads", 1, 1024);
  const width = json.integer("hidden_size", 1, 65_536);
  // Newer versions of the library write rope_parameters, older ones rope_theta and rope_scaling.
  const ropeParameters = json.optionalObject("rope_parameters");
  return {
    architecture: architectures[0] as string,
    json,
    layers: json.integer("num_hidden_layers", 1, 512),
    width,
    feedForwardWidth: json.integer("intermediate_size", 1, 262_144),
    heads,
    kvHeads: json.optionalInteger("num_key_value_heads", 1, heads) ?? heads,
    headSize: json.optionalInteger("head_dim", 2, 4096) ?? wholeHeads(json, width, heads),
    vocabularySize: json.integer("vocab_size", 1, 2_000_000),
    contextLength: json.integer("max_position_embeddings", 1, 2 ** 31 - 1),
    normEpsilon: json.positive("rms_norm_eps"),
    ropeTheta:
      json.optionalPositive("rope_theta") ?? ropeParameters?.optionalPositive("rope_theta") ?? 10_000,
    ropeScaling: json.optionalObject("rope_scaling") ?? ropeParameters ?? null,
  };
}

function wholeHeads(json: JsonObject, width: number, heads: number): number {
  if (width % heads !== 0) throw json.fail("hidden_size", "must be a multiple of num_attention_heads.");
  return width / heads;
}

/** The rotary position embedding (RoPE): converts its configuration to metadata and tensors of a GGUF file. */
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
import type { DecoderConfig } from "../huggingface/decoder-config.ts";
import { type JsonObject, quoted } from "../json.ts";
import type { PlannedTensor } from "./conversion-plan.ts";

export interface RopePlan {
  metadata: GgufKeyValue[];
  tensors: PlannedTensor[];
}

/**
 * @param rotated how many numbers of each head are rotated
 * @throws ModelFileError naming a kind of scaling that is not supported
 */
export function planRope(config: DecoderConfig, architecture: string, rotated: number): RopePlan {
  const key = (name: string) => `${architecture}.rope.${name}`;
  const metadata = [
    keyValue.uint(key("dimension_count"), rotated),
    keyValue.float(key("freq_base"), config.ropeTheta),
  ];
  const scaling = config.ropeScaling;
  const type = scaling?.optionalText("rope_type") ?? scaling?.optionalText("type") ?? "default";
  if (scaling === null || type === "default") return { metadata, tensors: [] };
  switch (type) {
    case "linear":
      metadata.push(keyValue.text(key("scaling.type"), "linear"));
      metadata.push(keyValue.float(key("scaling.factor"), scaling.positive("factor")));
      return { metadata, tensors: [] };
    case "llama3":
      return {
        metadata,
        tensors: [frequencies(llama3Factors(config.ropeTheta, scaling, rotated))],
      };
    case "yarn":
      return { metadata: [...metadata, ...yarn(config, scaling, key)], tensors: [] };
    case "longrope":
    case "su":
      return longrope(config, scaling, { key, metadata, rotated });
    default:
      throw scaling.fail("rope_type", `${quoted(type)} is not supported.`);
  }
}

function frequencies(values: readonly number[], name = "rope_freqs"): PlannedTensor {
  return { name: `${name}.weight`, from: { kind: "values", values: Float32Array.from(values) } };
}

/**
 * The divisor of each frequency, as published with Llama 3.1: 1 for short wavelengths, `factor` for long ones, and a
 * smooth transition in between.
 */
function llama3Factors(theta: number, scaling: JsonObject, rotated: number): number[] {
  const factor = scaling.positive("factor");
  const low = scaling.positive("low_freq_factor");
  const high = scaling.positive("high_freq_factor");
  const trainedContext = scaling.positive("original_max_position_embeddings");
  if (high <= low) throw scaling.fail("high_freq_factor", "must be above low_freq_factor.");
  return Array.from({ length: rotated / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / rotated);
    if (wavelength < trainedContext / high) return 1;
    if (wavelength > trainedContext / low) return factor;
    const smooth = (trainedContext / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

function yarn(config: DecoderConfig, scaling: JsonObject, key: (name: string) => string): GgufKeyValue[] {
  for (const field of ["attention_factor", "mscale", "mscale_all_dim", "truncate"]) {
    if (scaling.raw(field) !== undefined) throw scaling.fail(field, "is not supported.");
  }
  const trainedContext =
    scaling.optionalInteger("original_max_position_embeddings", 1, 2 ** 31 - 1) ?? config.contextLength;
  return [
    keyValue.text(key("scaling.type"), "yarn"),
    keyValue.float(key("scaling.factor"), scaling.positive("factor")),
    keyValue.uint(key("scaling.original_context_length"), trainedContext),
    keyValue.float(key("scaling.yarn_beta_fast"), scaling.optionalPositive("beta_fast") ?? 32),
    keyValue.float(key("scaling.yarn_beta_slow"), scaling.optionalPositive("beta_slow") ?? 1),
  ];
}

/** LongRoPE: one list of divisors for prompts within the original training context, another for longer prompts. */
function longrope(
  config: DecoderConfig,
  scaling: JsonObject,
  { key, metadata, rotated }: { key: (name: string) => string; metadata: GgufKeyValue[]; rotated: number },
): RopePlan {
  const trainedContext =
    config.json.optionalInteger("original_max_position_embeddings", 2, 2 ** 31 - 1) ??
    scaling.integer("original_max_position_embeddings", 2, 2 ** 31 - 1);
  const factors = (name: string) => {
    const values = scaling.numbers(name);
    if (values.length !== rotated / 2) throw scaling.fail(name, `must have ${rotated / 2} numbers.`);
    return values;
  };
  const stretch = config.contextLength / trainedContext;
  // The formula is from the configuration code that is published with Phi-3.
  const attention =
    scaling.optionalPositive("attention_factor") ??
    (stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(trainedContext)));
  return {
    metadata: [
      ...metadata,
      keyValue.text(key("scaling.type"), "longrope"),
      keyValue.uint(key("scaling.original_context_length"), trainedContext),
      keyValue.float(key("scaling.attn_factor"), attention),
    ],
    tensors: [
      frequencies(factors("long_factor"), "rope_factors_long"),
      frequencies(factors("short_factor"), "rope_factors_short"),
    ],
  };
}

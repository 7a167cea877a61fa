import { type WriteOptions, writeGguf } from "../gguf/file-writer.ts";
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
import { readDecoderConfig } from "../huggingface/decoder-config.ts";
import { readTokenizer } from "../tokenizers/tokenizer.ts";
import { openWeights } from "../weights.ts";
import { planDecoder } from "./plan-decoder.ts";
import { bindTensors } from "./tensors.ts";

export interface ConvertOptions extends WriteOptions {
  /** Of the matrices; vectors stay 32-bit floats, and matrices whose rows are no whole blocks of Q8_0 become F16. */
  type: "F16" | "Q8_0";
}

/**
 * Converts a Hugging Face folder into one GGUF file. Never holds more than a few megabytes of the weights in memory.
 * @throws ModelFileError when the folder can't be converted; the signal's reason.
 */
export async function convertToGguf(folder: string, outFile: string, options: ConvertOptions): Promise<void> {
  const config = await readDecoderConfig(folder);
  const plan = planDecoder(config);
  const tokenizer = await readTokenizer(folder, config);
  const weights = await openWeights(folder);
  try {
    const tensors = bindTensors(plan, weights, options.type);
    const settings = [...plan.metadata, ...fileMetadata(options.type), ...tokenizer.metadata];
    await writeGguf(outFile, settings, tensors, options);
  } finally {
    await weights.close();
  }
}

/** llama.cpp's numbers for a file of mostly this type. */
function fileMetadata(type: ConvertOptions["type"]): GgufKeyValue[] {
  return [
    keyValue.uint("general.file_type", type === "F16" ? 1 : 7),
    keyValue.uint("general.quantization_version", 2),
  ];
}

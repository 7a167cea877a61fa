import { type WriteOptions, writeGguf } from "../gguf/file-writer.ts";
import { keyValue } from "../gguf/header-writer.ts";
import { readDecoderConfig } from "../huggingface/decoder-config.ts";
import { readTokenizer } from "../tokenizers/tokenizer.ts";
import { openWeights } from "../weights.ts";
import { planDecoder } from "./plan-decoder.ts";
import { bindTensors } from "./tensors.ts";

export interface ConvertOptions extends WriteOptions {
  /**
   * Type of the matrices. Vectors become 32-bit floats; with Q8_0, matrices whose rows are not whole blocks become F16.
   */
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
    const metadata = [
      ...plan.metadata,
      // llama.cpp's number for a file of mostly this type.
      keyValue.uint("general.file_type", options.type === "F16" ? 1 : 7),
      keyValue.uint("general.quantization_version", 2),
      ...tokenizer.metadata,
    ];
    await writeGguf(outFile, { metadata, tensors }, options);
  } finally {
    await weights.close();
  }
}

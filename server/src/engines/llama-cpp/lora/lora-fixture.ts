/** For tests and benchmarks only: tiny models and LoRAs as GGUF files. */
import { copyFile, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { convertLora, convertToGguf } from "../../../model-files/service.ts";
import { type TinyLoraOptions, writeTinyLora, writeTinyModel } from "../../../model-files/testing.ts";
import { type GgufHead, type GgufTensor, parseGgufHead } from "./gguf-head.ts";

const { signal } = new AbortController();

/** Writes a model of random weights that computes a token in well under a millisecond. Returns its path. */
export async function writeTinyGgufModel(folder: string, type: "F16" | "Q8_0" = "F16"): Promise<string> {
  const source = join(folder, "model");
  const path = join(folder, "model.gguf");
  await writeTinyModel(source, { config: { max_position_embeddings: 2048 } });
  await convertToGguf(source, path, { type, signal });
  return path;
}

/** Writes a LoRA for the model at `basePath`, and its PEFT source beside it. Returns `path`. */
export async function writeLora(
  basePath: string,
  path: string,
  options: TinyLoraOptions = {},
): Promise<string> {
  const source = `${path}-source`;
  await writeTinyLora(source, options);
  await convertLora({ folder: source, base: basePath, outFile: path }, { signal });
  return path;
}

export interface MergeOptions {
  basePath: string;
  loraPath: string;
  outPath: string;
  scale: number;
}

/** Writes the model with the LoRA merged into its weights: W + scale · alpha / rank · B · A. */
export async function mergeLora({ basePath, loraPath, outPath, scale }: MergeOptions): Promise<void> {
  await copyFile(basePath, outPath);
  const base = await readGguf(basePath);
  const lora = await readGguf(loraPath);
  const alpha = lora.head.settings.get("adapter.lora.alpha") as number;
  const out = await open(outPath, "r+");
  try {
    for (const tensor of base.head.tensors) {
      const [a, b] = ["a", "b"].map((part) =>
        lora.head.tensors.find(({ name }) => name === `${tensor.name}.lora_${part}`),
      );
      if (a === undefined || b === undefined) continue;
      const [columns, rank] = a.shape as [number, number];
      const weights = base.values(tensor);
      const valuesA = lora.values(a);
      const valuesB = lora.values(b);
      for (let i = 0; i < weights.length; i++) {
        const row = Math.floor(i / columns);
        const column = i % columns;
        for (let k = 0; k < rank; k++) {
          weights[i]! += ((scale * alpha) / rank) * valuesB[row * rank + k]! * valuesA[k * columns + column]!;
        }
      }
      await out.write(Buffer.from(weights.buffer), 0, tensor.sizeBytes, base.head.dataOffset + tensor.offset);
    }
  } finally {
    await out.close();
  }
}

/** A GGUF file and its tensors' values as 32-bit floats. */
async function readGguf(path: string): Promise<{ head: GgufHead; values(tensor: GgufTensor): Float32Array }> {
  const bytes = await readFile(path);
  const head = parseGgufHead(bytes);
  return {
    head,
    values({ type, offset, sizeBytes }) {
      const start = head.dataOffset + offset;
      if (type === "F32") return new Float32Array(bytes.buffer.slice(start, start + sizeBytes));
      if (type !== "F16") throw new Error(`no test needs tensors of type ${type}`);
      return Float32Array.from({ length: sizeBytes / 2 }, (_, i) =>
        float16(bytes.readUInt16LE(start + 2 * i)),
      );
    },
  };
}

/** The number that these 16 bits encode. */
function float16(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 === 1 ? -size : size;
}

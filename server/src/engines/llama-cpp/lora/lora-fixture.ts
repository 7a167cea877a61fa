/** For tests and benchmarks only: tiny models and adapters as files of the engine's own kind. */
import { copyFile, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { convertLora, convertToGguf } from "../../../model-files/service.ts";
import { type TinyLoraOptions, writeTinyLora, writeTinyModel } from "../../../model-files/testing.ts";
import { type GgufHead, type GgufTensor, parseGgufHead } from "./gguf-head.ts";

const { signal } = new AbortController();

/** Writes a model that answers in well under a millisecond a token. Gives its path. */
export async function writeTinyGgufModel(folder: string, type: "F16" | "Q8_0" = "F16"): Promise<string> {
  const source = join(folder, "model");
  const path = join(folder, "model.gguf");
  await writeTinyModel(source, { config: { max_position_embeddings: 2048 } });
  await convertToGguf(source, path, { type, signal });
  return path;
}

/** Writes an adapter for the model at `basePath`. Gives its path. */
export async function writeLora(
  basePath: string,
  folder: string,
  name: string,
  options: TinyLoraOptions = {},
): Promise<string> {
  const source = join(folder, `${name}-source`);
  const path = join(folder, `${name}.gguf`);
  await writeTinyLora(source, options);
  await convertLora(source, basePath, path, { signal });
  return path;
}

/** Writes the model as it would be had the adapter been trained into it: W + scale · alpha / rank · B · A. */
export async function mergeLora(
  basePath: string,
  adapterPath: string,
  outPath: string,
  scale: number,
): Promise<void> {
  await copyFile(basePath, outPath);
  const [base, adapter] = [await readGguf(basePath), await readGguf(adapterPath)];
  const alpha = adapter.head.settings.get("adapter.lora.alpha") as number;
  const out = await open(outPath, "r+");
  try {
    for (const tensor of base.head.tensors) {
      const [a, b] = ["a", "b"].map((part) =>
        adapter.head.tensors.find(({ name }) => name === `${tensor.name}.lora_${part}`),
      );
      if (a === undefined || b === undefined) continue;
      const [columns, rank] = a.shape as [number, number];
      const [weights, left, right] = [base.values(tensor), adapter.values(b), adapter.values(a)];
      for (let i = 0; i < weights.length; i++) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        for (let k = 0; k < rank; k++) {
          weights[i]! += ((scale * alpha) / rank) * left[row * rank + k]! * right[k * columns + column]!;
        }
      }
      await out.write(Buffer.from(weights.buffer), 0, tensor.sizeBytes, base.head.dataOffset + tensor.offset);
    }
  } finally {
    await out.close();
  }
}

async function readGguf(path: string): Promise<{ head: GgufHead; values(tensor: GgufTensor): Float32Array }> {
  const bytes = await readFile(path);
  const head = parseGgufHead(bytes);
  return {
    head,
    values({ type, offset, sizeBytes }) {
      const start = head.dataOffset + offset;
      if (type === "F32") return new Float32Array(bytes.buffer.slice(start, start + sizeBytes));
      if (type !== "F16") throw new Error(`no test needs tensors of type ${type}`);
      return Float32Array.from({ length: sizeBytes / 2 }, (_, i) => half(bytes.readUInt16LE(start + 2 * i)));
    },
  };
}

function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 === 1 ? -size : size;
}

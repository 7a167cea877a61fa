/** Writes a model of any size whose weights are zeros: the cost of an upload does not depend on the values. */
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { planDecoder } from "../../src/model-files/convert/plan-decoder.ts";
import { readDecoderConfig } from "../../src/model-files/huggingface/decoder-config.ts";
import { writeTinyModel } from "../../src/model-files/testing.ts";

const HIDDEN = 1024;
const INTERMEDIATE = 4096;
/** Bytes of one layer in F32: the attention's and the feed-forward network's projections. */
const LAYER_BYTES = 4 * (HIDDEN * HIDDEN * 3 + HIDDEN * INTERMEDIATE * 3);

/** @param sizeBytes approximate size of the weights file */
export async function writeLargeModel(folder: string, sizeBytes: number): Promise<void> {
  await writeTinyModel(folder);
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as object;
  const sizes = {
    hidden_size: HIDDEN,
    intermediate_size: INTERMEDIATE,
    num_hidden_layers: Math.ceil(sizeBytes / LAYER_BYTES),
  };
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, ...sizes }));
  const plan = planDecoder(await readDecoderConfig(folder));
  const header: Record<string, object> = {};
  let endBytes = 0;
  for (const { from } of plan.tensors) {
    if (from.kind !== "stored" || header[from.name] !== undefined) continue;
    const start = endBytes;
    endBytes += 4 * from.shape.reduce((product, length) => product * length, 1);
    header[from.name] = { dtype: "F32", shape: from.shape, data_offsets: [start, endBytes] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = await open(join(folder, "model.safetensors"), "w");
  try {
    await file.writeFile(Buffer.concat([length, text]));
    const zeros = Buffer.alloc(8 * 1024 ** 2);
    for (let remainingBytes = endBytes; remainingBytes > 0; remainingBytes -= zeros.length)
      await file.write(zeros, 0, Math.min(remainingBytes, zeros.length));
  } finally {
    await file.close();
  }
}

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NativeLoras } from "./native-loras.ts";

const ALIGNMENT = 32;
/** GGUF's numbers for a text setting and for a tensor of 32-bit floats. */
const STRING_SETTING = 8;
const F32_TENSOR = 0;
const TARGET_MATRIX = /^blk\.0\.(attn_output|ffn_down)\.weight$/;

/**
 * Whether the library's inner functions for LoRAs behave as expected: a LoRA changes the logits, another scale changes
 * them differently, and they are back to the same bit once it is off.
 * @param computeLogprob computes, without any cache, the log probability of always the same token.
 */
export async function passesLoraSelfTest(
  loras: NativeLoras,
  computeLogprob: () => Promise<number>,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-lora-")).catch(() => null);
  if (folder === null) return false;
  const keys: number[] = [];
  const logprobWith = async (key: number | null) => {
    loras.use(key);
    return computeLogprob();
  };
  try {
    const path = join(folder, "test.gguf");
    await writeFile(path, testLora(loras.baseModel));
    for (const scale of [1, 0.5]) keys.push(await loras.load(path, scale));
    const before = await logprobWith(null);
    const changes: number[] = [];
    for (const key of keys) changes.push(Math.abs((await logprobWith(key)) - before));
    const after = await logprobWith(null);
    return after === before && changes.every((change) => change > 0) && changes[0] !== changes[1];
  } catch {
    return false;
  } finally {
    loras.use(null);
    for (const key of keys) await loras.free(key).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

/** A GGUF file with a LoRA of rank 1 for one matrix. */
function testLora({ architecture, tensors }: NativeLoras["baseModel"]): Buffer {
  const [target, shape] = [...tensors].find(
    ([name, { length }]) => TARGET_MATRIX.test(name) && length === 2,
  )!;
  const settings = Object.entries({
    "general.type": "adapter",
    "general.architecture": architecture,
    "adapter.type": "lora",
  }).map(([key, value]) => Buffer.concat([text(key), u32(STRING_SETTING), text(value)]));
  const matrices = [
    { name: `${target}.lora_a`, shape: [shape[0]!, 1] },
    { name: `${target}.lora_b`, shape: [1, shape[1]!] },
  ];
  let offset = 0;
  const infos = matrices.map(({ name, shape }) => {
    const info = [text(name), u32(2), ...shape.map(u64), u32(F32_TENSOR), u64(offset)];
    offset += alignUp(4 * shape[0]! * shape[1]!);
    return Buffer.concat(info);
  });
  const head = [
    Buffer.from("GGUF"),
    u32(3),
    u64(matrices.length),
    u64(settings.length),
    ...settings,
    ...infos,
  ];
  // Weights −1, 0, 1 in turn: a uniform change might be cancelled by the normalisation that follows.
  const data = matrices.map(({ shape }) =>
    Buffer.from(Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => (i % 3) - 1).buffer),
  );
  return Buffer.concat([Buffer.concat(head), ...data].map(pad));
}

function text(value: string): Buffer {
  return Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(alignUp(bytes.length) - bytes.length)]);
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

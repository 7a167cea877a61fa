import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NativeLoras } from "./native-loras.ts";

const ALIGNMENT = 32;
/** The kinds of a value and of a tensor, by their numbers in the file. */
const [STRING, FLOAT] = [8, 0];
const MATRIX = /^blk\.0\.(attn_output|ffn_down)\.weight$/;

/**
 * Whether the library's inner functions for adapters do what is expected of them: an adapter changes what is computed, as
 * much as its scale says, and leaves no trace.
 * @param logprob of one and the same token after the same prompt, computed anew each time.
 */
export async function passesLoraSelfTest(
  loras: NativeLoras,
  logprob: () => Promise<number>,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-adapter-")).catch(() => null);
  if (folder === null) return false;
  const keys: number[] = [];
  const withAdapter = async (key: number | null) => {
    loras.use(key);
    return logprob();
  };
  try {
    const path = join(folder, "test.gguf");
    await writeFile(path, testAdapter(loras.baseModel));
    for (const scale of [1, 0.5]) keys.push(await loras.load(path, scale));
    const plain = await withAdapter(null);
    const changes: number[] = [];
    for (const key of keys) changes.push(Math.abs((await withAdapter(key)) - plain));
    const after = await withAdapter(null);
    return after === plain && changes.every((change) => change > 0) && changes[0] !== changes[1];
  } catch {
    return false;
  } finally {
    loras.use(null);
    for (const key of keys) await loras.free(key).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

/** A GGUF file with a change of rank 1 to one matrix. */
function testAdapter({ architecture, tensors }: NativeLoras["baseModel"]): Buffer {
  const [target, shape] = [...tensors].find(([name, { length }]) => MATRIX.test(name) && length === 2)!;
  const facts = { "general.type": "adapter", "general.architecture": architecture, "adapter.type": "lora" };
  const settings = Object.entries(facts).map(([key, value]) =>
    Buffer.concat([text(key), u32(STRING), text(value)]),
  );
  const halves = [
    { name: `${target}.lora_a`, shape: [shape[0]!, 1] },
    { name: `${target}.lora_b`, shape: [1, shape[1]!] },
  ];
  let offset = 0;
  const infos = halves.map(({ name, shape }) => {
    const info = [text(name), u32(2), ...shape.map(u64), u32(FLOAT), u64(offset)];
    offset += padded(4 * shape[0]! * shape[1]!);
    return Buffer.concat(info);
  });
  const head = [Buffer.from("GGUF"), u32(3), u64(halves.length), u64(settings.length), ...settings, ...infos];
  // Signs in turn: the same change everywhere might be evened out by the norm that follows.
  const data = halves.map(({ shape }) =>
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
  return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/**
 * The part of the GGUF format that is needed to write new weights with another model's tokenizer. A file holds, with all
 * numbers little-endian: the magic, version 3, the counts of tensors and settings, the settings (key, type, value), the
 * tensors' names and shapes, padding, and the tensors' data, each tensor padded to 32 bytes.
 */
import { open } from "node:fs/promises";

/** The bytes of a setting in the file: key, type and value. */
export type RawSetting = Buffer;

/** Sizes of the value types by number, in bytes; 8 is a string and 9 an array. */
const VALUE_BYTES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const [U32, F32, STRING, ARRAY] = [4, 6, 8, 9];
const MAX_HEADER_BYTES = 64 * 1024 ** 2;
const ALIGNMENT_BYTES = 32;

export interface TokenizerSettings {
  /** All `tokenizer.*` settings byte for byte, including the chat template. */
  raw: RawSetting[];
  vocabularySize: number;
}

/** @throws RangeError when the file is not GGUF or its settings take more than 64 MiB. */
export async function readTokenizerSettings(path: string): Promise<TokenizerSettings> {
  const file = await open(path, "r");
  try {
    const size = Math.min((await file.stat()).size, MAX_HEADER_BYTES);
    const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
    return tokenizerSettings(buffer);
  } finally {
    await file.close();
  }
}

function tokenizerSettings(bytes: Buffer): TokenizerSettings {
  if (bytes.toString("latin1", 0, 4) !== "GGUF" || bytes.readUInt32LE(4) !== 3) {
    throw new RangeError("not a GGUF file of version 3");
  }
  const raw: RawSetting[] = [];
  let vocabularySize = 0;
  let at = 24;
  for (let left = bytes.readBigUInt64LE(16); left > 0n; left--) {
    const start = at;
    const keyEnd = skipString(bytes, at);
    const key = bytes.toString("utf8", at + 8, keyEnd);
    const type = bytes.readUInt32LE(keyEnd);
    at = skipValue(bytes, keyEnd + 4, type);
    if (!key.startsWith("tokenizer.")) continue;
    raw.push(bytes.subarray(start, at));
    if (key === "tokenizer.ggml.tokens") vocabularySize = Number(bytes.readBigUInt64LE(keyEnd + 8));
  }
  if (vocabularySize === 0) throw new RangeError("the GGUF file has no tokens");
  return { raw, vocabularySize };
}

/** Returns the offset after the value. Buffer's methods throw a RangeError at the end of the bytes. */
function skipString(bytes: Buffer, at: number): number {
  return at + 8 + Number(bytes.readBigUInt64LE(at));
}

function skipValue(bytes: Buffer, at: number, type: number): number {
  if (type === STRING) return skipString(bytes, at);
  if (type !== ARRAY) return at + sizeOf(type);
  const itemType = bytes.readUInt32LE(at);
  const count = Number(bytes.readBigUInt64LE(at + 4));
  let end = at + 12;
  if (itemType !== STRING && itemType !== ARRAY) return end + count * sizeOf(itemType);
  for (let i = 0; i < count; i++) end = skipValue(bytes, end, itemType);
  return end;
}

function sizeOf(type: number): number {
  const size = VALUE_BYTES[type];
  if (size === undefined) throw new RangeError(`unknown type of value: ${type}`);
  return size;
}

export const setting = {
  text: (key: string, value: string): RawSetting => rawSetting(key, STRING, string(value)),
  uint: (key: string, value: number): RawSetting => rawSetting(key, U32, u32(value)),
  float(key: string, value: number): RawSetting {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return rawSetting(key, F32, bytes);
  },
};

export interface Tensor {
  name: string;
  /** Columns before rows, as in the file; the values of a row are adjacent. */
  shape: readonly number[];
}

/** The bytes before the tensors' data, which must follow in this order as 32-bit floats. */
export function ggufHead(settings: readonly RawSetting[], tensors: readonly Tensor[]): Buffer {
  const parts = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(settings.length), ...settings];
  let offset = 0;
  for (const { name, shape } of tensors) {
    // Kind 0: 32-bit floats.
    parts.push(string(name), u32(shape.length), ...shape.map(u64), u32(0), u64(offset));
    offset += padded(tensorBytes(shape));
  }
  const head = Buffer.concat(parts);
  return Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)]);
}

export function ggufTensor(values: Float32Array): Buffer {
  const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat([data, Buffer.alloc(padded(data.length) - data.length)]);
}

function tensorBytes(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 4);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

function rawSetting(key: string, type: number, value: Buffer): RawSetting {
  return Buffer.concat([string(key), u32(type), value]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
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

import { Q8_0_BLOCK } from "../number-formats.ts";
import {
  GGUF_MAGIC,
  GGUF_VERSION,
  KIND_NUMBERS,
  padded,
  TENSOR_KINDS,
  VALUE_TYPES,
  type ValueType,
  type WrittenKind,
} from "./types.ts";

/** A key-value pair of the metadata, encoded as in the file. */
export interface GgufKeyValue {
  key: string;
  bytes: Buffer;
}

/** Description of a tensor in the header. */
export interface TensorInfo {
  name: string;
  /** Columns first, as in the file: numbers that differ in the first index only are adjacent. */
  shape: readonly number[];
  kind: WrittenKind;
}

export const keyValue = {
  text: (key: string, value: string) => encodeKeyValue(key, "string", string(value)),
  uint: (key: string, value: number) => encodeKeyValue(key, "u32", u32(value)),
  float: (key: string, value: number) => encodeKeyValue(key, "f32", f32(value)),
  boolean: (key: string, value: boolean) => encodeKeyValue(key, "bool", Buffer.from([value ? 1 : 0])),
  texts: (key: string, values: readonly string[]) =>
    encodeArray(key, { type: "string", length: values.length }, values.map(string)),
  floats: (key: string, values: readonly number[]) =>
    encodeArray(key, { type: "f32", length: values.length }, [Buffer.from(Float32Array.from(values).buffer)]),
  ints: (key: string, values: readonly number[]) =>
    encodeArray(key, { type: "i32", length: values.length }, [Buffer.from(Int32Array.from(values).buffer)]),
};

/** All bytes before the tensors' data, padded. The data must follow in the order of `tensors`, each one padded, too. */
export function encodeGgufHeader(metadata: readonly GgufKeyValue[], tensors: readonly TensorInfo[]): Buffer {
  const parts = [Buffer.from(GGUF_MAGIC), u32(GGUF_VERSION), u64(tensors.length), u64(metadata.length)];
  for (const { bytes } of metadata) parts.push(bytes);
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(string(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64));
    parts.push(u32(KIND_NUMBERS[tensor.kind]), u64(offset));
    offset += padded(tensorBytes(tensor));
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]);
}

/** Size of the tensor's data in bytes, without padding. */
export function tensorBytes({ shape, kind }: Pick<TensorInfo, "shape" | "kind">): number {
  const { block, blockBytes } = TENSOR_KINDS[KIND_NUMBERS[kind]]!;
  return (shape.reduce((product, length) => product * length, 1) / block) * blockBytes;
}

/** The requested kind; F16 for Q8_0 when the rows are not whole blocks. */
export function writableKind(requested: WrittenKind, columns: number): WrittenKind {
  return requested === "Q8_0" && columns % Q8_0_BLOCK !== 0 ? "F16" : requested;
}

function encodeKeyValue(key: string, type: ValueType, value: Buffer): GgufKeyValue {
  return { key, bytes: Buffer.concat([string(key), u32(VALUE_TYPES.indexOf(type)), value]) };
}

function encodeArray(
  key: string,
  { type, length }: { type: ValueType; length: number },
  items: readonly Buffer[],
): GgufKeyValue {
  return encodeKeyValue(key, "array", Buffer.concat([u32(VALUE_TYPES.indexOf(type)), u64(length), ...items]));
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

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

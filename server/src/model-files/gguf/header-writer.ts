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

/** A setting as it will stand in the file. */
export interface GgufKeyValue {
  key: string;
  bytes: Buffer;
}

/** What is known of a tensor before its data. */
export interface TensorInfo {
  name: string;
  /** Columns first, as the file has it: the first dimension is what lies together. */
  shape: readonly number[];
  kind: WrittenKind;
}

export const keyValue = {
  text: (key: string, value: string) => make(key, "string", string(value)),
  uint: (key: string, value: number) => make(key, "u32", u32(value)),
  float: (key: string, value: number) => make(key, "f32", f32(value)),
  boolean: (key: string, value: boolean) => make(key, "bool", Buffer.from([value ? 1 : 0])),
  texts: (key: string, values: readonly string[]) => array(key, "string", values.length, values.map(string)),
  floats: (key: string, values: readonly number[]) =>
    array(key, "f32", values.length, [Buffer.from(Float32Array.from(values).buffer)]),
  ints: (key: string, values: readonly number[]) =>
    array(key, "i32", values.length, [Buffer.from(Int32Array.from(values).buffer)]),
};

/** Everything before the tensors' data, padded. The data follows in this order, each tensor's padded too. */
export function encodeGgufHeader(settings: readonly GgufKeyValue[], tensors: readonly TensorInfo[]): Buffer {
  const parts = [Buffer.from(GGUF_MAGIC), u32(GGUF_VERSION), u64(tensors.length), u64(settings.length)];
  for (const { bytes } of settings) parts.push(bytes);
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(string(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64));
    parts.push(u32(KIND_NUMBERS[tensor.kind]), u64(offset));
    offset += padded(tensorBytes(tensor));
  }
  const head = Buffer.concat(parts);
  return Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)]);
}

/** Size of the tensor's data, without padding. */
export function tensorBytes({ shape, kind }: Pick<TensorInfo, "shape" | "kind">): number {
  const { block, blockBytes } = TENSOR_KINDS[KIND_NUMBERS[kind]]!;
  return (shape.reduce((product, length) => product * length, 1) / block) * blockBytes;
}

/** What a matrix can be written as: rows must be whole blocks. */
export function writableKind(wanted: WrittenKind, columns: number): WrittenKind {
  return wanted === "Q8_0" && columns % Q8_0_BLOCK !== 0 ? "F16" : wanted;
}

function make(key: string, type: ValueType, value: Buffer): GgufKeyValue {
  return { key, bytes: Buffer.concat([string(key), u32(VALUE_TYPES.indexOf(type)), value]) };
}

function array(key: string, type: ValueType, length: number, items: readonly Buffer[]): GgufKeyValue {
  return make(key, "array", Buffer.concat([u32(VALUE_TYPES.indexOf(type)), u64(length), ...items]));
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

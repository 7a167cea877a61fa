import { ModelFileError } from "../errors.ts";
import type { FileBytes } from "../file-bytes.ts";
import { quoted } from "../json.ts";
import { ALIGNMENT_BYTES, GGUF_MAGIC, padded, TENSOR_KINDS, VALUE_TYPES, type ValueType } from "./types.ts";

export type GgufValue = string | number | bigint | boolean | GgufValue[];

export interface GgufTensor {
  name: string;
  /** Columns first. */
  shape: readonly number[];
  /** Name of the tensor type: "F16", "Q4_K" … */
  kind: string;
  /** From the start of the file. */
  offsetBytes: number;
  sizeBytes: number;
}

export interface GgufHeader {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: ReadonlyMap<string, GgufTensor>;
}

/** A header is parsed from one buffer. The first try reads this much; each further try reads four times as much. */
const FIRST_READ_BYTES = 4 * 1024 ** 2;
const MAX_HEADER_BYTES = 128 * 1024 ** 2;
const MAX_KEY_VALUES = 65_536;
const MAX_TENSORS = 65_536;
const MAX_DIMENSIONS = 4;
const MAX_LENGTH = 2 ** 31 - 1;
/** Most items in all lists of the metadata together; the largest vocabularies have 1,600,000. */
const MAX_ITEMS = 8_000_000;
const MAX_NAME_BYTES = 64 * 1024;

const SCALAR_BYTES = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** Reads the header of a GGUF file and checks that it describes nothing outside the file. @throws ModelFileError */
export async function readGguf(file: FileBytes): Promise<GgufHeader> {
  const maxBytes = Math.min(file.sizeBytes, MAX_HEADER_BYTES);
  for (
    let sizeBytes = Math.min(FIRST_READ_BYTES, maxBytes);
    ;
    sizeBytes = Math.min(4 * sizeBytes, maxBytes)
  ) {
    try {
      return parseHeader(new Cursor(file, await file.read(0, sizeBytes)));
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (sizeBytes === maxBytes) throw new ModelFileError(file.name, "ends within its header.");
    }
  }
}

class NeedMoreBytes extends Error {}

/**
 * Reads values one after the other.
 * @throws NeedMoreBytes at the end of the buffer; ModelFileError at the end of the file.
 */
class Cursor {
  readonly file: FileBytes;
  readonly #bytes: Buffer;
  #at = 0;
  #items = 0;

  constructor(file: FileBytes, bytes: Buffer) {
    this.file = file;
    this.#bytes = bytes;
  }

  get offsetBytes(): number {
    return this.#at;
  }

  fail(problem: string): ModelFileError {
    return new ModelFileError(this.file.name, problem);
  }

  #take(sizeBytes: number): number {
    const start = this.#at;
    if (start + sizeBytes > this.file.sizeBytes) throw this.fail("ends within its header.");
    if (start + sizeBytes > this.#bytes.length) throw new NeedMoreBytes();
    this.#at += sizeBytes;
    return start;
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** Reads a 64-bit count or size. @throws ModelFileError when it is above `max`. */
  count(max: number, what: string): number {
    const value = this.#bytes.readBigUInt64LE(this.#take(8));
    if (value > BigInt(max)) throw this.fail(`has ${what} beyond what is possible or supported.`);
    return Number(value);
  }

  /** Reads the length of a list. @throws ModelFileError when all lists together have too many items. */
  items(): number {
    const length = this.count(MAX_ITEMS - this.#items, "a list");
    this.#items += length;
    return length;
  }

  text(maxBytes = MAX_HEADER_BYTES): string {
    const sizeBytes = this.count(maxBytes, "a text");
    const start = this.#take(sizeBytes);
    return this.#bytes.toString("utf8", start, start + sizeBytes);
  }

  magic(): string {
    const start = this.#take(4);
    return this.#bytes.toString("latin1", start, start + 4);
  }

  scalar(type: keyof typeof SCALAR_BYTES): number | bigint | boolean {
    const bytes = this.#bytes;
    const at = this.#take(SCALAR_BYTES[type]);
    switch (type) {
      case "u8":
        return bytes.readUInt8(at);
      case "i8":
        return bytes.readInt8(at);
      case "bool":
        return bytes.readUInt8(at) !== 0;
      case "u16":
        return bytes.readUInt16LE(at);
      case "i16":
        return bytes.readInt16LE(at);
      case "u32":
        return bytes.readUInt32LE(at);
      case "i32":
        return bytes.readInt32LE(at);
      case "f32":
        return bytes.readFloatLE(at);
      case "f64":
        return bytes.readDoubleLE(at);
      case "u64":
        return bytes.readBigUInt64LE(at);
      case "i64":
        return bytes.readBigInt64LE(at);
    }
  }
}

function parseHeader(cursor: Cursor): GgufHeader {
  if (cursor.magic() !== GGUF_MAGIC) throw cursor.fail("is no GGUF file.");
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw cursor.fail("is GGUF of a version other than 2 and 3.");
  const tensorCount = cursor.count(MAX_TENSORS, "a count of tensors");
  const settingCount = cursor.count(MAX_KEY_VALUES, "a count of settings");
  const metadata = new Map<string, GgufValue>();
  for (let remaining = settingCount; remaining > 0; remaining--) {
    const key = cursor.text(MAX_NAME_BYTES);
    if (metadata.has(key)) throw cursor.fail(`has the setting ${quoted(key)} twice.`);
    metadata.set(key, readValue(cursor, valueType(cursor)));
  }
  const tensors = Array.from({ length: tensorCount }, () => readTensor(cursor));
  const alignment = metadata.get("general.alignment") ?? ALIGNMENT_BYTES;
  if (typeof alignment !== "number" || alignment < 8 || alignment > 65_536 || alignment % 8 !== 0) {
    throw cursor.fail("has an invalid general.alignment.");
  }
  const dataStart = padded(cursor.offsetBytes, alignment);
  return { metadata, tensors: resolveOffsets({ cursor, tensors, dataStart, alignment }) };
}

function valueType(cursor: Cursor): ValueType {
  const type = VALUE_TYPES[cursor.u32()];
  if (type === undefined) throw cursor.fail("has a setting of an unknown type.");
  return type;
}

function readValue(cursor: Cursor, type: ValueType, depth = 0): GgufValue {
  if (type === "string") return cursor.text();
  if (type !== "array") return cursor.scalar(type);
  if (depth > 1) throw cursor.fail("has a setting of lists nested too deeply.");
  const itemType = valueType(cursor);
  const length = cursor.items();
  const items: GgufValue[] = [];
  for (let remaining = length; remaining > 0; remaining--) items.push(readValue(cursor, itemType, depth + 1));
  return items;
}

/** Reads a tensor's description. Its `offsetBytes` still counts from the start of the data. */
function readTensor(cursor: Cursor): GgufTensor {
  const name = cursor.text(MAX_NAME_BYTES);
  const fail = (problem: string) => cursor.fail(`the tensor ${quoted(name)} ${problem}`);
  const dimensions = cursor.u32();
  if (dimensions > MAX_DIMENSIONS) throw fail("has too many dimensions.");
  const shape = Array.from({ length: dimensions }, () => cursor.count(MAX_LENGTH, "a tensor with a shape"));
  const kind = TENSOR_KINDS[cursor.u32()];
  if (kind === undefined) throw fail("is of a kind that is not supported.");
  const offsetBytes = cursor.count(Number.MAX_SAFE_INTEGER, "a tensor with an offset");
  const numbers = shape.reduce((product, length) => product * length, 1);
  const sizeBytes = (numbers / kind.block) * kind.blockBytes;
  if (
    (shape[0] ?? 1) % kind.block !== 0 ||
    !Number.isSafeInteger(numbers) ||
    !Number.isSafeInteger(sizeBytes)
  ) {
    throw fail("has an impossible shape.");
  }
  return { name, shape, kind: kind.name, offsetBytes, sizeBytes };
}

/**
 * Makes all offsets count from the start of the file.
 * @throws ModelFileError for tensors that overlap or leave the file.
 */
function resolveOffsets({
  cursor,
  tensors,
  dataStart,
  alignment,
}: {
  cursor: Cursor;
  tensors: readonly GgufTensor[];
  dataStart: number;
  alignment: number;
}): Map<string, GgufTensor> {
  const byName = new Map<string, GgufTensor>();
  let end = 0;
  for (const tensor of tensors.toSorted(
    (a, b) => a.offsetBytes - b.offsetBytes || a.sizeBytes - b.sizeBytes,
  )) {
    const fail = (problem: string) => cursor.fail(`the tensor ${quoted(tensor.name)} ${problem}`);
    if (byName.has(tensor.name)) throw fail("is there twice.");
    if (tensor.offsetBytes % alignment !== 0) throw fail("has an offset that is not aligned.");
    if (tensor.offsetBytes < end) throw fail("overlaps another.");
    end = tensor.offsetBytes + tensor.sizeBytes;
    if (dataStart + end > cursor.file.sizeBytes) throw fail("ends beyond the end of the file.");
    byName.set(tensor.name, { ...tensor, offsetBytes: dataStart + tensor.offsetBytes });
  }
  return byName;
}

import { EngineError } from "../../../engine/errors.ts";

/**
 * The head of a GGUF file, version 3, little-endian: magic, version, number of tensors, number of settings, the settings
 * (key, type, value), the tensors (name, shape, type, offset), padding. Uploaded files can't be trusted, so every field is
 * checked.
 */
export interface GgufHead {
  /** Values of texts and 32-bit numbers; null for other types. */
  settings: ReadonlyMap<string, string | number | null>;
  tensors: readonly GgufTensor[];
  /** Position of the tensors' data in the file, in bytes. */
  dataOffset: number;
}

export interface GgufTensor {
  name: string;
  /** Columns first. */
  shape: readonly number[];
  type: TensorType;
  /** From the beginning of the data, in bytes. */
  offset: number;
  sizeBytes: number;
}

export type TensorType = keyof typeof TENSOR_TYPES;

/** The types that a LoRA's tensors may have: GGUF's number, and items and bytes of a block. */
export const TENSOR_TYPES = {
  F32: { id: 0, blockItems: 1, blockBytes: 4 },
  F16: { id: 1, blockItems: 1, blockBytes: 2 },
  Q8_0: { id: 8, blockItems: 32, blockBytes: 34 },
  BF16: { id: 30, blockItems: 1, blockBytes: 2 },
} as const;

/** GGUF's numbers for the types of settings. */
const U8 = 0;
const I8 = 1;
const U16 = 2;
const I16 = 3;
const U32 = 4;
const I32 = 5;
const F32 = 6;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;
const U64 = 10;
const I64 = 11;
const F64 = 12;

/** Size of the types of fixed size. */
const VALUE_BYTES: Readonly<Record<number, number>> = {
  [U8]: 1,
  [I8]: 1,
  [U16]: 2,
  [I16]: 2,
  [U32]: 4,
  [I32]: 4,
  [F32]: 4,
  [BOOL]: 1,
  [U64]: 8,
  [I64]: 8,
  [F64]: 8,
};
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 4096;
const MAX_SETTINGS = 1_000;
const MAX_TENSORS = 20_000;
/** llama.cpp's limit for the names of tensors. */
const MAX_NAME_BYTES = 63;

/**
 * @throws RangeError when the bytes are not a complete, valid head.
 * @throws EngineError `invalid` for an unsupported tensor type.
 */
export function parseGgufHead(bytes: Buffer): GgufHead {
  const reader = new Reader(bytes);
  if (reader.take(4).toString("latin1") !== "GGUF") throw new RangeError("not a GGUF file");
  if (reader.u32() !== 3) throw new RangeError("not version 3");
  const tensorCount = reader.count(MAX_TENSORS);
  const settingCount = reader.count(MAX_SETTINGS);
  const settings = new Map<string, string | number | null>();
  for (let i = 0; i < settingCount; i++) {
    const key = reader.text();
    if (key === "" || settings.has(key)) throw new RangeError("an empty or repeated key");
    settings.set(key, readValue(reader, reader.u32()));
  }
  const alignment = settings.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (!isAlignment(alignment)) throw new RangeError("a bad alignment");
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  let offset = 0;
  for (let i = 0; i < tensorCount; i++) {
    const tensor = readTensor(reader);
    if (tensor.offset !== offset || names.has(tensor.name))
      throw new RangeError("a repeated or misplaced tensor");
    names.add(tensor.name);
    tensors.push(tensor);
    offset = alignUp(offset + tensor.sizeBytes, alignment);
  }
  return { settings, tensors, dataOffset: alignUp(reader.position, alignment) };
}

function readValue(reader: Reader, type: number): string | number | null {
  if (type === STRING) return reader.text();
  if (type === U32) return reader.u32();
  if (type === F32) return reader.take(4).readFloatLE();
  if (type !== ARRAY) {
    reader.take(sizeOf(type));
    return null;
  }
  const itemType = reader.u32();
  const count = reader.count(Number.MAX_SAFE_INTEGER);
  if (itemType !== STRING) reader.take(count * sizeOf(itemType));
  else for (let i = 0; i < count; i++) reader.text();
  return null;
}

function readTensor(reader: Reader): GgufTensor {
  const name = reader.text();
  if (!/^[\w.]+$/.test(name) || name.length > MAX_NAME_BYTES) throw new RangeError("a bad name");
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > 4) throw new RangeError("a bad number of dimensions");
  const shape = Array.from({ length: dimensions }, () => reader.count(2 ** 31));
  const items = shape.reduce((product, length) => product * length, 1);
  if (items < 1 || !Number.isSafeInteger(items * 4)) throw new RangeError("a bad shape");
  const id = reader.u32();
  const [type, { blockItems, blockBytes }] = typeOf(id);
  if (shape[0]! % blockItems !== 0) throw new RangeError("rows that are not whole blocks");
  const offset = reader.count(Number.MAX_SAFE_INTEGER);
  return { name, shape, type, offset, sizeBytes: (items / blockItems) * blockBytes };
}

function typeOf(id: number) {
  const types = Object.entries(TENSOR_TYPES) as [TensorType, (typeof TENSOR_TYPES)[TensorType]][];
  const found = types.find(([, type]) => type.id === id);
  if (found === undefined) {
    const known = Object.keys(TENSOR_TYPES).join(", ");
    throw new EngineError(
      "invalid",
      `The file has tensors of a type that is not supported; supported are ${known}.`,
    );
  }
  return found;
}

function sizeOf(type: number): number {
  const size = VALUE_BYTES[type];
  if (size === undefined) throw new RangeError("an unknown type of setting");
  return size;
}

function isAlignment(value: unknown): value is number {
  return (
    typeof value === "number" && value >= 8 && value <= MAX_ALIGNMENT && Number.isInteger(Math.log2(value))
  );
}

function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

class Reader {
  readonly #bytes: Buffer;
  position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    if (!(length <= this.#bytes.length - this.position)) throw new RangeError("unexpected end of file");
    this.position += length;
    return this.#bytes.subarray(this.position - length, this.position);
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  /** A 64-bit number. @throws RangeError when it exceeds `max`. */
  count(max: number): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(max)) throw new RangeError("a number that is too large");
    return Number(value);
  }

  text(): string {
    return this.take(this.count(this.#bytes.length)).toString("utf8");
  }
}

import { EngineError } from "../../../engine/port.ts";

/**
 * The head of a GGUF file, read as strictly as a file from outside deserves: magic, version 3, the numbers of tensors and
 * of settings, the settings (key, type, value), the tensors (name, shape, type, place), padding. All little-endian.
 */
export interface GgufHead {
  /** Texts and 32-bit numbers; null: a value of another type. */
  settings: ReadonlyMap<string, string | number | null>;
  tensors: readonly GgufTensor[];
  /** Where the tensors' data begins. */
  dataOffset: number;
}

export interface GgufTensor {
  name: string;
  /** Columns first. */
  shape: readonly number[];
  type: TensorType;
  /** From the beginning of the data. */
  offset: number;
  sizeBytes: number;
}

export type TensorType = keyof typeof TENSOR_TYPES;

/** The types an adapter may have. */
export const TENSOR_TYPES = {
  F32: { id: 0, blockItems: 1, blockBytes: 4 },
  F16: { id: 1, blockItems: 1, blockBytes: 2 },
  Q8_0: { id: 8, blockItems: 32, blockBytes: 34 },
  BF16: { id: 30, blockItems: 1, blockBytes: 2 },
} as const;

const VALUE_BYTES: Readonly<Record<number, number>> = {
  ...{ 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 },
};
const [U32, F32, STRING, ARRAY] = [4, 6, 8, 9];
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 4096;
const MAX_SETTINGS = 1_000;
const MAX_TENSORS = 20_000;
/** llama.cpp's own limit. */
const MAX_NAME_BYTES = 63;

/** @throws RangeError when the bytes are no head, or not all of one; EngineError `invalid` for a type of tensor not known here. */
export function parseGgufHead(bytes: Buffer): GgufHead {
  const reader = new Reader(bytes);
  if (reader.take(4).toString("latin1") !== "GGUF") throw new RangeError("another magic");
  if (reader.u32() !== 3) throw new RangeError("another version");
  const tensorCount = reader.count(MAX_TENSORS);
  const settingCount = reader.count(MAX_SETTINGS);
  const settings = new Map<string, string | number | null>();
  for (let i = 0; i < settingCount; i++) {
    const key = reader.text();
    if (key === "" || settings.has(key)) throw new RangeError("a key twice or none");
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
      throw new RangeError("a tensor twice or misplaced");
    names.add(tensor.name);
    tensors.push(tensor);
    offset = padded(offset + tensor.sizeBytes, alignment);
  }
  return { settings, tensors, dataOffset: padded(reader.at, alignment) };
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
  if (shape[0]! % blockItems !== 0) throw new RangeError("rows of broken blocks");
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
      `The file has tensors of a type that is not supported here; ${known} are.`,
    );
  }
  return found;
}

function sizeOf(type: number): number {
  const size = VALUE_BYTES[type];
  if (size === undefined) throw new RangeError("an unknown type of value");
  return size;
}

function isAlignment(value: unknown): value is number {
  return (
    typeof value === "number" && value >= 8 && value <= MAX_ALIGNMENT && Number.isInteger(Math.log2(value))
  );
}

function padded(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

class Reader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    if (!(length <= this.#bytes.length - this.at)) throw new RangeError("the end comes too early");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  /** A 64-bit number, at most `most`. */
  count(most: number): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(most)) throw new RangeError("too large a number");
    return Number(value);
  }

  text(): string {
    return this.take(this.count(this.#bytes.length)).toString("utf8");
  }
}

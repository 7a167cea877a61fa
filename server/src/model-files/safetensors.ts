/**
 * The safetensors format: the header's size (8 bytes), the header (JSON: name → type, shape, offsets), and the tensors'
 * data, little-endian and row by row. Every number in a header is checked before it is used.
 */
import { ModelFileError } from "./errors.ts";
import type { FileBytes } from "./file-bytes.ts";
import { type JsonObject, parseJsonObject, quoted } from "./json.ts";
import { WEIGHT_BYTES, type WeightType } from "./number-formats.ts";

const MAX_HEADER_BYTES = 64 * 1024 ** 2;
const MAX_DIMENSIONS = 8;
/** Longest dimension. The product of two such lengths is still exact in a double. */
const MAX_LENGTH = 2 ** 31 - 1;

/** Sizes in bytes of all types of the format. Weights can have only some of them. */
const TYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

/** Position of a tensor in its file. */
export interface StoredTensor {
  name: string;
  file: FileBytes;
  type: WeightType;
  /** Rows first: numbers that differ in the last index only are adjacent. */
  shape: readonly number[];
  /** From the start of the file. */
  offsetBytes: number;
  sizeBytes: number;
}

/** @throws ModelFileError naming the file, and the tensor if it is about one. */
export async function readSafetensors(file: FileBytes): Promise<StoredTensor[]> {
  const headerBytes = (await file.read(0, 8)).readBigUInt64LE(0);
  if (headerBytes > BigInt(MAX_HEADER_BYTES)) {
    throw new ModelFileError(file.name, "has a header larger than 64 MiB, or is no safetensors file.");
  }
  const header = parseJsonObject(file.name, await file.read(8, Number(headerBytes)));
  const dataStart = 8 + Number(headerBytes);
  const tensors = header
    .keys()
    .filter((name) => name !== "__metadata__")
    .map((name) => parseTensor({ file, name, entry: header.object(name), dataStart }));
  checkContiguous(file, tensors, dataStart);
  return tensors;
}

function parseTensor({
  file,
  name,
  entry,
  dataStart,
}: {
  file: FileBytes;
  name: string;
  entry: JsonObject;
  dataStart: number;
}): StoredTensor {
  const fail = (problem: string) => new ModelFileError(file.name, `the tensor ${quoted(name)} ${problem}`);
  const type = entry.text("dtype");
  const numberBytes = Object.hasOwn(TYPE_BYTES, type) ? TYPE_BYTES[type] : undefined;
  if (numberBytes === undefined) throw fail("is of an unknown type.");
  if (!isWeightType(type)) throw fail(`is of the type ${type}; weights must be F32, F16 or BF16.`);
  const shape = entry.numbers("shape");
  if (shape.length > MAX_DIMENSIONS) throw fail("has too many dimensions.");
  let sizeBytes = numberBytes;
  for (const length of shape) {
    if (!Number.isInteger(length) || length < 0 || length > MAX_LENGTH)
      throw fail("has an impossible shape.");
    sizeBytes *= length;
    if (!Number.isSafeInteger(sizeBytes)) throw fail("has an impossible shape.");
  }
  const offsets = entry.numbers("data_offsets");
  const [start, end] = offsets as [number, number];
  if (offsets.length !== 2 || !Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0) {
    throw fail("has invalid data_offsets.");
  }
  if (end - start !== sizeBytes) throw fail("has data_offsets that don't agree with its type and shape.");
  if (dataStart + end > file.sizeBytes) throw fail("ends beyond the end of the file.");
  return { name, file, type, shape, offsetBytes: dataStart + start, sizeBytes };
}

/**
 * Checks that the tensors follow each other without gaps, as the format requires: none overlap, and no data is hidden.
 */
function checkContiguous(file: FileBytes, tensors: readonly StoredTensor[], dataStart: number): void {
  let end = dataStart;
  for (const tensor of tensors.toSorted(
    (a, b) => a.offsetBytes - b.offsetBytes || a.sizeBytes - b.sizeBytes,
  )) {
    if (tensor.offsetBytes < end)
      throw new ModelFileError(file.name, `the tensor ${quoted(tensor.name)} overlaps another.`);
    if (tensor.offsetBytes > end)
      throw new ModelFileError(file.name, `has a gap before the tensor ${quoted(tensor.name)}.`);
    end += tensor.sizeBytes;
  }
  if (end !== file.sizeBytes) throw new ModelFileError(file.name, "is longer than its header says.");
}

function isWeightType(type: string): type is WeightType {
  return Object.hasOwn(WEIGHT_BYTES, type);
}

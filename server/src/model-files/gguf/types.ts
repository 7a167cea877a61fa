/**
 * The parts of the GGUF format that are used here. A file is little-endian and holds, in order: magic, version, number
 * of tensors, number of metadata pairs, the metadata (key, type, value), the tensors' descriptions, padding, and the
 * tensors' data, each padded to the alignment.
 */

export const GGUF_MAGIC = "GGUF";
export const GGUF_VERSION = 3;
export const ALIGNMENT_BYTES = 32;

/** Types of metadata values; the index is the type's number in the file. */
export const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Tensor types by their number in the file. A tensor is stored in blocks of `block` numbers and `blockBytes` bytes. */
export const TENSOR_KINDS: Readonly<Record<number, { name: string; block: number; blockBytes: number }>> = {
  0: { name: "F32", block: 1, blockBytes: 4 },
  1: { name: "F16", block: 1, blockBytes: 2 },
  2: { name: "Q4_0", block: 32, blockBytes: 18 },
  3: { name: "Q4_1", block: 32, blockBytes: 20 },
  6: { name: "Q5_0", block: 32, blockBytes: 22 },
  7: { name: "Q5_1", block: 32, blockBytes: 24 },
  8: { name: "Q8_0", block: 32, blockBytes: 34 },
  9: { name: "Q8_1", block: 32, blockBytes: 36 },
  10: { name: "Q2_K", block: 256, blockBytes: 84 },
  11: { name: "Q3_K", block: 256, blockBytes: 110 },
  12: { name: "Q4_K", block: 256, blockBytes: 144 },
  13: { name: "Q5_K", block: 256, blockBytes: 176 },
  14: { name: "Q6_K", block: 256, blockBytes: 210 },
  15: { name: "Q8_K", block: 256, blockBytes: 292 },
  16: { name: "IQ2_XXS", block: 256, blockBytes: 66 },
  17: { name: "IQ2_XS", block: 256, blockBytes: 74 },
  18: { name: "IQ3_XXS", block: 256, blockBytes: 98 },
  19: { name: "IQ1_S", block: 256, blockBytes: 50 },
  20: { name: "IQ4_NL", block: 32, blockBytes: 18 },
  21: { name: "IQ3_S", block: 256, blockBytes: 110 },
  22: { name: "IQ2_S", block: 256, blockBytes: 82 },
  23: { name: "IQ4_XS", block: 256, blockBytes: 136 },
  29: { name: "IQ1_M", block: 256, blockBytes: 56 },
  30: { name: "BF16", block: 1, blockBytes: 2 },
  34: { name: "TQ1_0", block: 256, blockBytes: 54 },
  35: { name: "TQ2_0", block: 256, blockBytes: 66 },
  39: { name: "MXFP4", block: 32, blockBytes: 17 },
};

export type WrittenKind = "F32" | "F16" | "Q8_0";
export const KIND_NUMBERS: Readonly<Record<WrittenKind, number>> = { F32: 0, F16: 1, Q8_0: 8 };

export function padded(sizeBytes: number, alignmentBytes = ALIGNMENT_BYTES): number {
  return Math.ceil(sizeBytes / alignmentBytes) * alignmentBytes;
}

/** Number formats of weights: reads them as 32-bit floats, and writes F16 and Q8_0. */

/** Types of weights, by their names in safetensors files. */
export type WeightType = "F32" | "F16" | "BF16";

export const WEIGHT_BYTES: Readonly<Record<WeightType, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Numbers in a block of Q8_0. */
export const Q8_0_BLOCK = 32;
/** A 16-bit scale and 32 numbers of one byte. */
const Q8_0_BLOCK_BYTES = 34;

const word = new DataView(new ArrayBuffer(4));
const HALF_TO_FLOAT = Float32Array.from({ length: 65536 }, (_, half) => halfToFloat(half));

/** Decodes little-endian numbers. */
export function toFloat32(bytes: Buffer, type: WeightType): Float32Array {
  if (type === "F32") {
    const floats = new Float32Array(bytes.length / 4);
    Buffer.from(floats.buffer).set(bytes);
    return floats;
  }
  const halves = new Uint16Array(bytes.length / 2);
  Buffer.from(halves.buffer).set(bytes);
  const floats = new Float32Array(halves.length);
  if (type === "F16") {
    for (let i = 0; i < halves.length; i++) floats[i] = HALF_TO_FLOAT[halves[i] as number] as number;
  } else {
    // A bfloat16 is the upper half of a 32-bit float.
    const words = new Uint32Array(floats.buffer);
    for (let i = 0; i < halves.length; i++) words[i] = (halves[i] as number) << 16;
  }
  return floats;
}

/** @throws RangeError when a value is not finite, or not within ±65504. */
export function toFloat16(floats: Float32Array): Uint16Array {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < words.length; i++) {
    const half = wordToHalf(words[i] as number);
    if ((half & 0x7c00) === 0x7c00)
      throw new RangeError("a value is not a number or beyond the range of F16");
    halves[i] = half;
  }
  return halves;
}

/**
 * Q8_0: stores each block of 32 numbers as integers from −127 to 127 and their scale, the largest magnitude divided by
 * 127.
 * @param floats their count must be a multiple of 32
 * @throws RangeError when a value is not finite, or a scale is beyond the range of F16
 */
export function quantizeQ8_0(floats: Float32Array): Buffer {
  const blocks = floats.length / Q8_0_BLOCK;
  const bytes = Buffer.allocUnsafe(blocks * Q8_0_BLOCK_BYTES);
  for (let block = 0; block < blocks; block++) {
    const from = block * Q8_0_BLOCK;
    let largest = 0;
    let sum = 0;
    for (let i = from; i < from + Q8_0_BLOCK; i++) {
      const value = floats[i] as number;
      sum += value;
      const size = Math.abs(value);
      if (size > largest) largest = size;
    }
    const half = floatToHalf(largest / 127);
    // Comparisons ignore NaN, but a sum with NaN is NaN.
    if ((half & 0x7c00) === 0x7c00 || !Number.isFinite(sum)) {
      throw new RangeError("a value is not a number or beyond the range of Q8_0");
    }
    const at = block * Q8_0_BLOCK_BYTES;
    bytes[at] = half & 0xff;
    bytes[at + 1] = half >> 8;
    const perStep = largest === 0 ? 0 : 127 / largest;
    for (let i = 0; i < Q8_0_BLOCK; i++) {
      const scaled = (floats[from + i] as number) * perStep;
      bytes[at + 2 + i] = (scaled < 0 ? scaled - 0.5 : scaled + 0.5) | 0;
    }
  }
  return bytes;
}

/** Rounds to the nearest 16-bit float, ties to even. A value beyond the range becomes infinity. */
export function floatToHalf(value: number): number {
  word.setFloat32(0, value);
  return wordToHalf(word.getUint32(0));
}

export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** @param bits of a 32-bit float */
function wordToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent >= 143) return sign | 0x7c00 | (exponent === 255 && fraction !== 0 ? 0x200 : 0);
  if (exponent >= 113) {
    // Rounding up can carry out of the fraction. The carry correctly increments the exponent.
    return sign | (((exponent - 112) << 10) + roundedShift(fraction, 13));
  }
  if (exponent < 102) return sign;
  return sign | roundedShift(fraction | 0x800000, 126 - exponent);
}

/** Divides by 2^`shift` and rounds to the nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

import type { FileHandle } from "node:fs/promises";
import { EngineError } from "../../../engine/errors.ts";
import { type GgufTensor, TENSOR_TYPES } from "./gguf-head.ts";

/** A multiple of the block size of every tensor type. */
const CHUNK_BYTES = 34 * 4 * 2 ** 16;

/**
 * Reads a tensor and checks that all of its numbers are finite: one NaN or infinity would spread to all results.
 * @param position of the tensor in the file, in bytes.
 * @throws EngineError `invalid`.
 */
export async function assertFiniteTensor(
  file: FileHandle,
  position: number,
  tensor: GgufTensor,
): Promise<void> {
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, tensor.sizeBytes));
  for (let done = 0; done < tensor.sizeBytes; done += chunk.length) {
    const length = Math.min(chunk.length, tensor.sizeBytes - done);
    const { bytesRead } = await file.read(chunk, 0, length, position + done);
    if (bytesRead < length) throw new EngineError("invalid", "The LoRA's file is cut off.");
    if (!isFiniteChunk(chunk.subarray(0, length), tensor.type)) {
      throw new EngineError("invalid", `The LoRA's weights are damaged: ${tensor.name} has NaN or infinity.`);
    }
  }
}

/** A float is NaN or infinity when all bits of its exponent are set. */
function isFiniteChunk(bytes: Buffer, type: GgufTensor["type"]): boolean {
  const { buffer, byteOffset, length } = bytes;
  if (type === "F32") return !containsExponent(new Uint32Array(buffer, byteOffset, length / 4), 0x7f80_0000);
  if (type === "BF16") return !containsExponent(new Uint16Array(buffer, byteOffset, length / 2), 0x7f80);
  if (type === "F16") return !containsExponent(new Uint16Array(buffer, byteOffset, length / 2), 0x7c00);
  // Q8_0: each block is a 16-bit float, its scale, followed by integers.
  const { blockBytes } = TENSOR_TYPES.Q8_0;
  for (let at = 0; at < length; at += blockBytes) {
    if ((bytes.readUInt16LE(at) & 0x7c00) === 0x7c00) return false;
  }
  return true;
}

function containsExponent(words: Uint16Array | Uint32Array, exponent: number): boolean {
  for (const word of words) if ((word & exponent) === exponent) return true;
  return false;
}

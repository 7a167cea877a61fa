import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { encodeGgufHeader, type GgufKeyValue, type TensorInfo, tensorBytes } from "./header-writer.ts";
import { padded } from "./types.ts";

export interface TensorToWrite extends TensorInfo {
  /** The tensor's encoded numbers, in pieces. */
  data(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface WriteOptions {
  signal: AbortSignal;
  /** Called with the bytes of tensor data written so far, and their total. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Writes the file atomically: under a temporary name, then renamed. Replaces a file at `path`.
 * @throws errors of `data`; the signal's reason
 */
export async function writeGguf(
  path: string,
  { metadata, tensors }: { metadata: readonly GgufKeyValue[]; tensors: readonly TensorToWrite[] },
  options: WriteOptions,
): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    const file = await open(partial, "wx");
    try {
      await file.writeFile(encodeGgufHeader(metadata, tensors));
      await writeTensors(file, tensors, options);
      await file.sync();
    } finally {
      await file.close();
    }
    options.signal.throwIfAborted();
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeTensors(
  file: FileHandle,
  tensors: readonly TensorToWrite[],
  { signal, onProgress }: WriteOptions,
): Promise<void> {
  const totalBytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  let doneBytes = 0;
  for (const tensor of tensors) {
    const endBytes = doneBytes + tensorBytes(tensor);
    for await (const piece of tensor.data()) {
      signal.throwIfAborted();
      await file.writeFile(piece);
      doneBytes += piece.byteLength;
      onProgress?.(doneBytes, totalBytes);
    }
    // The header gives the offsets of all tensors, so a wrong size would corrupt every tensor after this one.
    if (doneBytes !== endBytes) throw new Error(`the tensor ${tensor.name} has another size than planned`);
    const size = tensorBytes(tensor);
    await file.writeFile(Buffer.alloc(padded(size) - size));
  }
}

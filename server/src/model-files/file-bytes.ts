import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { ModelFileError } from "./errors.ts";

/**
 * A regular file that is read by ranges. Checks every range against the file's size, because offsets in uploads can be
 * wrong.
 */
export class FileBytes {
  /** Name for error messages. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly #handle: FileHandle;

  private constructor(name: string, sizeBytes: number, handle: FileHandle) {
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
  }

  /** @throws ModelFileError when there is no such file, or it is a link, a folder or a device. */
  static async open(folder: string, name: string): Promise<FileBytes> {
    const file = await openNoFollow(join(folder, plainName(name)), name);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw new ModelFileError(name, "is not a regular file.");
      return new FileBytes(name, info.size, file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** @throws ModelFileError when the range is not within the file. */
  async read(offset: number, lengthBytes: number): Promise<Buffer> {
    const end = offset + lengthBytes;
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(end) || offset < 0 || lengthBytes < 0) {
      throw new ModelFileError(this.name, "has an offset that is out of range.");
    }
    if (end > this.sizeBytes) throw new ModelFileError(this.name, "is shorter than its header says.");
    const buffer = Buffer.allocUnsafe(lengthBytes);
    for (let done = 0; done < lengthBytes; ) {
      const { bytesRead } = await this.#handle.read(buffer, done, lengthBytes - done, offset + done);
      if (bytesRead === 0) throw new ModelFileError(this.name, "became shorter while it was read.");
      done += bytesRead;
    }
    return buffer;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Reads a whole file. @throws ModelFileError when it is missing or larger than `maxBytes`. */
export async function readSmallFile(folder: string, name: string, maxBytes: number): Promise<Buffer> {
  const file = await FileBytes.open(folder, name);
  try {
    if (file.sizeBytes > maxBytes) {
      throw new ModelFileError(name, `is larger than the ${maxBytes} bytes that such a file may have.`);
    }
    return await file.read(0, file.sizeBytes);
  } finally {
    await file.close();
  }
}

/** Returns `name`. @throws ModelFileError when it is not a plain file name: it could lead out of the folder. */
export function plainName(name: string): string {
  if (!/^[^/\\\0]{1,255}$/.test(name) || name === "." || name === "..") {
    throw new ModelFileError(JSON.stringify(name.slice(0, 100)), "is not a plain file name.");
  }
  return name;
}

async function openNoFollow(path: string, name: string): Promise<FileHandle> {
  try {
    // O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new ModelFileError(name, "is missing.");
    if (code === "ELOOP") throw new ModelFileError(name, "is a symbolic link.");
    throw error;
  }
}

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

export async function sha256OfFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest("hex");
}

/** Brings a file's bytes to the disk, so that a power cut can't leave a name without its content. */
export async function flushToDisk(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Notes beside a file that its checksum was right, so that starting doesn't read gigabytes again. The note counts
 * as long as the file's size and time of change are the same. In a read-only cache there is none.
 */
export async function markVerified(path: string): Promise<void> {
  await writeFile(`${path}.verified`, await fingerprint(path)).catch(() => {});
}

export async function isMarkedVerified(path: string): Promise<boolean> {
  try {
    return (await readFile(`${path}.verified`, "utf8")) === (await fingerprint(path));
  } catch {
    return false;
  }
}

async function fingerprint(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path);
  return `${JSON.stringify({ size, mtimeMs, ino })}\n`;
}

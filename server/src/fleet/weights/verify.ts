import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

export async function sha256OfFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest("hex");
}

/** Flushes a file to the disk, so that a power cut after the rename can't leave an empty file under the final name. */
export async function flushToDisk(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Writes a mark beside a file whose checksum was right, so that the next start doesn't read gigabytes again. The mark is
 * valid while the file's size and modification time are unchanged. In a read-only cache no mark is written.
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

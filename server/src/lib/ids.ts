import { randomBytes, randomFillSync } from "node:crypto";

const pool = Buffer.alloc(16 * 256);
let used = pool.length;

/**
 * 16 random bytes from a pool, which saves a system call for most identifiers. Use the slice at once: the pool is
 * reused.
 */
function random16(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

/**
 * A UUID version 7 (RFC 9562 §5.7) as 32 hex digits without hyphens: 48 bits of Unix milliseconds, then random.
 * Ids sort by time, so inserts go to the end of a primary-key index.
 */
export function uuidv7Hex(nowMs: number): string {
  const bytes = random16();
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytes.toString("hex");
}

/** A new API key: `fw_` and 32 random bytes (256 bits) in base64url, 46 characters in all. */
export function newApiKey(): string {
  return `fw_${randomBytes(32).toString("base64url")}`;
}

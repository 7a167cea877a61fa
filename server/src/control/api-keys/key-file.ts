import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

const KEY = /^fw_[A-Za-z0-9_-]{16,253}$/;

/**
 * Reads the key file.
 * @returns null when the file doesn't exist.
 * @throws Error with one line when it contains no key.
 */
export function readKeyFile(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const key = text.trim();
  if (!KEY.test(key)) throw new Error(`${path} holds no API key; delete it to get a new one.`);
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  return key;
}

/**
 * Writes the key file atomically, readable only by its owner from the start. If another process has created the file in
 * the meantime, its key stays.
 * @returns the key in the file.
 */
export function writeKeyFile(path: string, key: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.${randomBytes(6).toString("hex")}`;
  const file = openSync(partial, "wx", 0o600);
  try {
    writeSync(file, `${key}\n`);
    fsyncSync(file);
    linkSync(partial, path);
    return key;
  } catch (error) {
    const first = (error as NodeJS.ErrnoException).code === "EEXIST" ? readKeyFile(path) : null;
    if (first === null) throw error;
    return first;
  } finally {
    closeSync(file);
    rmSync(partial, { force: true });
  }
}

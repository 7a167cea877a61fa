import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  formatIdentity,
  type ProcessIdentity,
  parseIdentity,
  processState,
} from "../../platform/process/identity.ts";
import { encodedId } from "./record.ts";
import { closedRows, parseSegment } from "./segment.ts";
import { OWNER_FILE } from "./spool.ts";

/** A process on another host counts as dead when its owner file was not touched for this long. */
const SILENCE_LIMIT_MS = 60_000;

/** The spool of a dead process, adopted by this one. */
export interface OrphanedSpool {
  folder: string;
  sizeBytes: number;
}

/**
 * Adopts the spools of dead processes: renames each folder, which succeeds for only one process, and writes this
 * process's identity to the owner file.
 */
export async function adoptOrphanedSpools(options: {
  /** Folder of all processes' spools. */
  root: string;
  /** Name of this process's folder in `root`. */
  ownName: string;
  identity: ProcessIdentity;
  /** Wall clock. */
  nowMs: number;
}): Promise<OrphanedSpool[]> {
  const { root, ownName, identity, nowMs } = options;
  const adopted: OrphanedSpool[] = [];
  for (const name of await readdir(root)) {
    const folder = join(root, name);
    if (name === ownName || !(await isAbandoned(folder, nowMs))) continue;
    const adoptedFolder = join(root, `${ownName}-adopted-${randomBytes(4).toString("hex")}`);
    try {
      await rename(folder, adoptedFolder);
      // Replace the owner file atomically: a half-written one names no process, and the folder would have to time out.
      const ownerFile = join(adoptedFolder, `${OWNER_FILE}-${randomBytes(4).toString("hex")}`);
      await writeFile(ownerFile, formatIdentity(identity));
      await rename(ownerFile, join(adoptedFolder, OWNER_FILE));
      adopted.push({ folder: adoptedFolder, sizeBytes: await folderSizeBytes(adoptedFolder) });
    } catch (error) {
      // Another process adopted the folder first.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return adopted;
}

async function isAbandoned(folder: string, nowMs: number): Promise<boolean> {
  const ownerFile = join(folder, OWNER_FILE);
  // A process creates its folder before the owner file. A folder without one is new, or its process died in between.
  const text = await readFile(ownerFile, "utf8").catch(() => null);
  const owner = text === null ? null : parseIdentity(text);
  const state = owner === null ? "unknown" : processState(owner);
  if (state !== "unknown") return state === "dead";
  const stats = await stat(text === null ? folder : ownerFile).catch(() => null);
  return stats !== null && nowMs - stats.mtimeMs > SILENCE_LIMIT_MS;
}

async function folderSizeBytes(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

export interface ReplayResult {
  rows: number;
  tornBytes: number;
}

/**
 * Passes every row of a dead process's spool to `insert`: first the closed requests, then the requests that were still
 * open, in their last known state. Then deletes the folder. Idempotent, also after an interruption, as `insert` is.
 * @returns null when another process adopted the folder in the meantime.
 */
export async function replayOrphanedSpool(
  folder: string,
  insert: (rows: readonly string[]) => Promise<void>,
): Promise<ReplayResult | null> {
  try {
    return await replay(folder, insert);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function replay(
  folder: string,
  insert: (rows: readonly string[]) => Promise<void>,
): Promise<ReplayResult> {
  const result = { tornBytes: 0, rows: 0 };
  const open = new Map<string, string>();
  const segments = (await readdir(folder)).filter((name) => name.endsWith(".spool")).sort();
  for (const name of segments) {
    const { lines, tornBytes } = parseSegment(await readFile(join(folder, name)));
    const closed: string[] = [];
    for (const line of lines) {
      const record = line.slice(1);
      if (line.startsWith("o")) {
        open.set(encodedId(record), record);
      } else {
        open.delete(encodedId(record));
        closed.push(record);
      }
    }
    await insert(closed);
    result.tornBytes += tornBytes;
    result.rows += closed.length;
  }
  await insert([...open.values()]);
  result.rows += open.size;
  // Delete the oldest segment first. After a crash in between, the rest must not show a request as open when the
  // segment with its end is gone.
  for (const name of segments) await rm(join(folder, name), { force: true });
  await rm(folder, { recursive: true, force: true });
  return result;
}

/** Reads the closed rows of one of this process's segments. */
export async function readClosedRows(path: string): Promise<string[]> {
  return closedRows(parseSegment(await readFile(path)).lines);
}

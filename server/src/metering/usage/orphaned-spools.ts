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

/** Processes of other hosts touch their owner file; one that hasn't for so long is dead. */
const SILENCE_LIMIT_MS = 60_000;

/** A dead process's spool that is ours now. */
export interface OrphanedSpool {
  folder: string;
  sizeBytes: number;
}

/**
 * Takes over the spools of dead processes: each is renamed, which only one process can do, and signed with our
 * identity.
 */
export async function adoptOrphanedSpools(
  root: string,
  ownName: string,
  identity: ProcessIdentity,
  nowMs: number,
): Promise<OrphanedSpool[]> {
  const adopted: OrphanedSpool[] = [];
  for (const name of await readdir(root)) {
    const folder = join(root, name);
    if (name === ownName || !(await isAbandoned(folder, nowMs))) continue;
    const taken = join(root, `${ownName}-adopted-${randomBytes(4).toString("hex")}`);
    try {
      await rename(folder, taken);
      // In one step: half a signature would be nobody's, and the folder would wait for its time to run out.
      const signature = join(taken, `${OWNER_FILE}-${randomBytes(4).toString("hex")}`);
      await writeFile(signature, formatIdentity(identity));
      await rename(signature, join(taken, OWNER_FILE));
      adopted.push({ folder: taken, sizeBytes: await folderSizeBytes(taken) });
    } catch (error) {
      // Another process was first.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return adopted;
}

async function isAbandoned(folder: string, nowMs: number): Promise<boolean> {
  const ownerFile = join(folder, OWNER_FILE);
  // A process makes the folder, then the file: without one it has only just begun, or died between the two.
  const text = await readFile(ownerFile, "utf8").catch(() => null);
  const owner = text === null ? null : parseIdentity(text);
  const state = owner === null ? "unknown" : processState(owner);
  if (state !== "unknown") return state === "dead";
  const seen = await stat(text === null ? folder : ownerFile).catch(() => null);
  return seen !== null && nowMs - seen.mtimeMs > SILENCE_LIMIT_MS;
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
 * Hands every row of a dead process's spool to `insert`: the closed ones, then those that were still open, as they
 * were last seen. Deletes the folder after that. Doing it twice, or halfway and again, does no harm.
 * Null when another process has taken the folder meanwhile.
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
  // From the oldest on: whoever finds the rest after a crash must not see a request open whose end is gone.
  for (const name of segments) await rm(join(folder, name), { force: true });
  await rm(folder, { recursive: true, force: true });
  return result;
}

/** The closed rows of one of our own segments. */
export async function readClosedRows(path: string): Promise<string[]> {
  return closedRows(parseSegment(await readFile(path)).lines);
}

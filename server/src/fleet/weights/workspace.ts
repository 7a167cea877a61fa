import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { formatIdentity, ownIdentity, parseIdentity, processState } from "../../platform/process/identity.ts";

/**
 * A folder for one attempt to fetch a file. It belongs to one process at a time, so that several processes can fetch the
 * same file at once. A process takes over the folder of a dead owner with the partial download in it.
 */
export interface Workspace {
  dir: string;
  /** The partial download, which a later attempt continues. */
  partialPath: string;
}

const PREFIX = "partial-";
/** A folder whose owner runs in another container counts as abandoned when nothing was written for this long. */
const UNSEEN_OWNER_MS = 60 * 60 * 1000;

/** Takes over the abandoned folder with the longest download and removes the others, or creates a folder. */
export async function openWorkspace(parent: string, clock: Clock): Promise<Workspace> {
  await mkdir(parent, { recursive: true });
  const abandoned = await findAbandoned(parent, clock);
  const workspace = newWorkspace(parent);
  let taken = false;
  for (const { dir } of abandoned) {
    // When several processes try, the rename succeeds in one of them.
    if (!taken && (await succeeds(rename(dir, workspace.dir)))) taken = true;
    else await rm(dir, { recursive: true, force: true });
  }
  if (!taken) await mkdir(workspace.dir);
  await writeFile(join(workspace.dir, "owner.json"), formatIdentity(ownIdentity()));
  return workspace;
}

/** Keeps the folder only when a later attempt can continue the download in it. */
export async function closeWorkspace(workspace: Workspace): Promise<void> {
  if ((await sizeOf(workspace.partialPath)) === 0) await rm(workspace.dir, { recursive: true, force: true });
}

/** 0 when there is no such file. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

function newWorkspace(parent: string): Workspace {
  const dir = join(parent, `${PREFIX}${randomUUID()}`);
  return { dir, partialPath: join(dir, "data") };
}

/** Abandoned folders, the longest download first. */
async function findAbandoned(parent: string, clock: Clock): Promise<{ dir: string; sizeBytes: number }[]> {
  const found: { dir: string; sizeBytes: number }[] = [];
  for (const name of await readdir(parent)) {
    const dir = join(parent, name);
    if (name.startsWith(PREFIX) && (await isAbandoned(dir, clock))) {
      found.push({ dir, sizeBytes: await sizeOf(join(dir, "data")) });
    }
  }
  return found.sort((a, b) => b.sizeBytes - a.sizeBytes);
}

async function isAbandoned(dir: string, clock: Clock): Promise<boolean> {
  const owner = parseIdentity(await readFile(join(dir, "owner.json"), "utf8").catch(() => ""));
  const state = owner === null ? "unknown" : processState(owner);
  // One process makes one attempt at a time, and so a folder with its own id is from an earlier attempt.
  if (state === "alive") return formatIdentity(owner!) === formatIdentity(ownIdentity());
  if (state === "dead") return true;
  const touched = await Promise.all([stat(join(dir, "data")).catch(() => null), stat(dir).catch(() => null)]);
  const lastMs = Math.max(...touched.map((stats) => stats?.mtimeMs ?? 0));
  return clock.now() - lastMs > UNSEEN_OWNER_MS;
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch {
    return false;
  }
}

import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renameDurably } from "../../../platform/blobs/disk.ts";
import {
  formatIdentity,
  ownIdentity,
  parseIdentity,
  processState,
} from "../../../platform/process/identity.ts";

/**
 * Age at which a folder is removed although its owner's state is unknown, because the owner ran on another host or
 * before a reboot.
 */
const UNKNOWN_OWNER_MAX_AGE_MS = 24 * 3_600_000;
const OWNER_FILE = "owner.json";

/**
 * Holds files while they are written. Each process writes to its own subfolder, which names the process, so that
 * another process can recognise and remove the subfolders of killed ones.
 */
export class StagingDir {
  readonly #folder: string;
  readonly #ownFolder: string;
  #opening: Promise<void> | null = null;

  /** @param folder absolute path, shared by all processes */
  constructor(folder: string) {
    this.#folder = folder;
    this.#ownFolder = join(folder, randomUUID());
  }

  /** Moves the file that `writeContent` writes to `path` once it is complete. */
  async write(path: string, writeContent: (partial: string) => Promise<void>): Promise<void> {
    this.#opening ??= this.#open();
    await this.#opening;
    const partial = join(this.#ownFolder, randomUUID());
    try {
      await writeContent(partial);
      await renameDurably(partial, path);
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Removes the subfolders of killed processes. */
  async sweep(nowMs: number): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const folder = join(this.#folder, name);
      if (await isOrphaned(folder, nowMs)) await rm(folder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    await rm(this.#ownFolder, { recursive: true, force: true });
  }

  async #open(): Promise<void> {
    await mkdir(this.#ownFolder, { recursive: true, mode: 0o700 });
    await writeFile(join(this.#ownFolder, OWNER_FILE), formatIdentity(ownIdentity()));
  }
}

async function isOrphaned(folder: string, nowMs: number): Promise<boolean> {
  const owner = parseIdentity(await readFile(join(folder, OWNER_FILE), "utf8").catch(() => ""));
  const state = owner === null ? "unknown" : processState(owner);
  if (state !== "unknown") return state === "dead";
  const info = await stat(folder).catch(() => null);
  return info !== null && nowMs - info.mtimeMs > UNKNOWN_OWNER_MAX_AGE_MS;
}

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

/** What nobody can say more of is left behind when it is this old: its owner was on another host, or before a reboot. */
const UNSEEN_OWNER_MS = 24 * 3_600_000;
const OWNER_FILE = "owner.json";

/** Where files are made before they are whole: each process in a folder of its own, so that a killed one's is known as such. */
export class StagingDir {
  readonly #folder: string;
  readonly #ownFolder: string;
  #opening: Promise<void> | null = null;

  /** @param folder absolute; for all processes that share it. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#ownFolder = join(folder, randomUUID());
  }

  /** Has `make` write a file, and puts it in its place once it is whole. */
  async write(path: string, make: (partial: string) => Promise<void>): Promise<void> {
    this.#opening ??= this.#open();
    await this.#opening;
    const partial = join(this.#ownFolder, randomUUID());
    try {
      await make(partial);
      await renameDurably(partial, path);
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Removes what killed processes have left. */
  async sweep(nowMs: number): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const folder = join(this.#folder, name);
      if (await isLeftBehind(folder, nowMs)) await rm(folder, { recursive: true, force: true });
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

async function isLeftBehind(folder: string, nowMs: number): Promise<boolean> {
  const owner = parseIdentity(await readFile(join(folder, OWNER_FILE), "utf8").catch(() => ""));
  const state = owner === null ? "unknown" : processState(owner);
  if (state !== "unknown") return state === "dead";
  const changed = await stat(folder).catch(() => null);
  return changed !== null && nowMs - changed.mtimeMs > UNSEEN_OWNER_MS;
}

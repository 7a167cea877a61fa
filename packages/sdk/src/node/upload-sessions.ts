import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileError, type LocalFile } from "./files.ts";

/** Where a file's bytes go. */
export interface UploadSession {
  url: string;
  /** Whether the store takes the file in pieces and says how far it is. */
  isResumable: boolean;
}

interface Saved extends UploadSession {
  path: string;
  sizeBytes: number;
  modifiedMs: number;
}

/**
 * UploadSessions of uploads that have not ended, kept in a file for the next process. They are rights to upload, so the file is
 * for its owner alone.
 */
export class UploadSessions {
  readonly #file: string | null;
  #saved: Record<string, Saved> = {};
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string | null) {
    this.#file = file;
  }

  /** @param folder null: nothing is kept. @param target names the upload's target, so that another one finds nothing */
  static async open(
    folder: string | null = join(homedir(), ".fireworks", "uploads"),
    target: readonly string[],
  ): Promise<UploadSessions> {
    const digest = createHash("sha256").update(JSON.stringify(target)).digest("hex").slice(0, 32);
    const sessions = new UploadSessions(folder === null ? null : join(folder, `${digest}.json`));
    await sessions.#load();
    return sessions;
  }

  /** Of the same, unchanged file. */
  get(file: LocalFile): UploadSession | null {
    const saved = this.#saved[file.name];
    const isSame =
      saved?.path === file.path && saved.sizeBytes === file.sizeBytes && saved.modifiedMs === file.modifiedMs;
    return isSame ? saved : null;
  }

  async set({ name, path, sizeBytes, modifiedMs }: LocalFile, session: UploadSession): Promise<void> {
    this.#saved[name] = { ...session, path, sizeBytes, modifiedMs };
    await this.#write();
  }

  async delete(file: LocalFile): Promise<void> {
    delete this.#saved[file.name];
    await this.#write();
  }

  /** The upload has ended. */
  async clear(): Promise<void> {
    await this.#writing;
    if (this.#file !== null) await rm(this.#file, { force: true });
  }

  async #load(): Promise<void> {
    if (this.#file === null) return;
    try {
      const saved: unknown = JSON.parse(await readFile(this.#file, "utf8"));
      if (typeof saved === "object" && saved !== null) this.#saved = saved as Record<string, Saved>;
    } catch {
      // Without it, files are sent from their beginnings.
    }
  }

  #write(): Promise<void> {
    const file = this.#file;
    if (file === null) return Promise.resolve();
    this.#writing = this.#writing.then(async () => {
      try {
        await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
        await writeFile(`${file}.new`, JSON.stringify(this.#saved), { mode: 0o600 });
        await rename(`${file}.new`, file);
      } catch (error) {
        throw fileError(file, error);
      }
    });
    return this.#writing;
  }
}

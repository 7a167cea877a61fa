import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileError, type LocalFile } from "./files.ts";

/** The URL that a file's bytes are sent to. */
export interface UploadSession {
  url: string;
  /** Whether the store accepts a file in several requests and reports how many bytes have arrived. */
  isResumable: boolean;
}

interface Saved extends UploadSession {
  path: string;
  sizeBytes: number;
  modifiedMs: number;
}

/**
 * The sessions of unfinished uploads, kept in a file so that another process can resume them. A session grants the right to
 * upload, so only the owner may read the file.
 */
export class UploadSessions {
  readonly #file: string | null;
  #saved: Record<string, Saved> = {};
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string | null) {
    this.#file = file;
  }

  /**
   * @param folder null: sessions are kept in memory only
   * @param target identifies the target of the upload; each target has a file of its own
   */
  static async open(
    folder: string | null = join(homedir(), ".fireworks", "uploads"),
    target: readonly string[],
  ): Promise<UploadSessions> {
    const digest = createHash("sha256").update(JSON.stringify(target)).digest("hex").slice(0, 32);
    const sessions = new UploadSessions(folder === null ? null : join(folder, `${digest}.json`));
    await sessions.#load();
    return sessions;
  }

  /** The session of this file; null if there is none or the file has changed since. */
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

  /** Deletes the file once the upload is complete. */
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
      // A missing or broken file only means that uploads start from the beginning.
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

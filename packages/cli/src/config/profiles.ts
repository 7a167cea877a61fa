import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CliError, UsageError } from "../errors.ts";
import { readIni, withValues } from "./ini.ts";

/** The stored settings of a profile; null: not stored. */
export interface Profile {
  apiKey: string | null;
  /** The host that the key is for. */
  apiBase: string | null;
  accountId: string | null;
}

export const DEFAULT_PROFILE = "default";
/** The largest file that is read. */
const MAX_FILE_BYTES = 1_000_000;

/**
 * `~/.fireworks/auth.ini`, with a section for each profile. The default profile is in section `[fireworks]`, which Fireworks'
 * own tools read too.
 */
export class ProfileFile {
  readonly path: string;
  readonly #folder: string;

  constructor(home: string) {
    this.#folder = join(home, ".fireworks");
    this.path = join(this.#folder, "auth.ini");
  }

  /** Reads a profile; null if there is none of that name. @throws CliError when the file is too large */
  async read(name: string): Promise<Profile | null> {
    const sections = readIni(await this.#text());
    const names = name === DEFAULT_PROFILE ? ["fireworks", "default", ""] : [name];
    const found = names.map((one) => sections.get(one)).filter((values) => values !== undefined);
    if (found.length === 0) return null;
    const value = (key: string): string | null =>
      found.map((values) => values.get(key)).find((text) => text !== undefined && text !== "") ?? null;
    return { apiKey: value("api_key"), apiBase: value("api_base"), accountId: value("account_id") };
  }

  /** Writes a profile. Only the owner may read the file. It is replaced by a rename, so readers never see half a file. */
  async write(name: string, { apiKey, apiBase, accountId }: Profile): Promise<void> {
    const section = name === DEFAULT_PROFILE ? "fireworks" : name;
    const values = { api_key: apiKey, account_id: accountId, api_base: apiBase };
    const text = withValues(await this.#text(), section, values);
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const partial = `${this.path}.${randomBytes(6).toString("hex")}`;
    try {
      const file = await open(partial, "wx", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(partial, this.path);
    } finally {
      await rm(partial, { force: true });
    }
  }

  async #text(): Promise<string> {
    try {
      const bytes = await readFile(this.path);
      if (bytes.length <= MAX_FILE_BYTES) return bytes.toString("utf8");
      throw new CliError(
        `${this.path} is too large to be a file of profiles.`,
        "Delete it and sign in again.",
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      // If a folder is in its place, Node's error lacks the path: add it.
      throw error instanceof Error ? Object.assign(error, { path: this.path }) : error;
    }
  }
}

/** @throws UsageError for a name that can't be a section of the file */
export function checkProfileName(name: string): string {
  if (/^[A-Za-z0-9][\w.-]{0,62}$/.test(name) && name !== "fireworks") return name;
  throw new UsageError(
    `--profile must have 1 to 63 letters, digits, "-", "_" and ".", and not be "fireworks".`,
  );
}

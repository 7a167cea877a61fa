import type { Flag } from "../args/flags.ts";
import type { Context } from "./context.ts";

export interface Argument {
  readonly name: string;
  readonly isOptional?: boolean;
  /** What a shell completes it with. */
  readonly completes?: "files" | "folders" | readonly string[];
}

/** What `firectl` can do, as data; what does it is loaded when it is wanted. */
export interface Command {
  /** Each word with its other names: `[["create"], ["model", "models"]]`. */
  readonly words: readonly (readonly string[])[];
  /** A sentence. */
  readonly summary: string;
  readonly args: readonly Argument[];
  readonly flags: readonly Flag[];
  /** Whole command lines. */
  readonly examples: readonly string[];
  /** It has no request that `--dry-run` could show. */
  readonly isLocal?: boolean;
  load(): Promise<Run>;
}

/** @throws CliError, errors of the SDK and of the file system */
export type Run = (context: Context) => Promise<void>;

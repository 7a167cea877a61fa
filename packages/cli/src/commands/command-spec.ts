import type { Flag } from "../args/flags.ts";

export interface Argument {
  readonly name: string;
  readonly isOptional?: boolean;
  /** The candidates of the shell completion: files, folders or these words. Absent: none. */
  readonly completes?: "files" | "folders" | readonly string[];
}

/** The command line of a command, as data. */
export interface CommandSpec {
  /** Each word with its aliases: `[["create"], ["model", "models"]]`. */
  readonly words: readonly (readonly string[])[];
  /** One sentence for the help. */
  readonly summary: string;
  readonly args: readonly Argument[];
  readonly flags: readonly Flag[];
  /** Whole command lines. */
  readonly examples: readonly string[];
  /** The command sends no request that `--dry-run` could show. */
  readonly isLocal?: boolean;
}

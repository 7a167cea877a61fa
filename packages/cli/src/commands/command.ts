import type { CommandSpec } from "./command-spec.ts";
import type { Context } from "./context.ts";

/** A command that `firectl` can run. */
export interface Command extends CommandSpec {
  /** Imports the command's code only when it is needed, so that `firectl` starts quickly. */
  load(): Promise<Run>;
}

/** @throws CliError, errors of the SDK and of the file system */
export type Run = (context: Context) => Promise<void>;

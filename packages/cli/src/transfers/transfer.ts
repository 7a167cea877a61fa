import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BadRequestError, ConnectionError, ServerError } from "@hearth/sdk";
import type { TransferOptions, TransferProgress } from "@hearth/sdk/node";
import type { Context } from "../commands/context.ts";
import { CliError, Interrupted } from "../errors.ts";
import { flagOf } from "../explain-error.ts";
import { ProgressBar } from "./progress-bar.ts";

/** The folder for sessions of unfinished uploads; null if it can't be written, as in a container without a home folder. */
export async function uploadState({ processContext, out, isDryRun }: Context): Promise<string | null> {
  if (isDryRun) return null;
  const folder = join(processContext.home, ".fireworks", "uploads");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
    return folder;
  } catch {
    await out.notice(`${folder} can't be written: an upload that is interrupted begins again.`);
    return null;
  }
}

const HOW_TO_RESUME = {
  Uploading: "What has arrived is kept: run the same command again to go on.",
  Downloading: "Files that are whole stay; run the same command again for the others.",
} as const;

/** Runs a transfer with a progress bar. @throws Interrupted or CliError that says how to resume an unfinished transfer */
export async function transfer<T>(
  context: Context,
  verb: "Uploading" | "Downloading",
  move: (options: TransferOptions) => Promise<T>,
): Promise<T> {
  const { processContext, isQuiet } = context;
  const bar = new ProgressBar(processContext, verb, isQuiet);
  let hasMoved = false;
  const onProgress = (progress: TransferProgress): void => {
    hasMoved ||= progress.doneBytes > 0;
    bar.onProgress(progress);
  };
  try {
    const moved = await move({ signal: processContext.signal, onProgress });
    await bar.end();
    return moved;
  } catch (error) {
    await bar.end();
    if (processContext.signal.aborted) throw new Interrupted(HOW_TO_RESUME[verb]);
    if (hasMoved && (error instanceof ConnectionError || error instanceof ServerError))
      throw new CliError(error.message, HOW_TO_RESUME[verb]);
    const isAboutFiles =
      error instanceof BadRequestError && flagOf(context.command, error.param) === undefined;
    if (verb === "Uploading" && isAboutFiles) {
      throw new CliError(error.message, "Mend the files and run the same command again.");
    }
    throw error;
  }
}

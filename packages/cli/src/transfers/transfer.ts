import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BadRequestError, ConnectionError, ServerError } from "@hearth/sdk";
import type { TransferOptions, TransferProgress } from "@hearth/sdk/node";
import type { Context } from "../commands/context.ts";
import { CliError, Interrupted } from "../errors.ts";
import { flagOf } from "../explain-error.ts";
import { ProgressBar } from "./progress-bar.ts";

/** Where it is kept how far uploads are; null where nothing can be written, as in a container without a home. */
export async function uploadState({ processContext, out, isDryRun }: Context): Promise<string | null> {
  if (isDryRun) return null;
  const folder = join(processContext.home, ".fireworks", "uploads");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
    return folder;
  } catch {
    await out.notice(`Nothing can be kept in ${folder}: an upload that is interrupted begins again.`);
    return null;
  }
}

const HOW_TO_GO_ON = {
  Uploading: "What has arrived is kept: run the same command again to go on.",
  Downloading: "Files that are whole stay; run the same command again for the others.",
} as const;

/** Moves files with a bar; what has moved is kept when it is interrupted. */
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
    if (processContext.signal.aborted) throw new Interrupted(HOW_TO_GO_ON[verb]);
    if (hasMoved && (error instanceof ConnectionError || error instanceof ServerError))
      throw new CliError(error.message, HOW_TO_GO_ON[verb]);
    const isOfFiles = error instanceof BadRequestError && flagOf(context.command, error.param) === undefined;
    if (verb === "Uploading" && isOfFiles) {
      throw new CliError(error.message, "Mend the files and run the same command again.");
    }
    throw error;
  }
}

import { join } from "node:path";
import { BadRequestError, ConnectionError, ServerError } from "@hearth/sdk";
import type { TransferOptions, TransferProgress } from "@hearth/sdk/node";
import type { Context } from "../commands/context.ts";
import { CliError, Interrupted } from "../errors.ts";
import { flagOf } from "../explain.ts";
import { TransferBar } from "./bar.ts";

/** Where it is kept how far uploads are. */
export function uploadState({ world }: Context): string {
  return join(world.home, ".fireworks", "uploads");
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
  const { world, isQuiet } = context;
  const bar = new TransferBar(world, verb, isQuiet);
  let hasMoved = false;
  const onProgress = (progress: TransferProgress): void => {
    hasMoved ||= progress.doneBytes > 0;
    bar.onProgress(progress);
  };
  try {
    const moved = await move({ signal: world.signal, onProgress });
    await bar.end();
    return moved;
  } catch (error) {
    await bar.end();
    if (world.signal.aborted) throw new Interrupted(HOW_TO_GO_ON[verb]);
    if (hasMoved && (error instanceof ConnectionError || error instanceof ServerError))
      throw new CliError(error.message, HOW_TO_GO_ON[verb]);
    const isOfFiles = error instanceof BadRequestError && flagOf(context.command, error.param) === undefined;
    if (verb === "Uploading" && isOfFiles) {
      throw new CliError(error.message, "Mend the files and run the same command again.");
    }
    throw error;
  }
}

import { join } from "node:path";
import { BadRequestError } from "@hearth/sdk";
import type { TransferOptions } from "@hearth/sdk/node";
import type { Context } from "../commands/context.ts";
import { CliError, Interrupted } from "../errors.ts";
import { flagOf } from "../explain.ts";
import { TransferBar } from "./bar.ts";

/** Where it is kept how far uploads are. */
export function uploadState({ world }: Context): string {
  return join(world.home, ".fireworks", "uploads");
}

/** Moves files with a bar; what has moved is kept when it is interrupted. */
export async function transfer<T>(
  context: Context,
  verb: "Uploading" | "Downloading",
  move: (options: TransferOptions) => Promise<T>,
): Promise<T> {
  const { world, isQuiet } = context;
  const bar = new TransferBar(world, verb, isQuiet);
  try {
    const moved = await move({ signal: world.signal, onProgress: bar.onProgress });
    await bar.end();
    return moved;
  } catch (error) {
    await bar.end();
    if (world.signal.aborted) throw interrupted(verb);
    const isOfFiles = error instanceof BadRequestError && flagOf(context.command, error.param) === undefined;
    if (verb === "Uploading" && isOfFiles) {
      throw new CliError(error.message, "Mend the files and run the same command again.");
    }
    throw error;
  }
}

function interrupted(verb: "Uploading" | "Downloading"): Interrupted {
  return new Interrupted(
    verb === "Uploading"
      ? "What has arrived is kept: run the same command again to go on."
      : "Files that are whole stay; run the same command again for the others.",
  );
}

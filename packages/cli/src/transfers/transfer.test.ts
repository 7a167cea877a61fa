import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConnectionError } from "@hearth/sdk";
import type { TransferOptions } from "@hearth/sdk/node";
import { expect, test } from "vitest";
import type { Context } from "../commands/context.ts";
import { tempFolder } from "../testing.ts";
import { transfer, uploadState } from "./transfer.ts";

const BROKEN = new ConnectionError("The connection to http://host broke.");

test("an upload works without a writable home, and no session is kept", async () => {
  let notice = "";
  const out = {
    async notice(text: string) {
      notice = text;
    },
  };
  const keeping = (home: string) => uploadState({ processContext: { home }, out } as unknown as Context);
  const home = tempFolder();
  expect(await keeping(home)).toBe(join(home, ".fireworks/uploads"));
  expect(statSync(join(home, ".fireworks/uploads")).mode & 0o777).toBe(0o700);
  writeFileSync(join(home, "file"), "");
  expect(await keeping(join(home, "file"))).toBeNull();
  expect(notice).toContain("an upload that is interrupted begins again.");
});

/** The error of a transfer that loses its connection after `doneBytes`. */
async function ended(verb: "Uploading" | "Downloading", doneBytes: number): Promise<unknown> {
  const stderr = { isTerminal: false, columns: 80, write: async () => {} };
  const processContext = { stderr, nowMs: () => 0, signal: new AbortController().signal };
  const move = async ({ onProgress }: TransferOptions): Promise<never> => {
    const file = { file: "f", fileDoneBytes: doneBytes, fileTotalBytes: 10 };
    onProgress?.({ phase: "transferring", ...file, doneBytes, totalBytes: 10 });
    throw BROKEN;
  };
  return transfer({ processContext, isQuiet: false } as unknown as Context, verb, move).catch(
    (error) => error,
  );
}

test("a transfer that breaks off midway says how to resume", async () => {
  expect(await ended("Uploading", 5)).toMatchObject({
    message: BROKEN.message,
    exitCode: 1,
    next: "What has arrived is kept: run the same command again to go on.",
  });
  expect(await ended("Downloading", 5)).toMatchObject({
    next: "Files that are whole stay; run the same command again for the others.",
  });
});

test("a transfer that fails before its first byte gives the original error", async () => {
  expect(await ended("Uploading", 0)).toBe(BROKEN);
});

/** The benchmark of firectl: start-up time, memory for long lists, and uploads compared with curl. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Goal } from "../report.ts";
import { type ListOptions, measureList } from "./list.ts";
import { firectl } from "./program.ts";
import { measureStart, type StartOptions } from "./start.ts";
import { measureUpload, type UploadOptions } from "./upload.ts";

export interface CliOptions {
  start: StartOptions;
  list: ListOptions;
  upload: UploadOptions;
}

export async function runCli(options: CliOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-bench-cli-"));
  try {
    // The first call builds firectl when its sources are newer.
    await firectl(["version"], folder);
    const start = await measureStart(options.start, folder);
    const list = await measureList(options.list, folder);
    const upload = await measureUpload(options.upload, folder);
    return {
      results: { start: start.results, list: list.results, upload: upload.results },
      goals: [...start.goals, ...list.goals, ...upload.goals],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

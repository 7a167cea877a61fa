/**
 * Jobs of the worker threads: reading large or hostile files in the main thread would block requests and exhaust its
 * memory.
 */

import { checkConfig } from "./check-config.ts";
import { type ConvertOptions, convertToGguf } from "./convert/convert.ts";
import type { WriteOptions } from "./gguf/file-writer.ts";
import { inspect, type ModelFacts } from "./inspect.ts";
import { checkLora, convertLora, type LoraFacts, type LoraPaths } from "./lora/lora.ts";

export type ModelFileJob =
  | { kind: "inspect"; folder: string }
  | { kind: "check-config"; configJson: string; tokenizerConfigJson: string | null }
  | { kind: "convert"; folder: string; outFile: string; type: ConvertOptions["type"] }
  | { kind: "check-lora"; folder: string; base: string }
  | ({ kind: "convert-lora" } & LoraPaths);

export type ModelFileJobResult = ModelFacts | LoraFacts | undefined;

/** Messages from the thread. */
export type WorkerMessage =
  | { kind: "progress"; doneBytes: number; totalBytes: number }
  | { kind: "done"; result: ModelFileJobResult }
  /** The job threw a ModelFileError. */
  | { kind: "refused"; file: string; reason: string }
  | { kind: "failed"; error: unknown };

export async function runJob(job: ModelFileJob, options: WriteOptions): Promise<ModelFileJobResult> {
  switch (job.kind) {
    case "inspect":
      return inspect(job.folder);
    case "check-config":
      checkConfig(job.configJson, job.tokenizerConfigJson);
      return undefined;
    case "check-lora":
      return checkLora(job.folder, job.base);
    case "convert":
      await convertToGguf(job.folder, job.outFile, { ...options, type: job.type });
      return undefined;
    case "convert-lora":
      await convertLora(job, options);
      return undefined;
  }
}

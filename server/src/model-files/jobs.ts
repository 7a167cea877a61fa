/** What runs in a thread of its own: reading hostile and large files takes time and memory that requests must not miss. */

import { checkConfig } from "./check-config.ts";
import { type ConvertOptions, convertToGguf } from "./convert/convert.ts";
import type { WriteOptions } from "./gguf/file-writer.ts";
import { inspect, type ModelFacts } from "./inspect.ts";
import { checkLora, convertLora, type LoraFacts } from "./lora/lora.ts";

export type ModelFileJob =
  | { kind: "inspect"; folder: string }
  | { kind: "check-config"; configJson: string; tokenizerConfigJson: string | null }
  | { kind: "convert"; folder: string; outFile: string; type: ConvertOptions["type"] }
  | { kind: "check-lora"; folder: string; base: string }
  | { kind: "convert-lora"; folder: string; base: string; outFile: string };

export type ModelFileJobResult = ModelFacts | LoraFacts | undefined;

/** What the thread says. */
export type WorkerMessage =
  | { kind: "progress"; doneBytes: number; totalBytes: number }
  | { kind: "done"; result: ModelFileJobResult }
  /** ModelFileError. */
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
      await convertLora(job.folder, job.base, job.outFile, options);
      return undefined;
  }
}

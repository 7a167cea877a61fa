/** Reading, checking and converting the files of models: what the rest of the platform uses of this folder. */
import { Worker } from "node:worker_threads";
import { AppError } from "../lib/errors.ts";
import { threadEntry } from "../lib/thread-entry.ts";
import type { ConvertOptions } from "./convert/convert.ts";
import { ModelFileError } from "./errors.ts";
import type { WriteOptions } from "./gguf/file-writer.ts";
import type { ModelFacts } from "./inspect.ts";
import type { ModelFileJob, ModelFileJobResult, WorkerMessage } from "./jobs.ts";
import type { LoraFacts } from "./lora/lora.ts";

export type { ConvertOptions } from "./convert/convert.ts";
export { ModelFileError } from "./errors.ts";
export type { WriteOptions } from "./gguf/file-writer.ts";
export type { ModelFacts } from "./inspect.ts";
export type { LoraDescription, LoraFacts } from "./lora/lora.ts";
export { LORA_RANK_RANGE, LORA_TARGET_MODULES } from "./lora/lora-config.ts";

/**
 * Of one thread. What the readers admit takes less: a thread that reaches its limit within a call of the runtime's own,
 * such as JSON.parse, may take the process with it.
 */
const MAX_HEAP_MB = 2048;
const MAX_RUNNING = 2;
const MAX_WAITING = 64;

const waiting: (() => void)[] = [];
let running = 0;

/** What a folder of files holds. All of it is checked that converting it relies on. @throws ModelFileError */
export async function inspect(folder: string, signal?: AbortSignal): Promise<ModelFacts> {
  return (await run({ kind: "inspect", folder }, { signal })) as ModelFacts;
}

/** Whether a model of this configuration could be run. @throws ModelFileError naming the field. */
export async function checkModelConfig(configJson: string, tokenizerConfigJson?: string): Promise<void> {
  const job = { configJson, tokenizerConfigJson: tokenizerConfigJson ?? null };
  await run({ kind: "check-config", ...job }, { signal: undefined });
}

/**
 * Converts a Hugging Face folder into one GGUF file, written whole or not at all; what was there is replaced.
 * @throws ModelFileError; the signal's reason; errors of the file system.
 */
export async function convertToGguf(folder: string, outFile: string, options: ConvertOptions): Promise<void> {
  await run({ kind: "convert", folder, outFile, type: options.type }, options);
}

/**
 * Every tensor of a PEFT adapter against its base model.
 * @param base a Hugging Face folder, a folder with a GGUF file, or a GGUF file.
 * @throws ModelFileError naming the field or tensor that doesn't fit.
 */
export async function checkLora(folder: string, base: string, signal?: AbortSignal): Promise<LoraFacts> {
  return (await run({ kind: "check-lora", folder, base }, { signal })) as LoraFacts;
}

/** Checks an adapter and writes it in llama.cpp's form. @throws as `checkLora` and `convertToGguf`. */
export async function convertLora(
  folder: string,
  base: string,
  outFile: string,
  options: WriteOptions,
): Promise<void> {
  await run({ kind: "convert-lora", folder, base, outFile }, options);
}

interface RunOptions {
  signal: AbortSignal | undefined;
  onProgress?: WriteOptions["onProgress"];
}

/** A thread for each job, a few at a time. */
async function run(job: ModelFileJob, options: RunOptions): Promise<ModelFileJobResult> {
  options.signal?.throwIfAborted();
  if (running >= MAX_RUNNING) {
    if (waiting.length >= MAX_WAITING) {
      const message = "Model files are read a few at a time, and too many wait; try again later.";
      throw new AppError("UNAVAILABLE", message, { retryAfterS: 10 });
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running++;
  try {
    options.signal?.throwIfAborted();
    return await runThread(job, options);
  } finally {
    // The place goes to the next in line, or is given up.
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

function runThread(job: ModelFileJob, { signal, onProgress }: RunOptions): Promise<ModelFileJobResult> {
  const worker = new Worker(threadEntry(new URL("./worker-main.ts", import.meta.url)), {
    workerData: job,
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const stop = () => worker.postMessage("stop");
  signal?.addEventListener("abort", stop, { once: true });
  const answer = new Promise<ModelFileJobResult>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "progress") onProgress?.(message.doneBytes, message.totalBytes);
      else if (message.kind === "done") resolve(message.result);
      else if (message.kind === "refused") reject(new ModelFileError(message.file, message.reason));
      else reject(signal?.aborted ? signal.reason : message.error);
    });
    worker.once("error", (error: NodeJS.ErrnoException) => {
      const isTooMuch = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      reject(isTooMuch ? new ModelFileError("The files", "need too much memory to be read.") : error);
    });
    worker.once("exit", () => reject(new Error("the thread ended without an answer")));
  });
  return answer.finally(() => signal?.removeEventListener("abort", stop));
}

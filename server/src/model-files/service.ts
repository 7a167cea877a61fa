/** Reads, checks and converts model files. Each call runs in a worker thread, a few at a time. */
import { Worker } from "node:worker_threads";
import { AppError } from "../lib/errors.ts";
import { threadEntry } from "../lib/thread-entry.ts";
import type { ConvertOptions } from "./convert/convert.ts";
import { ModelFileError } from "./errors.ts";
import type { WriteOptions } from "./gguf/file-writer.ts";
import type { ModelFacts } from "./inspect.ts";
import type { ModelFileJob, ModelFileJobResult, WorkerMessage } from "./jobs.ts";
import type { LoraFacts, LoraPaths } from "./lora/lora.ts";

export type { ConvertOptions } from "./convert/convert.ts";
export { ModelFileError } from "./errors.ts";
export type { WriteOptions } from "./gguf/file-writer.ts";
export type { ModelFacts } from "./inspect.ts";
export type { LoraDescription, LoraFacts, LoraPaths } from "./lora/lora.ts";
export { LORA_RANK_RANGE, LORA_TARGET_MODULES } from "./lora/lora-config.ts";

/**
 * Heap limit of a worker thread. It is a second line of defence: the readers' own limits keep the heap smaller, because
 * a thread that reaches this limit within a native call, such as JSON.parse, may crash the whole process.
 */
const MAX_HEAP_MB = 2048;
const MAX_RUNNING = 2;
const MAX_WAITING = 64;

const waiting: (() => void)[] = [];
let running = 0;

/** Facts about the model in a folder. Checks everything that a conversion relies on. @throws ModelFileError */
export async function inspect(folder: string, signal?: AbortSignal): Promise<ModelFacts> {
  return (await run({ kind: "inspect", folder }, { signal })) as ModelFacts;
}

/** @throws ModelFileError naming the field when a model of this configuration could not run. */
export async function checkModelConfig(configJson: string, tokenizerConfigJson?: string): Promise<void> {
  await run(
    { kind: "check-config", configJson, tokenizerConfigJson: tokenizerConfigJson ?? null },
    { signal: undefined },
  );
}

/**
 * Converts a Hugging Face folder to a GGUF file. Writes the file atomically, and replaces an existing one.
 * @throws ModelFileError; the signal's reason; errors of the file system
 */
export async function convertToGguf(folder: string, outFile: string, options: ConvertOptions): Promise<void> {
  await run({ kind: "convert", folder, outFile, type: options.type }, options);
}

/**
 * Checks every tensor of a PEFT LoRA against its base model.
 * @param base a Hugging Face folder, a folder with a GGUF file, or a GGUF file
 * @throws ModelFileError naming the field or tensor that does not fit
 */
export async function checkLora(folder: string, base: string, signal?: AbortSignal): Promise<LoraFacts> {
  return (await run({ kind: "check-lora", folder, base }, { signal })) as LoraFacts;
}

/** Checks a LoRA and converts it to a GGUF file. @throws as `checkLora` and `convertToGguf` */
export async function convertLora(paths: LoraPaths, options: WriteOptions): Promise<void> {
  await run({ kind: "convert-lora", ...paths }, options);
}

interface RunOptions {
  signal: AbortSignal | undefined;
  onProgress?: WriteOptions["onProgress"];
}

/** Runs a job in a thread of its own once fewer than `MAX_RUNNING` others run. */
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
    // The slot goes to the job that has waited longest.
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
  const result = new Promise<ModelFileJobResult>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "progress") onProgress?.(message.doneBytes, message.totalBytes);
      else if (message.kind === "done") resolve(message.result);
      else if (message.kind === "refused") reject(new ModelFileError(message.file, message.reason));
      else reject(signal?.aborted ? signal.reason : message.error);
    });
    worker.once("error", (error: NodeJS.ErrnoException) => {
      const isOutOfMemory = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      reject(isOutOfMemory ? new ModelFileError("The files", "need too much memory to be read.") : error);
    });
    worker.once("exit", () => reject(new Error("the thread ended without a result")));
  });
  return result.finally(() => signal?.removeEventListener("abort", stop));
}

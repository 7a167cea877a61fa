/** Entry of the thread: one job, given as its data; any message to it is a wish to stop. */
import { parentPort, workerData } from "node:worker_threads";
import { ModelFileError } from "./errors.ts";
import { type ModelFileJob, runJob, type WorkerMessage } from "./jobs.ts";

const abort = new AbortController();
const say = (message: WorkerMessage) => parentPort?.postMessage(message);
parentPort?.once("message", () => abort.abort());

try {
  const result = await runJob(workerData as ModelFileJob, {
    signal: abort.signal,
    onProgress: (doneBytes, totalBytes) => say({ kind: "progress", doneBytes, totalBytes }),
  });
  say({ kind: "done", result });
} catch (error) {
  if (error instanceof ModelFileError) say({ kind: "refused", file: error.file, reason: error.reason });
  else say({ kind: "failed", error });
} finally {
  parentPort?.close();
}

/** Entry of a worker thread. Runs one job, its `workerData`. Any message to the thread aborts the job. */
import { parentPort, workerData } from "node:worker_threads";
import { ModelFileError } from "./errors.ts";
import { type ModelFileJob, runJob, type WorkerMessage } from "./jobs.ts";

const abort = new AbortController();
const send = (message: WorkerMessage) => parentPort?.postMessage(message);
parentPort?.once("message", () => abort.abort());

try {
  const result = await runJob(workerData as ModelFileJob, {
    signal: abort.signal,
    onProgress: (doneBytes, totalBytes) => send({ kind: "progress", doneBytes, totalBytes }),
  });
  send({ kind: "done", result });
} catch (error) {
  if (error instanceof ModelFileError) send({ kind: "refused", file: error.file, reason: error.reason });
  else send({ kind: "failed", error });
} finally {
  parentPort?.close();
}

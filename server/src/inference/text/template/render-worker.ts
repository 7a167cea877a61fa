import { parentPort } from "node:worker_threads";
import { type RenderJob, renderTemplate } from "./render-job.ts";

parentPort!.on("message", (job: RenderJob) => parentPort!.postMessage(renderTemplate(job)));
parentPort!.postMessage("ready");

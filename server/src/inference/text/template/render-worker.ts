import { serveJobs } from "../../../platform/process/serve-jobs.ts";
import { renderTemplate } from "./render-job.ts";

serveJobs(renderTemplate);

import { serveJobs } from "../platform/process/serve-jobs.ts";
import { runInstanceJob } from "./instance-job.ts";

serveJobs(runInstanceJob);

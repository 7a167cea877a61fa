/** Run by the tests as a process of its own: gets weights and reports progress to its parent. */
import { createLog } from "../../platform/telemetry/log.ts";
import { ensureWeights } from "./ensure-weights.ts";

const [weights, cacheDir] = process.argv.slice(2);
await ensureWeights(JSON.parse(weights!), {
  cacheDir: cacheDir!,
  hubEndpoint: "http://127.0.0.1:9",
  env: process.env,
  log: createLog("silent"),
  onProgress: (progress) => process.send?.(progress),
});
process.disconnect?.();

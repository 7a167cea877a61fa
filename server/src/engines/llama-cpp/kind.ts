import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { ProcessEngineKind } from "../../engine/process.ts";
import { systemClock } from "../../lib/clock.ts";
import { LlamaCppClient, type LlamaCppEngine } from "./client.ts";
import type { LlamaCppOptions } from "./options.ts";

export type { LlamaCppEngine } from "./client.ts";
export type { LlamaCppOptions } from "./options.ts";

/** GGUF models through llama.cpp, one child process a replica. */
export const llamaCppKind = {
  entry: new URL("./worker/worker-main.ts", import.meta.url),
  // Importing it through the TypeScript loader would cost half a second of CPU time at every start.
  preload: [pathToFileURL(createRequire(import.meta.url).resolve("node-llama-cpp"))],
  // llama.cpp computes on threads of its own. More libuv threads compete with them for the cores: speed fell to a third.
  env: { UV_THREADPOOL_SIZE: "1" },
  connect: (channel, options): Promise<LlamaCppEngine> =>
    new LlamaCppClient(channel, systemClock).load(options),
} satisfies ProcessEngineKind<LlamaCppOptions>;

/** The engines that this server can run. Only this file knows all adapters; settings and set-up read it. */
import type { Engine, WeightsFormat } from "../engine/engine.ts";
import type { ProcessEngineKind } from "../engine/process.ts";
import { type LlamaCppOptions, llamaCppKind } from "./llama-cpp/kind.ts";
import { SERVER_FEATURES } from "./openai-server/capabilities.ts";
import { createOpenAiServerEngine, type OpenAiServerOptions } from "./openai-server/engine.ts";

interface EngineAdapter {
  /** Stable: catalog entries and deployment specs store it. */
  name: string;
  /** Names of optional abilities that settings may list for an engine of this adapter. */
  features: readonly string[];
  /** The format in which the engine takes weights. @param command the program and arguments of a launched server. */
  weightsFormat(command: readonly string[]): WeightsFormat;
}

/** Runs in a child process of this server. */
interface ProcessAdapter<Options> extends EngineAdapter {
  create: ProcessEngineKind<Options>;
}

/** Connects to a server, which the platform launches or somebody else runs. */
interface ServerAdapter<Options> extends EngineAdapter {
  create(options: Options): Engine;
}

export type EmbeddedEngineOptions = LlamaCppOptions;

export const embeddedEngine: ProcessAdapter<EmbeddedEngineOptions> = {
  name: "llama-cpp",
  create: llamaCppKind,
  features: [],
  weightsFormat: () => "embedded",
};

export const serverEngine: ServerAdapter<OpenAiServerOptions> = {
  name: "openai-server",
  create: createOpenAiServerEngine,
  features: SERVER_FEATURES,
  weightsFormat: (command) => (command.some((argument) => argument.includes("{gguf}")) ? "gguf" : "upload"),
};

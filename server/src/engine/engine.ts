/**
 * The engine port: everything the platform asks of a program that runs a model. An engine is a lifecycle plus one port
 * for each modality that it has. Types and errors only; no HTTP, no OpenAI shapes, no process handling. Adapters differ
 * by capability flags; no caller checks which adapter it has.
 */
import { EngineError } from "./errors.ts";
import type { GenerationEngine } from "./generation.ts";

/** Facts about a loaded model. */
export interface EngineModelInfo {
  /** Most tokens of prompt and output together; null when the engine doesn't report it. */
  contextLength: number | null;
  /** The model's Jinja chat template; null when the model has none or the engine renders chat itself. */
  chatTemplate: string | null;
  /** Texts of the special tokens that templates refer to; empty when unknown. */
  bosToken: string;
  eosToken: string;
}

/**
 * The form in which an engine takes a model's weights. `embedded`: a GGUF file that the platform converts as the deployment
 * asks; `gguf`: the model's GGUF file as it is; `upload`: the model's files as they were uploaded.
 */
export type WeightsFormat = "embedded" | "upload" | "gguf";

/** A file of LoRA weights in the engine's own format. */
export interface LoraSource {
  /** Chosen by the caller, unique within the engine; `GenerateRequest.lora` refers to it. */
  id: string;
  /** Local path of the file. */
  path: string;
  /** Factor of its effect. Default 1. */
  scale?: number;
}

export interface Engine {
  readonly model: EngineModelInfo;
  /** Text generation; absent when the engine has none (a server of embeddings, say). */
  readonly generation?: GenerationEngine;
  /**
   * Loads a LoRA, so that requests may name it; requests in flight go on. Idempotent for the same id and path.
   * Absent when the engine has no LoRAs.
   * @throws EngineError `unsupported` when this model can't have LoRAs; `invalid` with a public message when the file
   * doesn't fit the model.
   */
  loadLora?(lora: LoraSource): Promise<void>;
  /** Requests that run with the LoRA finish; later ones that name it are refused. Idempotent. */
  unloadLora?(id: string): Promise<void>;
  /** Resolves while the engine responds. @throws EngineError otherwise. */
  health(): Promise<void>;
  /** Fails all work in flight with the error; later work may begin. Absent: only the end of the engine ends its work. */
  failWork?(error: EngineError): void;
  /** Ends all work; generations in flight fail with `unavailable`. Idempotent. */
  close(): Promise<void>;
}

/** An engine that generates text and nothing else: the same object is the engine and its generation port. */
export interface TextEngine extends Engine, GenerationEngine {
  readonly generation: GenerationEngine;
}

/** The engine's generation port. @throws EngineError `unsupported` when it has none. */
export function requireGeneration(engine: Engine): GenerationEngine {
  if (engine.generation === undefined)
    throw new EngineError("unsupported", "This model does not generate text.");
  return engine.generation;
}

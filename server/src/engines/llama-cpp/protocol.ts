import type { EngineModelInfo, LoraSource } from "../../engine/engine.ts";
import { EngineError, type EngineErrorCode } from "../../engine/errors.ts";
import type { EngineCapabilities, EngineEvent, GenerateRequest } from "../../engine/generation.ts";
import type { LlamaCppOptions } from "./options.ts";

/** Messages from the platform to the process that runs the model. The platform counts their ids up from 1. */
export type ToWorker =
  | { type: "load"; options: LlamaCppOptions }
  | { type: "generate"; id: number; request: GenerateRequest }
  | { type: "abort"; id: number }
  | { type: "tokenize"; id: number; text: string }
  | { type: "load-adapter"; id: number; adapter: LoraSource }
  | { type: "unload-adapter"; id: number; adapter: string }
  | { type: "ping"; id: number }
  | { type: "close" };

/** Messages from the process that runs the model to the platform. */
export type FromWorker =
  | { type: "loaded"; model: EngineModelInfo; capabilities: EngineCapabilities }
  | ({ type: "load-failed" } & SerializedError)
  /** All events since the last message, in order: one message a batch, however many streams run. */
  | { type: "events"; events: readonly GenerationEvent[] }
  | { type: "tokens"; id: number; tokens: number[] }
  /** Answers `load-adapter` and `unload-adapter`. */
  | { type: "done"; id: number }
  /** Answers any message with an id but `generate`. */
  | ({ type: "failed"; id: number } & SerializedError)
  /** `active`: generations that hold a slot or wait for one. */
  | { type: "pong"; id: number; active: number };

export interface GenerationEvent {
  id: number;
  event: EngineEvent | ({ type: "error" } & SerializedError);
}

export interface SerializedError {
  code: EngineErrorCode;
  /** Safe to show to a client. */
  message: string;
  /** For the log only: may hold paths. */
  detail?: string;
}

export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof EngineError)) {
    const detail = error instanceof Error ? error.message : String(error);
    return { code: "internal", message: "The model failed.", detail };
  }
  const { code, message, cause } = error;
  return cause === undefined ? { code, message } : { code, message, detail: String(cause) };
}

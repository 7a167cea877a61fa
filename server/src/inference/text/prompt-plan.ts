import type { EngineInput, GenerateRequest } from "../../engine/generation.ts";
import type { OutputParser } from "./output-parser.ts";
import type { FinishedToolCalls } from "./tools/check-tool-calls.ts";

/** How an endpoint runs one body on one model: the engine's input, and the parser of its output. */
export interface PromptPlan {
  /** At least one; each prompt of a batch gets its own choices. */
  inputs: readonly EngineInput[];
  /** Pieces that the prompt was made of, for `raw_output`; empty when the prompt came as a whole. */
  promptFragments: readonly string[];
  /** GBNF that the output must follow. */
  grammar?: string;
  /** Replaces `grammar` for engines without grammars. */
  json?: NonNullable<GenerateRequest["json"]>;
  thinking?: NonNullable<GenerateRequest["thinking"]>;
  /** Texts that the parser looks for. */
  markers?: readonly string[];
  /** Headers of the response, names and values alternating. */
  responseHeaders: readonly string[];
  /**
   * Checks the tool calls of each choice before its end is delivered. Absent: they fit already.
   * @throws EngineError `bad_reply`.
   */
  checkToolCalls?(calls: FinishedToolCalls): Promise<void>;
  /** A parser for one choice. */
  createParser(): OutputParser;
}

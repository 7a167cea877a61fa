import type { EngineInput, GenerateRequest } from "../../engine/generation.ts";
import { type OutputParser, plainTextParser } from "./output-parser.ts";

/** What an endpoint makes of one body for one model: what goes into the engine and how to read what comes out. */
export interface PromptPlan {
  /** One, or a batch whose entries get their own choices. */
  inputs: readonly EngineInput[];
  /** Pieces the prompt was made of, for `raw_output`; empty where it came as a whole. */
  promptFragments: readonly string[];
  /** GBNF the output must follow. */
  grammar?: string;
  /** Instead, for engines without grammars. */
  json?: NonNullable<GenerateRequest["json"]>;
  thinking?: NonNullable<GenerateRequest["thinking"]>;
  /** Headers the reply carries, names and values alternating. */
  responseHeaders: readonly string[];
  createParser(): OutputParser;
}

/** A plan for prompts that are answered with plain text. */
export function plainTextPlan(
  inputs: readonly EngineInput[],
  constraint: { grammar: string; headers: readonly string[] } | null,
): PromptPlan {
  return {
    inputs,
    promptFragments: [],
    ...(constraint === null ? {} : { grammar: constraint.grammar }),
    responseHeaders: constraint?.headers ?? [],
    createParser: () => plainTextParser,
  };
}

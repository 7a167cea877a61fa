/** The port of text generation. */
import type { ChatMessage, ChatReasoning, ChatTools } from "./chat.ts";
import type { Sampling, SamplingField } from "./sampling.ts";

export interface EngineCapabilities {
  /** The engine renders chat messages to a prompt itself; otherwise the platform renders the model's template. */
  rendersChat: boolean;
  /** Sampling fields the engine honours. A request that sets any other is refused before it reaches the engine. */
  sampling: readonly SamplingField[];
  /** Optional fields of a request the engine honours. A request that needs any other is refused likewise. */
  features: readonly EngineFeature[];
  /** Usage of an aborted request is exact (true) or counted from the deltas that arrived (false). */
  exactUsageOnAbort: boolean;
  /**
   * The first delta arrives with the first token also when the request doesn't stream. False: with the last one, so that
   * nobody knows when the first token was made.
   */
  earlyFirstDelta: boolean;
}

/** The optional fields of GenerateRequest that not every engine has. */
export type EngineFeature =
  | "grammar"
  | "logprobs"
  | "promptTokens"
  | "promptLogprobs"
  | "minTokens"
  | "ignoreEos"
  | "prediction"
  | "cacheScope"
  | "cacheMaxTokens"
  | "lora"
  | "disableSpeculation"
  | "thinking"
  | "plainText"
  /**
   * Only engines that render chat have the following: `tools`, `reasoning`, `reasoning.maxTokens` and `finalTurn` of a chat
   * input; `json`.
   */
  | "tools"
  | "reasoning"
  | "reasoningBudget"
  | "finalTurn"
  | "json";

export type EngineInput =
  /**
   * Special tokens inside the text are recognised, except within the ranges of `plain`: start and end offsets in UTF-16
   * units, in ascending order, not overlapping. `addBos`: prepend the model's start token if the model wants one.
   */
  | { kind: "text"; text: string; addBos: boolean; plain?: readonly (readonly [number, number])[] }
  | { kind: "tokens"; tokens: readonly number[] }
  /** Only for engines with `rendersChat`. */
  | {
      kind: "chat";
      messages: readonly ChatMessage[];
      tools?: ChatTools;
      reasoning?: ChatReasoning;
      /**
       * `continued`: the output continues the text of the last message, the assistant's. `closed`: the prompt ends with the
       * last message, without the start of a turn. Absent: the engine begins a turn of the assistant.
       */
      finalTurn?: "continued" | "closed";
    };

export const UNKNOWN_TOKEN = -1;

/** A token of the prompt or output, with the probability that the model gave it before any sampling change. */
export interface TokenInfo {
  /** `UNKNOWN_TOKEN` from engines that report texts alone. */
  id: number;
  /** The token's bytes; not always whole characters. */
  bytes: Uint8Array;
  /** Natural logarithm of the token's probability; null for the first token of a prompt. */
  logprob: number | null;
  /** The most probable alternatives, best first; as many as requested. */
  top: readonly { id: number; bytes: Uint8Array; logprob: number }[];
}

export interface GenerateRequest {
  /** Unique; for the engine's logs only. */
  id: string;
  input: EngineInput;
  sampling: Sampling;
  /** Choices to generate, 1–128. */
  n: number;
  /** Most output tokens a choice, ≥ 0; lowered by the engine to fit the context. */
  maxTokens: number;
  /** Text-level stops, at most 4, none empty; they match special tokens too. The matched text is not delivered. */
  stop: readonly string[];
  /**
  /**
   * Texts that the caller looks for in the output, such as the tags of think blocks and tool calls. Special tokens within
   * them are delivered as text, which other special tokens are not. An engine without special tokens may ignore it.
   */
  markers?: readonly string[];
  /**
   * False: the caller needs the text only at the end. An engine with `earlyFirstDelta` delivers the first piece of each
   * choice at once and may hold the rest back; other engines may deliver one delta a choice.
   */
  stream: boolean;
  /**
   * GBNF with the rule `root`, checked by the caller. The output follows the grammar and ends when it is complete. An
   * engine may complete the output early, before `maxTokens` would cut it off; the event `finish` then has `closed`.
   */
  grammar?: string;
  /** Instead of a grammar: JSON that fits the schema, or any object when it is null. The engine decides how strictly. */
  json?: { schema: object | null };
  /** Deliver `tokens` with the deltas, each with this many alternatives, 0–20. */
  logprobs?: number;
  /** Deliver the prompt's tokens; with `logprobs: true` also their log probabilities. */
  prompt?: { logprobs: boolean };
  /** Least number of output tokens before an end token may follow. */
  minTokens?: number;
  /** End tokens are tokens like any other; only `maxTokens` and `stop` end a choice. */
  ignoreEos?: boolean;
  /** Speculative decoding: a guess of the output. Matching tokens cost less; the output is the same without it. */
  prediction?: { kind: "text"; text: string } | { kind: "tokens"; tokens: readonly number[] };
  /** Prompt caches are shared within a scope only. Absent: one scope for all. */
  cacheScope?: string;
  /** Most tokens of the prompt that may be read from or written to the prompt cache. 0: none. */
  cacheMaxTokens?: number;
  /** The `id` of a loaded LoRA the request runs with. Absent: the base model. */
  lora?: string;
  /** Starts when no request without `low` waits. An engine whose queue can't be ordered may ignore it. */
  priority?: "low";
  /** No draft model and no n-gram lookup, whatever the engine is set up with. The output is the same. */
  disableSpeculation?: boolean;
  /**
   * The engine forces `close` after this many tokens of thinking. `opened`: the prompt already ends inside a thinking
   * block, so that the output begins within it.
   */
  thinking?: { open: string; close: string; opened: boolean; maxTokens: number };
}

export interface EngineUsage {
  /** Tokens of the prompt, counted once whatever `n` is. */
  promptTokens: number;
  /** The part of the prompt that came from the prompt cache. */
  cachedTokens: number;
  /** Generated tokens over all choices, end tokens included. */
  completionTokens: number;
  /** Tokens of the prediction that matched the output and that did not; absent without a prediction. */
  prediction?: { acceptedTokens: number; rejectedTokens: number };
}

/** A piece of a tool call, from an engine that parses tool calls out of the output itself. */
export interface ToolCallFragment {
  /** Position of the tool call within its choice, from 0. */
  index: number;
  /** On the tool call's first piece, when the engine assigns one; else null. */
  id: string | null;
  /** On the tool call's first piece; else null. */
  name: string | null;
}

export type FinishReason = "stop" | "length";

/**
 * The events of one generation, in this order: at most one `start`; one `prompt` if requested; any number of `delta`; one
 * `finish` a choice after its last delta; exactly one `end`, last. After an abort the missing `finish` events are left out
 * and `end.aborted` is true. A failed generation throws EngineError from the iterator instead of `end`.
 */
export type EngineEvent =
  /** From engines that know both counts before the first delta, so that usage survives a later crash. */
  | { type: "start"; promptTokens: number; cachedTokens: number }
  | { type: "prompt"; tokens: readonly TokenInfo[] }
  /**
   * `tokens`, if requested: the tokens since the choice's last delta; `text` may hold back the end of their text. `as`,
   * from engines that render chat: the text is reasoning, or the next part of a tool call's arguments.
   */
  | {
      type: "delta";
      choice: number;
      text: string;
      tokens?: readonly TokenInfo[];
      as?: "reasoning" | ToolCallFragment;
    }
  /** `closed`: the engine completed the grammar early, as `maxTokens` was nearly used up. */
  | { type: "finish"; choice: number; reason: FinishReason; closed?: boolean }
  | { type: "end"; usage: EngineUsage; aborted: boolean };

export interface GenerationEngine {
  readonly capabilities: EngineCapabilities;
  /**
   * Runs one request. `signal` aborts it: the work stops within one prefill chunk or one token, and the iterator
   * still delivers `end` with the usage so far. Leaving the iterator early (return) aborts too.
   * @throws EngineError from the iterator.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<EngineEvent>;
  /** Token ids of a text; special tokens in it are recognised. @throws EngineError `unsupported` without a tokenizer. */
  tokenize(text: string): Promise<number[]>;
}

/** Features by name. Exhaustive, so that an adapter can't forget a new one. */
export function supportedFeatures(honoured: Readonly<Record<EngineFeature, boolean>>): EngineFeature[] {
  return (Object.keys(honoured) as EngineFeature[]).filter((feature) => honoured[feature]);
}

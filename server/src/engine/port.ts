/**
 * The engine port: what the platform asks of anything that runs a model. Types and errors only; no HTTP, no OpenAI
 * shapes, no process handling. Differences between adapters are capability flags, never a check of the kind.
 */

export interface EngineCapabilities {
  /** The engine renders chat messages to a prompt itself; otherwise the platform renders the model's template. */
  rendersChat: boolean;
  /** Sampling fields the engine honours. A request that sets any other is refused before it reaches the engine. */
  sampling: readonly (keyof Sampling)[];
  /** Optional fields of a request the engine honours; a request that needs any other is refused likewise. */
  features: readonly EngineFeature[];
  /** Usage of an aborted request is exact (true) or counted from the deltas that arrived (false). */
  exactUsageOnAbort: boolean;
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
  /** Of engines that render chat: tools of a chat input; what is asked of its reasoning, and a limit of it; `json`. */
  | "tools"
  | "reasoning"
  | "reasoningBudget"
  | "json";

/** What is known of the model once it is loaded. */
export interface EngineModelInfo {
  /** Most tokens of prompt and output together; null when the engine doesn't say. */
  contextLength: number | null;
  /** The model's Jinja chat template, when the engine doesn't render chat itself. */
  chatTemplate: string | null;
  /** Texts of the special tokens that templates refer to; empty when unknown. */
  bosToken: string;
  eosToken: string;
}

export interface ChatMessage {
  role: string;
  content: string;
  name?: string;
  /** Of an assistant: the calls it made, arguments as JSON texts. */
  toolCalls?: readonly { id: string; name: string; arguments: string }[];
  /** Of a tool's result: the call it answers. */
  toolCallId?: string;
  /** Of an assistant: what it thought before. */
  reasoning?: string;
}

/** The functions that a model may or must call. */
export interface ChatTools {
  /** `parameters`: a JSON schema whose top level is an object. */
  functions: readonly { name: string; description: string | null; parameters: object; strict: boolean }[];
  toolChoice: "auto" | "required" | { name: string };
  /** Whether one reply may hold several calls. */
  parallelToolCalls: boolean;
}

/** What is asked of a model that reasons; absent fields leave it to the model. */
export interface ChatReasoning {
  enabled: boolean;
  effort?: "low" | "medium" | "high";
  /** Most tokens of it. */
  maxTokens?: number;
}

export type EngineInput =
  /**
   * Special tokens inside the text are recognised, but not within the ranges of `plain`: start and end offsets in UTF-16
   * units, in order and apart. `addBos`: put the model's start token first if the model wants one.
   */
  | { kind: "text"; text: string; addBos: boolean; plain?: readonly (readonly [number, number])[] }
  | { kind: "tokens"; tokens: readonly number[] }
  /** Only for engines with `rendersChat`. */
  | { kind: "chat"; messages: readonly ChatMessage[]; tools?: ChatTools; reasoning?: ChatReasoning };

/** Absent fields mean the engine's neutral setting (no effect), never a hidden default. */
export interface Sampling {
  /** 0 is greedy; 0–2. Absent: 1. */
  temperature?: number;
  /** Nucleus mass, 0–1. */
  topP?: number;
  /** Candidate cut-off; 0 is off. */
  topK?: number;
  /** Probability floor relative to the best token, 0–1. */
  minP?: number;
  /** Same seed, same request, same model: same output. Choice i of n samples with seed + i. */
  seed?: number;
  /** −2–2. logit[j] −= count[j]·frequencyPenalty + (count[j] > 0)·presencePenalty over the output so far. */
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** > 0; divides positive and multiplies negative logits of tokens seen in prompt or output. */
  repetitionPenalty?: number;
  /** Locally typical sampling mass, 0–1 (Meister et al. 2022): keeps the tokens whose surprise is nearest the entropy. */
  typicalP?: number;
  /** Mirostat 2 (Basu et al. 2021) instead of top-k/top-p: target surprise τ in bits and learning rate η, both > 0. */
  mirostat?: { target: number; learningRate: number };
  /** Added to the logits of these tokens before everything else, −200–200; the end token is one like any other. */
  logitBias?: readonly (readonly [token: number, bias: number])[];
}

export const UNKNOWN_TOKEN = -1;

/** A token as it was made or read, with what the model itself thought of it: before any sampling change. */
export interface TokenInfo {
  /** `UNKNOWN_TOKEN` from engines that tell texts alone. */
  id: number;
  /** Its bytes; not always whole characters. */
  bytes: Uint8Array;
  /** Natural logarithm of its probability; null for the first token of a prompt. */
  logprob: number | null;
  /** The most probable alternatives, best first; as many as asked for. */
  top: readonly { id: number; bytes: Uint8Array; logprob: number }[];
}

export interface GenerateRequest {
  /** Unique; for the engine's logs only. */
  id: string;
  input: EngineInput;
  sampling: Sampling;
  /** Choices to generate, 1–128. */
  n: number;
  /** Most output tokens a choice, ≥ 0; lowered by the engine to what fits the context. */
  maxTokens: number;
  /** Text-level stops, at most 4, none empty. The matched text is not delivered. */
  stop: readonly string[];
  /** False: the caller needs the text only at the end; the engine may deliver it as one delta a choice. */
  stream: boolean;
  /**
   * GBNF with the rule `root`; checked by the caller. What the model makes follows it, and ends when it is complete.
   * An engine that can ends it by force, complete, before `maxTokens` cuts it off: see `closed`.
   */
  grammar?: string;
  /** Instead of a grammar: JSON that fits the schema, or any object where it is null. How well is the engine's matter. */
  json?: { schema: object | null };
  /** Deliver `tokens` with the deltas, each with this many alternatives, 0–5. */
  logprobs?: number;
  /** Deliver the prompt's tokens; with `logprobs: true` also what the model thought of each. */
  prompt?: { logprobs: boolean };
  /** No end token before this many tokens were made. */
  minTokens?: number;
  /** End tokens are tokens like any other; only `maxTokens` and `stop` end a choice. */
  ignoreEos?: boolean;
  /** A guess of the output: what of it comes true costs less; the output is the same without it. */
  prediction?: { kind: "text"; text: string } | { kind: "tokens"; tokens: readonly number[] };
  /** Computed prompts are reused within a scope alone. Absent: one scope for all. */
  cacheScope?: string;
  /** Most tokens of the prompt that may be taken from, or kept for, other requests. 0: none. */
  cacheMaxTokens?: number;
  /** The `id` of a loaded adapter the request runs with. Absent: the model as it is. */
  lora?: string;
  /** Waits until no others wait. An engine whose queue has no order of its own need not heed it. */
  priority?: "low";
  /** No draft model and no n-gram lookup, whatever the engine is set up with. The output is the same. */
  disableSpeculation?: boolean;
  /** Thinking ends, by force of `close`, after this many tokens. `open` is true when the prompt has opened it already. */
  thinking?: { open: string; close: string; opened: boolean; maxTokens: number };
}

/** A LoRA adapter to be added to the model's weights, as the engine's own kind of file. */
export interface LoraSource {
  /** Chosen by the caller, unique within the engine; what `GenerateRequest.adapter` names. */
  id: string;
  /** Local path of the adapter's file. */
  path: string;
  /** Factor of its effect. Default 1. */
  scale?: number;
}

export interface EngineUsage {
  /** Tokens of the prompt, counted once whatever `n` is. */
  promptTokens: number;
  /** The part of the prompt that was not computed again. */
  cachedTokens: number;
  /** Tokens made over all choices, the end token included as the model made it. */
  completionTokens: number;
  /** Tokens of a prediction that came true and that did not; absent without one. */
  prediction?: { acceptedTokens: number; rejectedTokens: number };
}

/** A piece of a call that an engine which reads the output itself has found in it. */
export interface ToolCallFragment {
  /** Which call of the choice, from 0. */
  index: number;
  /** With the call's first piece, where the engine names them. */
  id: string | null;
  name: string | null;
}

export type FinishReason = "stop" | "length";

/**
 * The events of one generation, in this order: `start` or none; `prompt` where it was asked for; any number of `delta`; one `finish` a choice after its last delta;
 * exactly one `end`, last. After an abort the missing `finish` events are left out and `end.aborted` is true.
 * A failure throws EngineError from the iterator instead of `end`.
 */
export type EngineEvent =
  /** Once, before the first delta, from engines that know: so that a crash later doesn't hide what the prompt cost. */
  | { type: "start"; promptTokens: number; cachedTokens: number }
  | { type: "prompt"; tokens: readonly TokenInfo[] }
  /**
   * `tokens`, where asked for: those made since the choice's last delta; `text` may hold some of theirs back. `as`: what the
   * text is, from engines that render chat; of a call, its arguments go on.
   */
  | {
      type: "delta";
      choice: number;
      text: string;
      tokens?: readonly TokenInfo[];
      as?: "reasoning" | ToolCallFragment;
    }
  /** `closed`: with a grammar, the engine wrote its shortest ending early, as `maxTokens` was nearly used up. */
  | { type: "finish"; choice: number; reason: FinishReason; closed?: boolean }
  | { type: "end"; usage: EngineUsage; aborted: boolean };

export interface Engine {
  readonly capabilities: EngineCapabilities;
  readonly model: EngineModelInfo;
  /**
   * Runs one request. `signal` aborts it: the work stops within one prefill slice or one token, and the iterator
   * still delivers `end` with the usage so far. Leaving the iterator early (return) aborts too.
   * @throws EngineError from the iterator.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<EngineEvent>;
  /** Token ids of a text; special tokens in it are recognised. @throws EngineError `unsupported` where the engine can't. */
  tokenize(text: string): Promise<number[]>;
  /**
   * Loads an adapter, so that requests may name it; requests in flight go on. Idempotent for the same id and path.
   * @throws EngineError `unsupported` where the engine can't; `invalid` with a public message when the file doesn't fit.
   */
  loadLora?(adapter: LoraSource): Promise<void>;
  /** Requests that run with it finish; later ones that name it are refused. Idempotent. */
  unloadLora?(id: string): Promise<void>;
  /** Resolves while the engine answers; rejects with EngineError otherwise. */
  health(): Promise<void>;
  /** Ends all work; generations in flight fail with `unavailable`. Idempotent. */
  close(): Promise<void>;
}

export type EngineErrorCode =
  /** The queue is full. Retryable. */
  | "overloaded"
  /** The prompt alone does not fit the context; `message` gives both numbers. */
  | "context_exceeded"
  /** The request is not valid for this engine; `param` may name an engine-side field. */
  | "invalid"
  /** The prompt itself can't be used: it is empty, or has a token id that doesn't exist. */
  | "invalid_prompt"
  /** The same of the biases and of the prediction. */
  | "invalid_bias"
  | "invalid_prediction"
  | "unsupported"
  /** The engine died, is closing or can't be reached. Retryable on another replica. */
  | "unavailable"
  /** The engine answered something that can't be understood. */
  | "bad_reply"
  | "timeout"
  | "internal";

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  /** The same request may succeed on another replica or later, provided no output was delivered yet. */
  readonly retryable: boolean;

  /** @param message safe to show to the client: no prompt, path or stack. */
  constructor(code: EngineErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "EngineError";
    this.code = code;
    this.retryable = code === "overloaded" || code === "unavailable" || code === "timeout";
  }
}

/**
 * How an engine in a child process is started, told by its adapter and carried out by a launcher: the launcher runs
 * `entry` with one message channel; `connect` completes the hand-shake and gives the engine.
 */
export interface ProcessEngineKind<Options> {
  /** Module run in the child process. */
  entry: URL;
  /** Large packages of JavaScript that it uses: loaded before the loader of TypeScript, which makes each import dear. */
  preload?: readonly URL[];
  /** Environment added to the child's. */
  env: Readonly<Record<string, string>>;
  /** Sends the options, waits until the model is loaded. @throws EngineError with a public message when it can't be. */
  connect(channel: EngineChannel, options: Options): Promise<Engine>;
}

/** One duplex message channel to a child process. Messages are plain structured-clone data. */
export interface EngineChannel {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when the process is gone or the channel closed. */
  onClose(listener: (reason: string) => void): void;
}

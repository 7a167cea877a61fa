import { type Clock, systemClock } from "../lib/clock.ts";
import { clampToContext } from "./context-limit.ts";
import type { EngineModelInfo, LoraSource, TextEngine } from "./engine.ts";
import { EngineError, type EngineErrorCode } from "./errors.ts";
import { FakeChoice, FakeVocabulary, fakeTokenInfo } from "./fake-choice.ts";
import { FakePromptCache } from "./fake-prompt-cache.ts";
import {
  type EngineCapabilities,
  type EngineEvent,
  type EngineFeature,
  type EngineInput,
  type EngineUsage,
  type GenerateRequest,
  type GenerationEngine,
  supportedFeatures,
} from "./generation.ts";
import { findInvalidSampling, type SamplingField, supportedSampling } from "./sampling.ts";

export interface FakeEngineOptions {
  /**
   * The whole text of a choice. Default: the content of the last user message (of a text prompt: the text), its words
   * rotated by seed + choice unless the temperature is 0; with a LoRA, preceded by the LoRA's id and a colon.
   */
  reply?: (request: GenerateRequest, choice: number) => string;
  /** Wait before every token. Default 0. */
  tokenDelayMs?: number;
  clock?: Clock;
  /** Awaited before every token of every choice, so that a test can stop the engine at an exact token. */
  gate?: (at: { request: GenerateRequest; choice: number; token: number }) => Promise<void> | void;
  /** Makes a request fail once `afterTokens` tokens (over all choices) have been delivered; 0: before the first. */
  failure?: (request: GenerateRequest) => { code: EngineErrorCode; afterTokens: number } | undefined;
  /** Most concurrent generations; one more is refused as `overloaded`. Default: no limit. */
  maxConcurrent?: number;
  /** Tokens of a prompt reported as cached, cut to all but the last one. Default: none. */
  cachedTokens?: (promptTokens: number) => number;
  /** Instead, report the hits of a cache of the last prompts, with its scopes and limits. Default false. */
  prefixCache?: boolean;
  /** Awaited before a LoRA is loaded; loading fails with the error it throws (EngineError `invalid` for a bad file). */
  onLoadLora?: (lora: LoraSource) => Promise<void> | void;
  capabilities?: Partial<EngineCapabilities>;
  model?: Partial<EngineModelInfo>;
}

export interface FakeEngine extends Required<Omit<TextEngine, "failWork">> {
  /** Requests so far, oldest first; the last 1,000. */
  readonly requests: readonly GenerateRequest[];
  /** Number of running generations. */
  readonly active: number;
  /** Ids of the loaded LoRAs. */
  readonly loras: readonly string[];
  /** Simulates the death of the process: running and new generations and `health` fail with `unavailable`. */
  crash(): void;
}

const ALL_SAMPLING = supportedSampling({
  temperature: true,
  topP: true,
  topK: true,
  minP: true,
  seed: true,
  frequencyPenalty: true,
  presencePenalty: true,
  repetitionPenalty: true,
  typicalP: true,
  mirostat: true,
  logitBias: true,
});

const DEFAULT_FEATURES = supportedFeatures({
  grammar: true,
  logprobs: true,
  promptTokens: true,
  promptLogprobs: true,
  minTokens: true,
  ignoreEos: true,
  prediction: true,
  cacheScope: true,
  cacheMaxTokens: true,
  lora: true,
  thinking: true,
  plainText: true,
  // The fake engine has nothing to speculate with.
  disableSpeculation: false,
  // Only engines that render chat have these.
  tools: false,
  reasoning: false,
  reasoningBudget: false,
  finalTurn: false,
  json: false,
});

/** Fields of a request whose feature has the same name. */
const OPTIONAL_FIELDS = [
  "grammar",
  "logprobs",
  "minTokens",
  "ignoreEos",
  "prediction",
  "cacheScope",
  "cacheMaxTokens",
  "lora",
  "disableSpeculation",
  "thinking",
  "json",
] as const satisfies readonly EngineFeature[];

const MAX_RECORDED_REQUESTS = 1000;

const CHAT_TEMPLATE =
  "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}" +
  "{% if add_generation_prompt %}assistant: {% endif %}";

/**
 * A deterministic engine without a model. A token is up to six characters of a word with the white space before it;
 * token 0 is the end token. The engine accepts grammars and ignores them. Of the sampling fields only temperature, seed and
 * large logit biases (±100 and beyond) change the output. Like every engine it relies on the platform to refuse what its
 * capabilities lack: such a request fails as `internal`, so that a test can't pass with it.
 */
export function createFakeEngine(options: FakeEngineOptions = {}): FakeEngine {
  return new EchoEngine(options);
}

class EchoEngine implements FakeEngine {
  readonly generation: GenerationEngine = this;
  readonly capabilities: EngineCapabilities;
  readonly model: EngineModelInfo;
  readonly requests: GenerateRequest[] = [];
  readonly #options: FakeEngineOptions;
  readonly #clock: Clock;
  readonly #vocabulary = new FakeVocabulary();
  readonly #cache = new FakePromptCache();
  readonly #gone = new AbortController();
  readonly #loras = new Map<string, LoraSource>();
  #active = 0;

  constructor(options: FakeEngineOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.capabilities = {
      rendersChat: false,
      sampling: ALL_SAMPLING,
      features: DEFAULT_FEATURES,
      exactUsageOnAbort: true,
      earlyFirstDelta: true,
      ...options.capabilities,
    };
    this.model = {
      contextLength: 4096,
      chatTemplate: this.capabilities.rendersChat ? null : CHAT_TEMPLATE,
      bosToken: "",
      eosToken: "",
      ...options.model,
    };
  }

  get active(): number {
    return this.#active;
  }

  get loras(): readonly string[] {
    return [...this.#loras.keys()];
  }

  async loadLora(lora: LoraSource): Promise<void> {
    this.#assertAlive();
    if (!this.capabilities.features.includes("lora")) {
      throw new EngineError("unsupported", "This engine has no LoRAs.");
    }
    const loaded = this.#loras.get(lora.id);
    if (loaded !== undefined) {
      if (loaded.path === lora.path && (loaded.scale ?? 1) === (lora.scale ?? 1)) return;
      throw new EngineError("invalid", `Another LoRA is loaded as "${lora.id}".`);
    }
    await this.#options.onLoadLora?.(lora);
    this.#assertAlive();
    this.#loras.set(lora.id, lora);
  }

  async unloadLora(id: string): Promise<void> {
    this.#assertAlive();
    this.#loras.delete(id);
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    this.#assertAlive();
    this.#assertSupported(request);
    if (this.#active >= (this.#options.maxConcurrent ?? Number.POSITIVE_INFINITY)) {
      throw new EngineError("overloaded", "The model's queue is full.");
    }
    if (request.lora !== undefined && !this.#loras.has(request.lora)) {
      throw new EngineError("invalid", `No LoRA "${request.lora}" is loaded.`);
    }
    if (this.requests.push(request) > MAX_RECORDED_REQUESTS) this.requests.shift();
    this.#active++;
    try {
      yield* this.#run(request, signal);
    } finally {
      this.#active--;
    }
  }

  async tokenize(text: string): Promise<number[]> {
    this.#assertAlive();
    return this.#vocabulary.encode(text);
  }

  async health(): Promise<void> {
    this.#assertAlive();
  }

  async close(): Promise<void> {
    this.#gone.abort();
  }

  crash(): void {
    this.#gone.abort();
  }

  async *#run(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const prompt = this.#promptText(request.input);
    const promptTokens = this.#vocabulary.encode(prompt);
    const contextLength = this.model.contextLength ?? Number.POSITIVE_INFINITY;
    const maxTokens = clampToContext(promptTokens.length, request.maxTokens, contextLength);
    const failure = this.#options.failure?.(request);
    const choices = Array.from({ length: request.n }, (_, index) => {
      const reply = this.#reply(request, prompt, index);
      return new FakeChoice({ index, reply, request, maxTokens, vocabulary: this.#vocabulary });
    });
    const cachedTokens = this.#cachedTokens(request, promptTokens);
    const usage = (): EngineUsage => ({
      promptTokens: promptTokens.length,
      cachedTokens,
      completionTokens: choices.reduce((sum, c) => sum + c.completionTokens, 0),
      ...predictionUsage(choices, request),
    });
    let open = choices;
    for (let token = 0; open.length > 0; token++) {
      for (const choice of open) {
        await this.#pause(request, choice.index, token, signal);
        this.#assertAlive();
        if (failure !== undefined && usage().completionTokens >= failure.afterTokens) {
          throw new EngineError(failure.code, "The engine failed at the request of the test.");
        }
        if (signal.aborted) {
          yield { type: "end", usage: usage(), aborted: true };
          return;
        }
        if (token === 0 && choice.index === 0) yield* this.#opening(request, promptTokens, cachedTokens);
        yield* choice.step();
      }
      open = open.filter((c) => !c.finished);
    }
    yield { type: "end", usage: usage(), aborted: false };
  }

  #opening({ prompt, logprobs = 0 }: GenerateRequest, ids: number[], cachedTokens: number): EngineEvent[] {
    const start: EngineEvent = { type: "start", promptTokens: ids.length, cachedTokens };
    if (prompt === undefined) return [start];
    const tokens = ids.map((id, i) => {
      const info = fakeTokenInfo(id, this.#vocabulary, prompt.logprobs ? logprobs : 0);
      return prompt.logprobs && i > 0 ? info : { ...info, logprob: null, top: [] };
    });
    return [start, { type: "prompt", tokens }];
  }

  #cachedTokens(request: GenerateRequest, promptTokens: readonly number[]): number {
    if (this.#options.prefixCache === true) return this.#cache.matchAndStore(request, promptTokens);
    // An engine always computes the last token of a prompt.
    return Math.min(this.#options.cachedTokens?.(promptTokens.length) ?? 0, promptTokens.length - 1);
  }

  /** Waits for the delay and the gate, at most until the request is aborted or the engine ends. */
  async #pause(request: GenerateRequest, choice: number, token: number, signal: AbortSignal): Promise<void> {
    const { tokenDelayMs = 0, gate } = this.#options;
    if (tokenDelayMs > 0) {
      let cancel = () => {};
      const delay = new Promise<void>((resolve) => {
        cancel = this.#clock.after(tokenDelayMs, resolve);
      });
      await firstOf(delay, signal, this.#gone.signal);
      cancel();
    }
    const gated = gate?.({ request, choice, token });
    if (gated !== undefined) await firstOf(gated, signal, this.#gone.signal);
  }

  #reply(request: GenerateRequest, prompt: string, choice: number): string {
    if (this.#options.reply !== undefined) return this.#options.reply(request, choice);
    const lastMessage = /(?:^|\n)user: ([\s\S]*?)\n(?:assistant: )?$/.exec(
      prompt.slice(lastUserAt(prompt)),
    )?.[1];
    const text = (request.lora === undefined ? "" : `${request.lora}: `) + (lastMessage ?? prompt);
    const { temperature = 1, seed = 0 } = request.sampling;
    if (temperature === 0) return text;
    const words = text.split(" ");
    const rotation = (((seed + choice) % words.length) + words.length) % words.length;
    return [...words.slice(rotation), ...words.slice(0, rotation)].join(" ");
  }

  #promptText(input: EngineInput): string {
    if (input.kind === "text") return input.text;
    if (input.kind === "tokens") return this.#vocabulary.decode(input.tokens);
    return `${input.messages.map((m) => `${m.role}: ${m.content}\n`).join("")}assistant: `;
  }

  /** @throws EngineError `internal` for a request that the platform must refuse before it reaches this engine. */
  #assertSupported({ input, sampling, ...request }: GenerateRequest): void {
    const { features, sampling: honoured, rendersChat } = this.capabilities;
    const unsupported: string[] = Object.keys(sampling).filter(
      (field) => !honoured.includes(field as SamplingField),
    );
    const invalid = findInvalidSampling(sampling);
    if (invalid !== null) unsupported.push(invalid);
    if (input.kind === "chat" && !rendersChat) unsupported.push("chat");
    for (const feature of OPTIONAL_FIELDS) {
      if (request[feature] !== undefined && !features.includes(feature)) unsupported.push(feature);
    }
    if (request.prompt !== undefined && !features.includes("promptTokens")) unsupported.push("promptTokens");
    if (request.prompt?.logprobs === true && !features.includes("promptLogprobs"))
      unsupported.push("promptLogprobs");
    if (input.kind === "text" && input.plain !== undefined && !features.includes("plainText")) {
      unsupported.push("plainText");
    }
    if (unsupported.length > 0) {
      throw new EngineError("internal", `The fake engine does not support ${unsupported.join(", ")}.`);
    }
  }

  #assertAlive(): void {
    if (this.#gone.signal.aborted) throw new EngineError("unavailable", "The model's engine is not running.");
  }
}

function predictionUsage(
  choices: readonly FakeChoice[],
  { prediction }: GenerateRequest,
): Pick<EngineUsage, "prediction"> {
  if (prediction === undefined) return {};
  const acceptedTokens = choices.reduce((sum, c) => sum + c.acceptedTokens, 0);
  const rejectedTokens = choices.reduce((sum, c) => sum + c.rejectedTokens, 0);
  return { prediction: { acceptedTokens, rejectedTokens } };
}

function lastUserAt(prompt: string): number {
  return Math.max(0, prompt.lastIndexOf("\nuser: "));
}

/** Resolves when `work` does or one of the signals is aborted; rejects when `work` does. */
async function firstOf(work: Promise<void>, ...signals: AbortSignal[]): Promise<void> {
  if (signals.some((s) => s.aborted)) return;
  const settled = new AbortController();
  const aborted = signals.map(
    (s) =>
      new Promise<void>((resolve) =>
        s.addEventListener("abort", () => resolve(), { once: true, signal: settled.signal }),
      ),
  );
  try {
    await Promise.race([work, ...aborted]);
  } finally {
    settled.abort();
  }
}

import { EngineError } from "./errors.ts";
import type { EngineEvent, GenerateRequest, TokenInfo } from "./generation.ts";
import { StopMatcher } from "./stop-matcher.ts";

const END = 0;
const END_TEXT = "<|end|>";
/** A token with a bias of at least this is always generated; one with at most minus this, never. */
const DECISIVE = 100;

export interface FakeChoiceOptions {
  index: number;
  reply: string;
  request: GenerateRequest;
  /** As the context limits it. */
  maxTokens: number;
  vocabulary: FakeVocabulary;
}

/** Generates one choice: the tokens of its reply, then the end token. */
export class FakeChoice {
  readonly index: number;
  readonly #request: GenerateRequest;
  readonly #tokens: readonly number[];
  readonly #prediction: readonly number[];
  readonly #vocabulary: FakeVocabulary;
  readonly #matcher: StopMatcher;
  readonly #maxTokens: number;
  #text = "";
  #infos: TokenInfo[] = [];
  #hasDelivered = false;
  completionTokens = 0;
  /** Tokens of the prediction that matched the output at the same position. */
  acceptedTokens = 0;
  finished = false;

  constructor(options: FakeChoiceOptions) {
    const { index, request, maxTokens, vocabulary } = options;
    this.index = index;
    this.#request = request;
    this.#vocabulary = vocabulary;
    this.#tokens = replyTokens(options);
    this.#prediction = predictionTokens(request, vocabulary);
    this.#matcher = new StopMatcher(request.stop);
    this.#maxTokens = maxTokens;
  }

  get rejectedTokens(): number {
    return this.#prediction.length - this.acceptedTokens;
  }

  /** Generates the next token. */
  step(): EngineEvent[] {
    if (this.completionTokens === this.#maxTokens) return this.#finish("length");
    const token = this.#tokens[this.completionTokens]!;
    if (token === this.#prediction[this.completionTokens]) this.acceptedTokens++;
    this.completionTokens++;
    if (this.#request.logprobs !== undefined) {
      this.#infos.push(fakeTokenInfo(token, this.#vocabulary, this.#request.logprobs));
    }
    if (token === END && this.#request.ignoreEos !== true) return this.#finish("stop");
    const text = token === END ? "" : this.#vocabulary.text(token);
    this.#text += this.#matcher.push(text);
    if (this.#matcher.stopped) return this.#finish("stop");
    return this.completionTokens === this.#maxTokens
      ? this.#finish("length")
      : this.#deliver(this.#request.stream || !this.#hasDelivered);
  }

  #finish(reason: "stop" | "length"): EngineEvent[] {
    this.finished = true;
    this.#text += this.#matcher.flush();
    return [...this.#deliver(true), { type: "finish", choice: this.index, reason }];
  }

  #deliver(due: boolean): EngineEvent[] {
    const [text, tokens] = [this.#text, this.#infos];
    if (!due || (text === "" && tokens.length === 0)) return [];
    this.#hasDelivered = true;
    this.#text = "";
    this.#infos = [];
    const event = { type: "delta", choice: this.index, text } as const;
    return [this.#request.logprobs === undefined ? event : { ...event, tokens }];
  }
}

/** Assigns every piece of text a token id when the piece first occurs. */
export class FakeVocabulary {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [END_TEXT];

  get size(): number {
    return this.#texts.length;
  }

  encode(text: string): number[] {
    return splitTokens(text).map((piece) => {
      const known = this.#ids.get(piece);
      if (known !== undefined) return known;
      this.#ids.set(piece, this.#texts.length);
      return this.#texts.push(piece) - 1;
    });
  }

  decode(tokens: readonly number[]): string {
    return tokens.map((id) => this.text(id)).join("");
  }

  /** @throws EngineError `invalid_prompt` for an unknown id. */
  text(id: number): string {
    const text = this.#texts[id];
    if (text === undefined) {
      throw new EngineError("invalid_prompt", "The prompt has a token id that doesn't exist.");
    }
    return text;
  }
}

/** A token with log probabilities that depend on its id alone; the alternatives are the ids after it. */
export function fakeTokenInfo(id: number, vocabulary: FakeVocabulary, top: number): TokenInfo {
  const ranked = (rankedId: number, rank: number) => ({
    id: rankedId,
    bytes: new TextEncoder().encode(vocabulary.text(rankedId)),
    logprob: -((id % 7) + 1) / 10 - rank,
  });
  const alternatives = Array.from({ length: top }, (_, rank) => ranked((id + rank) % vocabulary.size, rank));
  return { ...ranked(id, 0), top: alternatives };
}

/** The tokens of the reply, as the request's biases, thinking budget and token counts change them, and an end token. */
function replyTokens({ reply, request, maxTokens, vocabulary }: FakeChoiceOptions): number[] {
  const { minTokens = 0, ignoreEos, thinking, sampling } = request;
  const bias = new Map(sampling.logitBias ?? []);
  const forced = [...bias].find(([, value]) => value >= DECISIVE)?.[0];
  const endless = ignoreEos === true || (bias.get(END) ?? 0) <= -DECISIVE;
  if (forced !== undefined) return new Array<number>(maxTokens).fill(forced);
  const text = thinking === undefined ? reply : closeThinking(reply, thinking);
  const allowed = vocabulary.encode(text).filter((id) => (bias.get(id) ?? 0) > -DECISIVE);
  const tokens = [...allowed];
  const [filler] = vocabulary.encode(" more");
  while (tokens.length < Math.min(minTokens, maxTokens)) tokens.push(filler!);
  while (endless && tokens.length < maxTokens) tokens.push(ignoreEos === true ? END : filler!, ...allowed);
  tokens.push(END);
  return tokens;
}

/** Cuts the reply's thinking to the budget and puts the closing tag after it. */
function closeThinking(reply: string, thinking: NonNullable<GenerateRequest["thinking"]>): string {
  const { open, close, opened, maxTokens } = thinking;
  const openAt = reply.indexOf(open);
  if (!opened && openAt < 0) return reply;
  const begin = opened ? 0 : openAt + open.length;
  const closeAt = reply.indexOf(close, begin);
  const thought = splitTokens(reply.slice(begin, closeAt < 0 ? undefined : closeAt));
  if (thought.length <= maxTokens) return reply;
  const rest = closeAt < 0 ? thought.slice(maxTokens).join("") : reply.slice(closeAt + close.length);
  return reply.slice(0, begin) + thought.slice(0, maxTokens).join("") + close + rest;
}

function predictionTokens({ prediction }: GenerateRequest, vocabulary: FakeVocabulary): readonly number[] {
  if (prediction === undefined) return [];
  return prediction.kind === "tokens" ? prediction.tokens : vocabulary.encode(prediction.text);
}

function splitTokens(text: string): string[] {
  return text.match(/\s*\S{1,6}|\s+$/gu) ?? [];
}

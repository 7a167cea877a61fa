import type { TextEngine } from "../../engine/engine.ts";
import { EngineError } from "../../engine/errors.ts";
import type { EngineEvent, GenerateRequest, GenerationEngine } from "../../engine/generation.ts";
import type { EngineChannel, ProcessEngineKind } from "../../engine/process.ts";

export interface FixtureOptions {
  path: string | null;
  /** The process ends while it is loading. */
  fails?: boolean;
}

interface Message {
  type: "hello" | "delta" | "end";
  id: number;
  text: string;
}

/** An engine kind for tests: a real process that repeats the prompt as one delta and, for the prompt `hold`, goes on until it is aborted. */
export const fixtureKind: ProcessEngineKind<FixtureOptions> = {
  entry: new URL("./fixture-engine.ts", import.meta.url),
  env: {},
  async connect(channel, options) {
    const engine = new FixtureEngine(channel, options.path);
    if (!options.fails) await engine.loaded;
    else await new Promise(() => channel.send({ type: "exit" }));
    return engine;
  },
};

class FixtureEngine implements TextEngine {
  readonly generation: GenerationEngine = this;
  readonly capabilities = {
    rendersChat: false,
    sampling: [],
    features: [],
    exactUsageOnAbort: false,
    earlyFirstDelta: true,
  };
  readonly model;
  readonly loaded: Promise<void>;
  readonly #channel: EngineChannel;
  readonly #listeners = new Map<number, (message: Message | null) => void>();
  #lastId = 0;

  constructor(channel: EngineChannel, path: string | null) {
    this.#channel = channel;
    this.model = { contextLength: 100, chatTemplate: path, bosToken: "", eosToken: "" };
    this.loaded = new Promise((resolve) => {
      channel.onMessage((message) => {
        if ((message as Message).type === "hello") resolve();
        else this.#listeners.get((message as Message).id)?.(message as Message);
      });
    });
    channel.onClose(() => {
      for (const listener of this.#listeners.values()) listener(null);
    });
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const id = ++this.#lastId;
    const inbox: (Message | null)[] = [];
    let wake = () => {};
    this.#listeners.set(id, (message) => {
      inbox.push(message);
      wake();
    });
    signal.addEventListener("abort", () => this.#channel.send({ type: "finish", id }));
    this.#channel.send({
      type: "generate",
      id,
      text: request.input.kind === "text" ? request.input.text : "",
    });
    const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 1 };
    try {
      for (;;) {
        const message = inbox.shift();
        if (message === null) throw new EngineError("unavailable", "The model's process has ended.");
        if (message?.type === "delta") yield { type: "delta", choice: 0, text: message.text };
        if (message?.type === "end") {
          if (!signal.aborted) yield { type: "finish", choice: 0, reason: "stop" };
          return yield { type: "end", usage, aborted: signal.aborted };
        }
        if (inbox.length > 0) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#listeners.delete(id);
    }
  }

  async tokenize(text: string): Promise<number[]> {
    return [text.length];
  }

  async health(): Promise<void> {}

  async close(): Promise<void> {}
}

/** The client libraries that people use with the real service, each wrapped in the calls that the tests need. */
import { createFireworks } from "@ai-sdk/fireworks";
import { FireworksAI } from "@fireworksai/sdk";
import * as fireworksErrors from "@fireworksai/sdk/models/index.js";
import { ChatFireworks } from "@langchain/community/chat_models/fireworks";
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { APICallError, generateText, streamText } from "ai";
import OpenAI from "openai";
import { expect } from "vitest";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatOptions {
  baseUrl: string;
  apiKey: string;
  model: string;
  messages: ChatMessage[];
  maxTokens: number;
  signal?: AbortSignal;
}

export interface Answer {
  text: string;
  promptTokens: number | undefined;
  completionTokens: number | undefined;
}

export interface Client {
  name: string;
  chat(options: ChatOptions): Promise<Answer>;
  /** The text deltas; throws the client's own error. */
  stream(options: ChatOptions): AsyncIterable<string>;
  /** Completes a plain prompt; absent when the client has no such call. */
  complete?(options: Omit<ChatOptions, "messages"> & { prompt: string }): Promise<Answer>;
  /** Fails unless `error` is the one that this client throws for the status. */
  expectError(error: unknown, status: 400 | 401 | 404): void;
  /** The client's errors contain the server's message. */
  passesMessage: boolean;
}

const openai: Client = {
  name: "openai",
  passesMessage: true,
  async chat(options) {
    const response = await openaiOf(options).chat.completions.create(openaiBody(options), signalOf(options));
    return {
      text: response.choices[0]?.message.content ?? "",
      promptTokens: response.usage?.prompt_tokens,
      completionTokens: response.usage?.completion_tokens,
    };
  },
  async *stream(options) {
    const body = { ...openaiBody(options), stream: true } as const;
    for await (const chunk of await openaiOf(options).chat.completions.create(body, signalOf(options))) {
      yield chunk.choices[0]?.delta.content ?? "";
    }
  },
  async complete({ prompt, ...options }) {
    const response = await openaiOf(options).completions.create({
      model: options.model,
      prompt,
      max_tokens: options.maxTokens,
      temperature: 0,
    });
    return {
      text: response.choices[0]?.text ?? "",
      promptTokens: response.usage?.prompt_tokens,
      completionTokens: response.usage?.completion_tokens,
    };
  },
  expectError(error, status) {
    const kinds = {
      400: OpenAI.BadRequestError,
      401: OpenAI.AuthenticationError,
      404: OpenAI.NotFoundError,
    };
    expect(error).toBeInstanceOf(kinds[status]);
    expect((error as InstanceType<typeof OpenAI.APIError>).code).toBe(
      { 400: "BAD_REQUEST", 401: "UNAUTHORIZED", 404: "NOT_FOUND" }[status],
    );
  },
};

function openaiOf({ baseUrl, apiKey }: { baseUrl: string; apiKey: string }): OpenAI {
  return new OpenAI({ baseURL: baseUrl, apiKey, maxRetries: 0 });
}

const openaiBody = (options: ChatOptions) => ({
  model: options.model,
  messages: options.messages,
  max_tokens: options.maxTokens,
  temperature: 0,
});

function signalOf({ signal }: { signal?: AbortSignal }): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

const aiSdk: Client = {
  name: "@ai-sdk/fireworks",
  passesMessage: true,
  async chat(options) {
    const { text, usage } = await generateText(aiCall(options));
    return { text, promptTokens: usage.inputTokens, completionTokens: usage.outputTokens };
  },
  async *stream(options) {
    const { fullStream } = streamText({ ...aiCall(options), onError: () => {} });
    for await (const part of fullStream) {
      if (part.type === "text-delta") yield part.text;
      if (part.type === "error") throw part.error;
      if (part.type === "abort") throw new DOMException("aborted", "AbortError");
    }
  },
  async complete({ prompt, ...options }) {
    const { text, usage } = await generateText({
      model: createFireworks({ baseURL: options.baseUrl, apiKey: options.apiKey }).completionModel(
        options.model,
      ),
      prompt,
      maxOutputTokens: options.maxTokens,
      temperature: 0,
      maxRetries: 0,
    });
    return { text, promptTokens: usage.inputTokens, completionTokens: usage.outputTokens };
  },
  expectError(error, status) {
    expect(APICallError.isInstance(error)).toBe(true);
    expect((error as APICallError).statusCode).toBe(status);
  },
};

const aiCall = (options: ChatOptions) => ({
  model: createFireworks({ baseURL: options.baseUrl, apiKey: options.apiKey })(options.model),
  messages: options.messages,
  maxOutputTokens: options.maxTokens,
  temperature: 0,
  maxRetries: 0,
  ...(options.signal === undefined ? {} : { abortSignal: options.signal }),
});

const fireworks: Client = {
  name: "@fireworksai/sdk",
  // The client's error classes have a fixed message and drop the body.
  passesMessage: false,
  async chat(options) {
    const response = await fireworksOf(options).chat.completions.create(
      { ...fireworksBody(options), stream: false },
      fetchOptionsOf(options),
    );
    return {
      text: String(response.choices[0]?.message.content ?? ""),
      promptTokens: response.usage?.promptTokens,
      completionTokens: response.usage?.completionTokens ?? undefined,
    };
  },
  async *stream(options) {
    const events = await fireworksOf(options).chat.completions.create(
      { ...fireworksBody(options), stream: true },
      fetchOptionsOf(options),
    );
    for await (const event of events) {
      const { data } = event as { data?: { choices: { delta: { content?: string | null } }[] } };
      yield data?.choices[0]?.delta.content ?? "";
    }
  },
  async complete({ prompt, ...options }) {
    const response = await fireworksOf(options).completions.create({
      model: options.model,
      prompt,
      maxTokens: options.maxTokens,
      temperature: 0,
      stream: false,
    });
    return {
      text: response.choices[0]?.text ?? "",
      promptTokens: response.usage?.promptTokens,
      completionTokens: response.usage?.completionTokens ?? undefined,
    };
  },
  expectError(error, status) {
    const kinds = {
      400: fireworksErrors.BadRequest,
      401: fireworksErrors.Unauthorized,
      404: fireworksErrors.NotFound,
    };
    expect(error).toBeInstanceOf(kinds[status]);
  },
};

const fireworksOf = (options: { baseUrl: string; apiKey: string }): FireworksAI =>
  new FireworksAI({ serverURL: options.baseUrl, apiKey: options.apiKey });

/** All other parameters keep the library's defaults, which the library sends explicitly. */
const fireworksBody = (options: ChatOptions) => ({
  model: options.model,
  messages: options.messages,
  maxTokens: options.maxTokens,
  temperature: 0,
});

const fetchOptionsOf = ({ signal }: ChatOptions) =>
  signal === undefined ? {} : { fetchOptions: { signal } };

/** The constructor overwrites `configuration`, so the address can only be changed afterwards. */
class ChatFireworksElsewhere extends ChatFireworks {
  constructor(options: ChatOptions) {
    super({
      apiKey: options.apiKey,
      model: options.model,
      maxTokens: options.maxTokens,
      temperature: 0,
      maxRetries: 0,
    });
    this.clientConfig.baseURL = options.baseUrl;
  }
}

const langchain: Client = {
  name: "@langchain/community ChatFireworks",
  passesMessage: true,
  async chat(options) {
    const response = await new ChatFireworksElsewhere(options).invoke(
      langchainMessages(options.messages),
      signalOf(options),
    );
    // The installed core's type is of another major version; the value is the documented one.
    const usage = response.usage_metadata as { input_tokens: number; output_tokens: number } | undefined;
    return {
      text: String(response.content),
      promptTokens: usage?.input_tokens,
      completionTokens: usage?.output_tokens,
    };
  },
  async *stream(options) {
    const model = new ChatFireworksElsewhere(options);
    for await (const chunk of await model.stream(langchainMessages(options.messages), signalOf(options))) {
      yield String(chunk.content);
    }
  },
  expectError(error, status) {
    // The library recognises context overflow by the message and throws a class without a status.
    if ((error as Error).name === "ContextOverflowError") expect(status).toBe(400);
    else expect((error as { status?: number }).status).toBe(status);
  },
};

function langchainMessages(messages: ChatMessage[]): BaseMessage[] {
  const kinds = { system: SystemMessage, user: HumanMessage, assistant: AIMessage };
  return messages.map(({ role, content }) => new kinds[role](content));
}

export const CLIENTS: readonly Client[] = [openai, aiSdk, fireworks, langchain];

/** The client libraries that people use with the real service, each wrapped in the calls that the tests need. */
import { createFireworks } from "@ai-sdk/fireworks";
import { FireworksAI } from "@fireworksai/sdk";
import * as fireworksErrors from "@fireworksai/sdk/models/index.js";
import { ChatFireworks } from "@langchain/community/chat_models/fireworks";
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { APICallError, generateText, streamText } from "ai";
import OpenAI from "openai";
import { expect } from "vitest";

export interface Turn {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Ask {
  baseUrl: string;
  apiKey: string;
  model: string;
  messages: Turn[];
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
  chat(ask: Ask): Promise<Answer>;
  /** The text deltas; throws the client's own error. */
  stream(ask: Ask): AsyncIterable<string>;
  /** Completes a plain prompt; absent when the client has no such call. */
  complete?(ask: Omit<Ask, "messages"> & { prompt: string }): Promise<Answer>;
  /** Fails unless `error` is the one that this client throws for the status. */
  expectError(error: unknown, status: 400 | 401 | 404): void;
  /** The client's errors contain the server's message. */
  passesMessage: boolean;
}

const openai: Client = {
  name: "openai",
  passesMessage: true,
  async chat(ask) {
    const reply = await openaiOf(ask).chat.completions.create(openaiBody(ask), signalOf(ask));
    return {
      text: reply.choices[0]?.message.content ?? "",
      promptTokens: reply.usage?.prompt_tokens,
      completionTokens: reply.usage?.completion_tokens,
    };
  },
  async *stream(ask) {
    const body = { ...openaiBody(ask), stream: true } as const;
    for await (const chunk of await openaiOf(ask).chat.completions.create(body, signalOf(ask))) {
      yield chunk.choices[0]?.delta.content ?? "";
    }
  },
  async complete({ prompt, ...ask }) {
    const reply = await openaiOf(ask).completions.create({
      model: ask.model,
      prompt,
      max_tokens: ask.maxTokens,
      temperature: 0,
    });
    return {
      text: reply.choices[0]?.text ?? "",
      promptTokens: reply.usage?.prompt_tokens,
      completionTokens: reply.usage?.completion_tokens,
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

const openaiBody = (ask: Ask) => ({
  model: ask.model,
  messages: ask.messages,
  max_tokens: ask.maxTokens,
  temperature: 0,
});

function signalOf({ signal }: { signal?: AbortSignal }): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

const aiSdk: Client = {
  name: "@ai-sdk/fireworks",
  passesMessage: true,
  async chat(ask) {
    const { text, usage } = await generateText(aiCall(ask));
    return { text, promptTokens: usage.inputTokens, completionTokens: usage.outputTokens };
  },
  async *stream(ask) {
    const { fullStream } = streamText({ ...aiCall(ask), onError: () => {} });
    for await (const part of fullStream) {
      if (part.type === "text-delta") yield part.text;
      if (part.type === "error") throw part.error;
      if (part.type === "abort") throw new DOMException("aborted", "AbortError");
    }
  },
  async complete({ prompt, ...ask }) {
    const { text, usage } = await generateText({
      model: createFireworks({ baseURL: ask.baseUrl, apiKey: ask.apiKey }).completionModel(ask.model),
      prompt,
      maxOutputTokens: ask.maxTokens,
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

const aiCall = (ask: Ask) => ({
  model: createFireworks({ baseURL: ask.baseUrl, apiKey: ask.apiKey })(ask.model),
  messages: ask.messages,
  maxOutputTokens: ask.maxTokens,
  temperature: 0,
  maxRetries: 0,
  ...(ask.signal === undefined ? {} : { abortSignal: ask.signal }),
});

const fireworks: Client = {
  name: "@fireworksai/sdk",
  // The client's error classes have a fixed message and drop the body.
  passesMessage: false,
  async chat(ask) {
    const reply = await fireworksOf(ask).chat.completions.create(
      { ...fireworksBody(ask), stream: false },
      fetchOptionsOf(ask),
    );
    return {
      text: String(reply.choices[0]?.message.content ?? ""),
      promptTokens: reply.usage?.promptTokens,
      completionTokens: reply.usage?.completionTokens ?? undefined,
    };
  },
  async *stream(ask) {
    const events = await fireworksOf(ask).chat.completions.create(
      { ...fireworksBody(ask), stream: true },
      fetchOptionsOf(ask),
    );
    for await (const event of events) {
      const { data } = event as { data?: { choices: { delta: { content?: string | null } }[] } };
      yield data?.choices[0]?.delta.content ?? "";
    }
  },
  async complete({ prompt, ...ask }) {
    const reply = await fireworksOf(ask).completions.create({
      model: ask.model,
      prompt,
      maxTokens: ask.maxTokens,
      temperature: 0,
      stream: false,
    });
    return {
      text: reply.choices[0]?.text ?? "",
      promptTokens: reply.usage?.promptTokens,
      completionTokens: reply.usage?.completionTokens ?? undefined,
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

const fireworksOf = (ask: { baseUrl: string; apiKey: string }): FireworksAI =>
  new FireworksAI({ serverURL: ask.baseUrl, apiKey: ask.apiKey });

/** All other parameters keep the library's defaults, which the library sends explicitly. */
const fireworksBody = (ask: Ask) => ({
  model: ask.model,
  messages: ask.messages,
  maxTokens: ask.maxTokens,
  temperature: 0,
});

const fetchOptionsOf = ({ signal }: Ask) => (signal === undefined ? {} : { fetchOptions: { signal } });

/** The constructor overwrites `configuration`, so the address can only be changed afterwards. */
class ChatFireworksElsewhere extends ChatFireworks {
  constructor(ask: Ask) {
    super({
      apiKey: ask.apiKey,
      model: ask.model,
      maxTokens: ask.maxTokens,
      temperature: 0,
      maxRetries: 0,
    });
    this.clientConfig.baseURL = ask.baseUrl;
  }
}

const langchain: Client = {
  name: "@langchain/community ChatFireworks",
  passesMessage: true,
  async chat(ask) {
    const reply = await new ChatFireworksElsewhere(ask).invoke(
      langchainMessages(ask.messages),
      signalOf(ask),
    );
    // The installed core's type is of another major version; the value is the documented one.
    const usage = reply.usage_metadata as { input_tokens: number; output_tokens: number } | undefined;
    return {
      text: String(reply.content),
      promptTokens: usage?.input_tokens,
      completionTokens: usage?.output_tokens,
    };
  },
  async *stream(ask) {
    const model = new ChatFireworksElsewhere(ask);
    for await (const chunk of await model.stream(langchainMessages(ask.messages), signalOf(ask))) {
      yield String(chunk.content);
    }
  },
  expectError(error, status) {
    // The library recognises context overflow by the message and throws a class without a status.
    if ((error as Error).name === "ContextOverflowError") expect(status).toBe(400);
    else expect((error as { status?: number }).status).toBe(status);
  },
};

function langchainMessages(messages: Turn[]): BaseMessage[] {
  const kinds = { system: SystemMessage, user: HumanMessage, assistant: AIMessage };
  return messages.map(({ role, content }) => new kinds[role](content));
}

export const CLIENTS: readonly Client[] = [openai, aiSdk, fireworks, langchain];

import OpenAI from "openai";
import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, MODEL, metric, startHearth, until } from "../harness/hearth.ts";
import { type ChatMessage, type ChatOptions, CLIENTS, type Client } from "./clients.ts";

let hearth: Hearth;

beforeAll(async () => {
  hearth = await startHearth();
});

const user = (content: string): ChatMessage[] => [{ role: "user", content }];

function chatOptions(over: Partial<ChatOptions> = {}): ChatOptions {
  return {
    baseUrl: hearth.baseUrl,
    apiKey: hearth.apiKey,
    model: MODEL,
    messages: user("Name a colour."),
    maxTokens: 12,
    ...over,
  };
}

/** A few-shot dialogue after which even a small model repeats `word`. */
function echoDialogue(word: string): ChatMessage[] {
  const shot = (answer: string): ChatMessage[] => [
    { role: "user", content: `Say ${answer}` },
    { role: "assistant", content: `${answer} ${answer} ${answer} ${answer} ${answer}` },
  ];
  return [...shot("table"), ...shot("paper"), ...shot("glass"), { role: "user", content: `Say ${word}` }];
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it succeeded");
}

async function collect(client: Client, options: ChatOptions): Promise<string> {
  let text = "";
  for await (const delta of client.stream(options)) text += delta;
  return text;
}

describe.each(CLIENTS)("$name", (client) => {
  test("gets a chat response with its token counts", async () => {
    const answer = await client.chat(chatOptions());
    expect(answer.text).not.toBe("");
    expect(answer.promptTokens).toBeGreaterThan(5);
    expect(answer.completionTokens).toBeGreaterThan(0);
    expect(answer.completionTokens).toBeLessThanOrEqual(12);
  });

  test("gets the same text streamed and unstreamed", async () => {
    const asked = chatOptions({ messages: echoDialogue("river") });
    const [whole, streamed] = [await client.chat(asked), await collect(client, asked)];
    expect(streamed).toBe(whole.text);
  });

  test("stops the generation by an abort and is billed as cancelled", async () => {
    const known = new Set((await hearth.usageRows()).map((row) => row.id));
    const leave = new AbortController();
    let deltas = 0;
    const asked = chatOptions({
      messages: user("Count from 1 to 500, separated by commas."),
      maxTokens: 1500,
      signal: leave.signal,
    });
    try {
      for await (const text of client.stream(asked)) {
        if (text !== "") deltas++;
        if (deltas === 3) leave.abort();
      }
    } catch {
      // Some clients throw on an abort, some end the stream.
    }
    const row = await until("a cancelled request in the ledger", async () =>
      (await hearth.usageRows()).find((one) => !known.has(one.id) && one.outcome === "cancelled"),
    );
    expect(row.completionTokens).toBeGreaterThanOrEqual(3);
    expect(row.completionTokens).toBeLessThan(1500);
    await until("a free server", async () => (await metric(hearth, "hearth_requests_in_flight")) === 0);
  });

  test("raises its authentication error for a wrong key", async () => {
    const asked = chatOptions({ apiKey: "fw_00000000000000000000000000000000" });
    client.expectError(await failure(client.chat(asked)), 401);
    client.expectError(await failure(collect(client, asked)), 401);
  });

  test("raises its not-found error for an unknown model", async () => {
    const asked = chatOptions({ model: "accounts/fireworks/models/no-such-model" });
    const error = await failure(client.chat(asked));
    client.expectError(error, 404);
    if (client.passesMessage) expect(String(error)).toContain("no-such-model");
    client.expectError(await failure(collect(client, asked)), 404);
  });

  test("raises its bad-request error for an over-long prompt", async () => {
    const asked = chatOptions({ messages: user("word ".repeat(9_000)) });
    for (const error of [await failure(client.chat(asked)), await failure(collect(client, asked))]) {
      client.expectError(error, 400);
      if (client.passesMessage) expect(String(error)).toMatch(/context/);
    }
  });

  test("gets eight streams at once, each whole and unmixed", async () => {
    const words = ["apple", "house", "water", "green", "music", "happy", "tiger", "bread"];
    const texts = await Promise.all(
      words.map((word) => collect(client, chatOptions({ messages: echoDialogue(word), maxTokens: 8 }))),
    );
    texts.forEach((text, i) => {
      for (const word of words) expect(text.includes(word), `"${text}" and ${word}`).toBe(word === words[i]);
    });
  });

  const { complete } = client;
  if (complete !== undefined) {
    test("completes a prompt", async () => {
      const answer = await complete({ ...chatOptions(), prompt: "one two three four five six seven" });
      expect(answer.text).not.toBe("");
      expect(answer.completionTokens).toBeGreaterThan(0);
    });
  }
});

describe("the openai SDK beyond chat", () => {
  const client = (): OpenAI => new OpenAI({ baseURL: hearth.baseUrl, apiKey: hearth.apiKey, maxRetries: 0 });

  test("lists every callable model with models.list()", async () => {
    const ids: string[] = [];
    for await (const model of client().models.list()) ids.push(model.id);
    expect(ids).toContain(MODEL);
  });

  test("finds a model with models.retrieve(), which encodes the name", async () => {
    const model = await client().models.retrieve(MODEL);
    expect(model).toMatchObject({ id: MODEL, object: "model", owned_by: "fireworks" });
    const error = await failure(client().models.retrieve("accounts/fireworks/models/no-such-model"));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("works the same under the prefix /v1", async () => {
    const other = new OpenAI({ baseURL: `${hearth.origin}/v1`, apiKey: hearth.apiKey, maxRetries: 0 });
    const response = await other.chat.completions.create({
      model: MODEL,
      messages: user("Hello"),
      max_completion_tokens: 4,
    });
    expect(response.choices).toHaveLength(1);
  });

  test("gets errors with the field and the request id", async () => {
    const error = await failure(
      client().chat.completions.create({ model: MODEL, messages: user("word ".repeat(9_000)) }),
    );
    expect(error).toMatchObject({ param: "messages", type: "invalid_request_error" });
    expect((error as { requestID: string }).requestID).toMatch(/^[0-9a-f]{32}$/);
  });

  test("gathers a whole response and its usage with the stream helper", async () => {
    const runner = client().chat.completions.stream({
      model: MODEL,
      messages: user("Name a colour."),
      max_tokens: 8,
      stream_options: { include_usage: true },
    });
    const response = await runner.finalChatCompletion();
    expect(response.choices[0]?.finish_reason).toMatch(/^(stop|length)$/);
    expect((await runner.totalUsage()).completion_tokens).toBeGreaterThan(0);
  });
});

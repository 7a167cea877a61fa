import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, MODEL, rowOf, startHearth } from "../harness/hearth.ts";
import { type HttpResponse, type Json, post, send, stream } from "../harness/http.ts";
import { contract, expectError } from "./contract.ts";

const CHAT = "/inference/v1/chat/completions";
const COMPLETIONS = "/inference/v1/completions";
const FALLEN_BACK = "accounts/fireworks/models/llama-v3p1-8b-instruct";

let hearth: Hearth;
let contextLength: number;

beforeAll(async () => {
  hearth = await startHearth({
    env: { HEARTH_MODEL_ALIASES: `gpt-4o=${MODEL}`, HEARTH_FALLBACK_MODEL: MODEL },
  });
  contextLength = (await send(hearth, `/v1/models/${MODEL}`)).json.context_length;
});

/** A repeated word that the model reliably continues, so that generations do not end early. */
const REPEATING = "red green blue ".repeat(8).trim();

async function complete(extra: object = {}): Promise<HttpResponse> {
  const body = { model: MODEL, prompt: REPEATING, max_tokens: 16, temperature: 0, ...extra };
  const response = await post(hearth, COMPLETIONS, body);
  expect(response.status, response.text).toBe(200);
  return response;
}

const chatBody = (extra: object = {}) => ({
  model: MODEL,
  messages: [{ role: "user", content: "Name three colours." }],
  max_tokens: 8,
  temperature: 0,
  ...extra,
});

async function chat(extra: object = {}): Promise<HttpResponse> {
  const response = await post(hearth, CHAT, chatBody(extra));
  expect(response.status, response.text).toBe(200);
  return response;
}

const textOf = (response: HttpResponse): string => response.json.choices[0].text;

describe("usage", () => {
  test("is on the finish chunk of a stream and null on every other", async () => {
    const { chunks } = await stream(hearth, CHAT, chatBody());
    const last = chunks.at(-1);
    expect(last.choices[0].finish_reason).toMatch(/^(stop|length)$/);
    expect(last.usage.total_tokens).toBe(last.usage.prompt_tokens + last.usage.completion_tokens);
    expect(chunks.slice(0, -1).map((chunk) => chunk.usage)).toEqual(chunks.slice(1).map(() => null));
  });

  test("is on the last finish chunk of a stream with several choices", async () => {
    const { chunks } = await stream(hearth, CHAT, chatBody({ n: 2 }));
    expect(chunks.filter((chunk) => chunk.usage !== null)).toEqual([chunks.at(-1)]);
    expect(chunks.at(-1).choices[0].finish_reason).not.toBeNull();
  });

  test("has OpenAI's layout with include_usage: null on each chunk, then a chunk of usage alone", async () => {
    for (const [path, body] of [
      [CHAT, chatBody()],
      [COMPLETIONS, { model: MODEL, prompt: REPEATING, max_tokens: 4 }],
    ] as const) {
      const { chunks } = await stream(hearth, path, { ...body, stream_options: { include_usage: true } });
      const last = chunks.at(-1);
      expect(last.choices).toEqual([]);
      expect(last.usage.completion_tokens).toBeGreaterThan(0);
      expect(chunks.slice(0, -1).map((chunk) => chunk.usage)).toEqual(chunks.slice(1).map(() => null));
      expect(chunks.at(-2).choices[0].finish_reason).not.toBeNull();
    }
  });

  test("is the same for a stream and an unstreamed response", async () => {
    const whole = (await chat()).json.usage;
    const { usage } = (await stream(hearth, CHAT, chatBody())).chunks.at(-1);
    expect([usage.prompt_tokens, usage.completion_tokens]).toEqual([
      whole.prompt_tokens,
      whole.completion_tokens,
    ]);
  });

  test("is the same in the ledger and in the response", async () => {
    for (const response of [await chat({ n: 2 }), await complete()]) {
      const row = await rowOf(hearth, String(response.headers["x-request-id"]));
      const { usage } = response.json;
      expect(row).toMatchObject({
        accountId: "local",
        model: MODEL,
        outcome: "ok",
        status: 200,
        promptTokens: usage.prompt_tokens,
        cachedTokens: usage.prompt_tokens_details.cached_tokens,
        completionTokens: usage.completion_tokens,
      });
      expect(row.replica).not.toBeNull();
      expect(response.json.id.endsWith(row.id)).toBe(true);
    }
  });

  test("counts a repeated prompt's tokens as cached", async () => {
    const content = "It was the best of times, it was the worst of times. ".repeat(12);
    await chat({ messages: [{ role: "user", content }] });
    const again = await chat({ messages: [{ role: "user", content: `${content} Who wrote this?` }] });
    const cached = again.json.usage.prompt_tokens_details.cached_tokens;
    expect(cached).toBeGreaterThan(100);
    expect(cached).toBeLessThan(again.json.usage.prompt_tokens);
    expect(again.headers["fireworks-cached-prompt-tokens"]).toBe(String(cached));
  });
});

describe("headers", () => {
  test("give the tokens and times of an unstreamed response", async () => {
    for (const response of [await chat(), await complete()]) {
      const { headers } = response;
      const { usage } = response.json;
      expect(headers["fireworks-prompt-tokens"]).toBe(String(usage.prompt_tokens));
      expect(headers["fireworks-cached-prompt-tokens"]).toBe(
        String(usage.prompt_tokens_details.cached_tokens),
      );
      const firstS = Number(headers["fireworks-server-time-to-first-token"]);
      const totalS = Number(headers["fireworks-server-processing-time"]);
      expect(firstS).toBeGreaterThan(0);
      expect(totalS).toBeGreaterThanOrEqual(firstS);
      expect(headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
    }
  });
});

describe("choices", () => {
  test("are n in order; their tokens add up and the prompt counts once", async () => {
    const one = (await chat()).json;
    const three = (await chat({ n: 3 })).json;
    expect(three.choices.map((choice: Json) => choice.index)).toEqual([0, 1, 2]);
    for (const choice of three.choices) {
      expect(choice.message.content).not.toBe("");
      expect(choice.finish_reason).toMatch(/^(stop|length)$/);
    }
    expect(three.usage.prompt_tokens).toBe(one.usage.prompt_tokens);
    expect(three.usage.completion_tokens).toBeGreaterThan(one.usage.completion_tokens);
  });

  test("each open with their role and finish once in a stream", async () => {
    const { chunks } = await stream(hearth, CHAT, chatBody({ n: 3, temperature: 1 }));
    for (const index of [0, 1, 2]) {
      const own = chunks.flatMap((chunk) => chunk.choices).filter((choice: Json) => choice.index === index);
      expect(own[0].delta).toEqual({ role: "assistant", content: "" });
      expect(own.filter((choice: Json) => choice.finish_reason !== null)).toEqual([own.at(-1)]);
      expect(own.slice(1).filter((choice: Json) => "role" in choice.delta)).toEqual([]);
    }
  });

  test("differ within one request when they are sampled", async () => {
    const { choices } = (await complete({ prompt: "Once upon a time", n: 2, temperature: 1, seed: 7 })).json;
    expect(choices[0].text).not.toBe(choices[1].text);
  });
});

describe("stop", () => {
  test("ends the text before the stop text, streamed or not, within a token or across several", async () => {
    const full = textOf(await complete({ max_tokens: 24 }));
    for (const [from, length] of [
      [9, 1],
      [9, 6],
      [14, 12],
    ] as const) {
      const stop = full.slice(from, from + length);
      const expected = full.slice(0, full.indexOf(stop));
      const response = await complete({ max_tokens: 24, stop });
      expect(textOf(response)).toBe(expected);
      expect(response.json.choices[0].finish_reason).toBe("stop");
      const streamed = await stream(hearth, COMPLETIONS, {
        model: MODEL,
        prompt: REPEATING,
        max_tokens: 24,
        temperature: 0,
        stop: ["never in there", stop],
      });
      expect(streamed.text).toBe(expected);
      expect(streamed.chunks.at(-1).choices[0].finish_reason).toBe("stop");
    }
  });

  test("changes nothing when the stop text never comes", async () => {
    expect(textOf(await complete({ stop: ["purple elephant"] }))).toBe(textOf(await complete()));
  });
});

describe("length", () => {
  test("is exactly max_tokens with finish_reason length; max_completion_tokens means the same", async () => {
    for (const name of ["max_tokens", "max_completion_tokens"]) {
      const response = await post(hearth, COMPLETIONS, { model: MODEL, prompt: REPEATING, [name]: 5 });
      expect(response.json.choices[0].finish_reason).toBe("length");
      expect(response.json.usage.completion_tokens).toBe(5);
    }
  });

  test("is zero with max_tokens 0", async () => {
    const response = await complete({ max_tokens: 0 });
    expect(textOf(response)).toBe("");
    expect(response.json.usage.completion_tokens).toBe(0);
    expect(response.json.choices[0].finish_reason).toBe("length");
  });

  test("is refused when both names are given", async () => {
    const response = await post(hearth, CHAT, chatBody({ max_completion_tokens: 8 }));
    expectError(response, "BAD_REQUEST", "max_completion_tokens");
  });

  test("is refused with both figures when the prompt is one token too long", async () => {
    const prompt = new Array(contextLength + 1).fill(1000);
    const response = await post(hearth, COMPLETIONS, { model: MODEL, prompt, temperature: 0 });
    expectError(response, "BAD_REQUEST", "prompt");
    expect(response.json.error.message).toContain(String(contextLength + 1));
    expect(response.json.error.message).toContain(String(contextLength));
  });

  test("may be asked for beyond the context's size", async () => {
    const response = await complete({ max_tokens: 1_000_000, stop: " " });
    expect(response.json.choices[0].finish_reason).toBe("stop");
  });
});

describe("sampling", () => {
  const open = { prompt: "The most surprising thing about the sea is", max_tokens: 24 };

  test("with temperature 0 gives the same text each time, whatever the seed", async () => {
    const first = textOf(await complete({ ...open, seed: 1 }));
    expect(textOf(await complete({ ...open, seed: 2 }))).toBe(first);
    expect(textOf(await complete(open))).toBe(first);
  });

  test("with the same seed gives the same text, with another seed another", async () => {
    const sampled = async (seed: number): Promise<string> =>
      textOf(await complete({ ...open, temperature: 1, seed }));
    const first = await sampled(11);
    expect(await sampled(11)).toBe(first);
    expect(await sampled(12)).not.toBe(first);
    expect(await sampled(11)).toBe(first);
  });

  test("without a seed gives different responses", async () => {
    const sampled = { ...open, temperature: 1.2 };
    expect(textOf(await complete(sampled))).not.toBe(textOf(await complete(sampled)));
  });

  test.each([{ top_k: 1 }, { min_p: 1 }, { top_p: 0 }, { top_p: 1e-9 }])(
    "with %j leaves only the likeliest token",
    async (cut) => {
      const greedy = textOf(await complete(open));
      expect(textOf(await complete({ ...open, temperature: 1, seed: 3, ...cut }))).toBe(greedy);
    },
  );

  test.each([{ frequency_penalty: 2 }, { presence_penalty: 2 }, { repetition_penalty: 2 }])(
    "with %j changes a text that repeats a word",
    async (penalty) => {
      const long = { ...open, max_tokens: 48 };
      expect(textOf(await complete({ ...long, ...penalty }))).not.toBe(textOf(await complete(long)));
    },
  );

  test("with a negative frequency penalty keeps repeating", async () => {
    const once = textOf(await complete({ prompt: "la la la", max_tokens: 12, frequency_penalty: -2 }));
    expect(new Set(once.trim().slice(-6).split("")).size).toBeLessThanOrEqual(3);
  });
});

describe("messages", () => {
  test("may have text parts, which are joined, and the role developer, which means system", async () => {
    const say = (role: string, content: unknown) => [
      { role, content },
      { role: "user", content: "Who are you?" },
    ];
    const plain = (await chat({ messages: say("system", "You are a pirate.") })).json;
    const parts = [
      { type: "text", text: "You are " },
      { type: "text", text: "a pirate." },
    ];
    for (const messages of [say("system", parts), say("developer", "You are a pirate.")]) {
      const other = (await chat({ messages })).json;
      expect(other.usage.prompt_tokens).toBe(plain.usage.prompt_tokens);
      expect(other.choices[0].message.content).toBe(plain.choices[0].message.content);
    }
  });

  test("may hold an earlier response unchanged as the assistant's turn", async () => {
    const { message } = (await chat()).json.choices[0];
    const messages = [
      { role: "user", content: "Name three colours." },
      message,
      { role: "user", content: "Name one more." },
    ];
    expect((await chat({ messages })).json.choices[0].message.role).toBe("assistant");
  });

  test("in the form of a list of one prompt mean that prompt", async () => {
    expect(textOf(await complete({ prompt: [REPEATING] }))).toBe(textOf(await complete()));
  });
});

describe("names", () => {
  test("in full, short and alias form reach the same model, and the response gives its full name", async () => {
    for (const model of [MODEL, "fireworks/smollm2-135m-instruct", "gpt-4o"]) {
      const response = await chat({ model });
      expect(response.json.model).toBe(MODEL);
      expect(response.headers["x-hearth-fallback-model"]).toBeUndefined();
      expect((await rowOf(hearth, String(response.headers["x-request-id"]))).model).toBe(MODEL);
    }
  });

  test("get the fallback's answer for catalog models that are not served, with a header that says so", async () => {
    const response = await chat({ model: FALLEN_BACK });
    expect(response.headers["x-hearth-fallback-model"]).toBe(MODEL);
    const streamed = await stream(hearth, CHAT, chatBody({ model: FALLEN_BACK }));
    expect(streamed.headers["x-hearth-fallback-model"]).toBe(MODEL);
    expect(streamed.done).toBe(true);
  });

  test("in no catalog get no fallback", async () => {
    expectError(await post(hearth, CHAT, chatBody({ model: "accounts/x/models/y" })), "NOT_FOUND", "model");
  });
});

/** For each parameter that is not honoured, values that would change the output. */
const LATER: Record<string, readonly unknown[]> = {
  get_last_activation: [true],
  images: [["data:image/png;base64,AAAA"]],
  service_tier: ["priority"],
};

const NEUTRAL: Record<string, unknown> = {
  context_length_exceeded_behavior: "truncate",
  disable_speculation: false,
  echo: false,
  echo_last: 0,
  function_call: "none",
  functions: [],
  get_last_activation: false,
  ignore_eos: false,
  images: [],
  logit_bias: {},
  logprobs: false,
  metadata: { trace: "b7" },
  min_tokens: 0,
  mirostat_lr: 0,
  mirostat_target: null,
  parallel_tool_calls: true,
  perf_metrics_in_response: false,
  prediction: null,
  raw_output: false,
  reasoning_effort: "none",
  response_format: { type: "text" },
  return_token_ids: false,
  rewrite_speculation: false,
  safe_tokenization: false,
  service_tier: "default",
  speculation: null,
  top_logprobs: 0,
  typical_p: 1,
};

describe("parameters that are not honoured", () => {
  test.each(Object.entries(LATER))("are refused by name: %s", async (name, values) => {
    for (const value of values) {
      expectError(await post(hearth, CHAT, chatBody({ [name]: value })), "BAD_REQUEST", name);
      const completion = { model: MODEL, prompt: "Hi", max_tokens: 1, [name]: value };
      expectError(await post(hearth, COMPLETIONS, completion), "BAD_REQUEST", name);
    }
  });

  test("are accepted with neutral values, alone and together", async () => {
    const plain = (await chat()).json.choices[0].message.content;
    for (const [name, value] of Object.entries(NEUTRAL)) {
      const response = await post(hearth, CHAT, chatBody({ [name]: value, max_tokens: 1 }));
      expect(response.status, `${name}: ${response.text}`).toBe(200);
    }
    expect((await chat(NEUTRAL)).json.choices[0].message.content).toBe(plain);
  });

  test("are accepted with null, which means the default", async () => {
    const nulls = Object.fromEntries(Object.keys(LATER).map((name) => [name, null]));
    expect((await chat(nulls)).status).toBe(200);
  });

  test("include every request field of the contract that is not honoured", async () => {
    const own = (await send(hearth, "/openapi.json")).json;
    for (const [path, schema] of [
      [CHAT, "ChatCompletionRequest"],
      [COMPLETIONS, "CompletionRequest"],
    ] as const) {
      const honoured = own.paths[path].post.requestBody.content["application/json"].schema.properties;
      const left = Object.keys(contract.components.schemas[schema].properties).filter(
        (name) => !(name in honoured) && !(name in LATER) && !(name in NEUTRAL),
      );
      expect(left).toEqual([]);
    }
  });
});

describe("prompt_truncate_len", () => {
  const turns = [
    { role: "system", content: "You answer in one word." },
    { role: "user", content: "Tell me of the sea and of the ships upon it. ".repeat(10) },
    { role: "assistant", content: "Blue." },
    { role: "user", content: "And the sky?" },
  ];

  test("leaves a prompt that fits unchanged", async () => {
    const plain = (await chat()).json;
    const capped = (await chat({ prompt_truncate_len: 1500 })).json;
    expect(capped.usage.prompt_tokens).toBe(plain.usage.prompt_tokens);
  });

  test("drops the oldest turns first and keeps the system prompt and the last turn", async () => {
    const short = (await chat({ messages: [turns[0], turns[3]] })).json;
    const capped = (await chat({ messages: turns, prompt_truncate_len: 60 })).json;
    expect(capped.usage.prompt_tokens).toBeLessThanOrEqual(60);
    expect(capped.usage.prompt_tokens).toBeGreaterThanOrEqual(short.usage.prompt_tokens);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Json, post, stream } from "../../test/harness/http.ts";
import { createFakeEngine, type FakeEngine } from "../engine/fake-engine.ts";
import { startInference, type TestInference } from "./testing.ts";

/** Trims texts, as many templates do, and writes an end after each message. */
const TEMPLATE =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
const THINKING_TEMPLATE = `${TEMPLATE}{% if false %}</think>{% endif %}`;
const CHAT = "/v1/chat/completions";
const PREFILL = "The answer is";

let inference: TestInference;
let engine: FakeEngine;

function answer(text: string, chatTemplate = TEMPLATE): void {
  engine = createFakeEngine({ reply: () => text, model: { chatTemplate } });
}

const chat = (extra: object = {}, last = PREFILL): Json => ({
  model: "m",
  messages: [
    { role: "user", content: "What is 6 times 7?" },
    { role: "assistant", content: last },
  ],
  ...extra,
});

async function promptOf(body: Json): Promise<string> {
  const reply = await post(inference.target, CHAT, body);
  expect(reply.status, reply.text).toBe(200);
  return (engine.requests.at(-1)!.input as { text: string }).text;
}

async function refusedField(body: Json): Promise<string> {
  const reply = await post(inference.target, CHAT, body);
  expect(reply.status, reply.text).toBe(400);
  return reply.json.error.param;
}

beforeAll(async () => {
  inference = await startInference({
    engine: () => engine,
    resolve: () => ({ name: "accounts/fireworks/models/m", fallbackUsed: false }),
  });
});
afterAll(() => inference.close());
beforeEach(() => answer(" 42."));

const QUESTION = "<|im_start|>user\nWhat is 6 times 7?<|im_end|>\n";
const CONTINUED = `${QUESTION}<|im_start|>assistant\n${PREFILL}`;

describe("a conversation that ends with a text of the assistant", () => {
  test("is continued: the prompt ends with that text, and the response is what follows", async () => {
    expect(await promptOf(chat())).toBe(CONTINUED);
    expect(await promptOf(chat({ continue_final_message: true }))).toBe(CONTINUED);
    expect(await promptOf(chat({ continue_final_message: true, add_generation_prompt: false }))).toBe(
      CONTINUED,
    );
    expect(await promptOf(chat({ safe_tokenization: true }))).toBe(CONTINUED);
    const { chunks } = await stream(inference.target, CHAT, chat());
    expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("")).toBe(" 42.");
  });

  test("keeps the white space at its end, where the output goes on", async () => {
    expect(await promptOf(chat({}, `${PREFILL} `))).toBe(`${CONTINUED} `);
  });

  test("gets a new turn, or none, when the request says so", async () => {
    const closed = `${CONTINUED}<|im_end|>\n`;
    expect(await promptOf(chat({ add_generation_prompt: true }))).toBe(`${closed}<|im_start|>assistant\n`);
    expect(await promptOf(chat({ continue_final_message: false }))).toBe(`${closed}<|im_start|>assistant\n`);
    expect(await promptOf(chat({ add_generation_prompt: false }))).toBe(closed);
  });

  test("gets a new turn under a response_format, which describes a whole message", async () => {
    const json = { response_format: { type: "json_object" } };
    answer("{}");
    expect(await promptOf(chat(json))).toContain(`${PREFILL}<|im_end|>\n<|im_start|>assistant\n`);
    expect(await refusedField(chat({ ...json, continue_final_message: true }))).toBe(
      "continue_final_message",
    );
  });

  test("goes on within a think block that it leaves open, and after one that it closes", async () => {
    answer(" sevens</think>42", THINKING_TEMPLATE);
    const open = await post(inference.target, CHAT, chat({}, "<think>six"));
    expect(open.json.choices[0].message).toEqual({
      role: "assistant",
      content: "42",
      reasoning_content: "sevens",
    });
    answer("42", THINKING_TEMPLATE);
    const closed = await post(inference.target, CHAT, chat({}, "<think>six sevens</think>It is "));
    expect(closed.json.choices[0].message).toEqual({ role: "assistant", content: "42" });
  });
});

describe("continue_final_message is refused by name", () => {
  const user = { role: "user", content: "Hi" };
  test.each<[string, Json]>([
    ["when the last message is the user's", chat({ continue_final_message: true, messages: [user] })],
    ["when the last message has no text", chat({ continue_final_message: true }, "")],
    [
      "beside add_generation_prompt: true",
      chat({ continue_final_message: true, add_generation_prompt: true }),
    ],
  ])("%s", async (_when, body) => {
    expect(await refusedField(body)).toBe("continue_final_message");
  });

  test("by an engine that renders chat without the feature, and add_generation_prompt: false with it", async () => {
    engine = createFakeEngine({ capabilities: { rendersChat: true } });
    expect(await refusedField(chat({ continue_final_message: true }))).toBe("continue_final_message");
    expect(await refusedField(chat({ add_generation_prompt: false }))).toBe("add_generation_prompt");
  });

  test("as messages, when the model's template does not render the last text as it is", async () => {
    answer("x", "{% for m in messages[:1] %}{{ m.content }}{% endfor %}");
    expect(await refusedField(chat())).toBe("messages");
  });
});

test("a response and its chunks name the model's configuration, the same for the same model", async () => {
  const one = (await post(inference.target, CHAT, chat())).json.system_fingerprint;
  expect(one).toMatch(/^fp_[0-9a-f]{10}$/);
  const { chunks } = await stream(inference.target, CHAT, chat());
  expect(new Set(chunks.map((chunk) => chunk.system_fingerprint))).toEqual(new Set([one]));
  answer("x", `${TEMPLATE} `);
  expect((await post(inference.target, CHAT, chat())).json.system_fingerprint).not.toBe(one);
});

test("top_logprobs gives as many alternatives as asked for, up to 20", async () => {
  const words = Array.from({ length: 40 }, (_, i) => `w${i}`).join(" ");
  answer(words);
  const reply = await post(inference.target, CHAT, chat({ logprobs: true, top_logprobs: 20 }));
  expect(reply.json.choices[0].logprobs.content[5].top_logprobs).toHaveLength(20);
  expect(await refusedField(chat({ logprobs: true, top_logprobs: 21 }))).toBe("top_logprobs");
});

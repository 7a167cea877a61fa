import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Json, post, stream } from "../../test/harness/http.ts";
import { createFakeEngine, type FakeEngine } from "../engine/fake-engine.ts";
import { startInference, type TestInference } from "./testing.ts";

/** The chat template of a model with reasoning and tools, like Qwen's. */
const TEMPLATE =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}" +
  "{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{% if false %}</think>{% endif %}";
const CHAT = "/v1/chat/completions";

let inference: TestInference;
let target: TestInference["target"];
let engine: FakeEngine;

function answer(text: string): FakeEngine {
  engine = createFakeEngine({ reply: () => text, model: { chatTemplate: TEMPLATE } });
  return engine;
}

const chat = (extra: object = {}): object => ({
  model: "m",
  messages: [{ role: "user", content: "What is 6 times 7?" }],
  ...extra,
});
const choiceOf = async (extra: object = {}): Promise<Json> =>
  (await post(target, CHAT, chat(extra))).json.choices[0];
const lastRequest = () => engine.requests.at(-1);

beforeAll(async () => {
  inference = await startInference({
    engine: () => engine,
    resolve: () => ({ name: "accounts/fireworks/models/thinker", fallbackUsed: false }),
  });
  target = inference.target;
});

afterAll(() => inference.close());

describe("a reasoning model", () => {
  test("gives its reasoning apart from the content, in whole responses and in streams", async () => {
    answer("<think>\nsix sevens\n</think>\n\n42");
    expect((await choiceOf()).message).toEqual({
      role: "assistant",
      content: "42",
      reasoning_content: "six sevens",
    });
    const { chunks } = await stream(target, CHAT, chat());
    const deltas = chunks.map((chunk) => chunk.choices[0].delta);
    expect(deltas.map((delta) => delta.reasoning_content ?? "").join("")).toBe("six sevens");
    expect(deltas.map((delta) => delta.content ?? "").join("")).toBe("42");
    const lastThought = deltas.findLastIndex((delta) => delta.reasoning_content);
    expect(deltas.findIndex((delta) => delta.content)).toBeGreaterThan(-1);
    expect(deltas.slice(1, lastThought).some((delta) => delta.content)).toBe(false);
  });

  test("puts its reasoning in front of the JSON where reasoning_format is raw, as the reference's sample parses it", async () => {
    answer('<think>\nsix sevens\n</think>\n\n{"a": 42}');
    const json = { response_format: { type: "json_object" }, reasoning_format: "raw" };
    const { message } = await choiceOf(json);
    expect(message.reasoning_content).toBeUndefined();
    expect(/<think>(.*?)<\/think>/s.exec(message.content)?.[1]).toBe("six sevens");
    expect(JSON.parse(/<\/think>\s*(\{.*\})/s.exec(message.content)![1]!)).toEqual({ a: 42 });
    const { chunks } = await stream(target, CHAT, chat(json));
    expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("")).toBe(message.content);
    expect((await choiceOf({ ...json, reasoning_format: "parsed" })).message).toEqual({
      role: "assistant",
      content: '{"a": 42}',
      reasoning_content: "six sevens",
    });
  });

  test("leaves a think block that the end cuts off open where reasoning_format is raw, and adds none without reasoning", async () => {
    answer("<think>one two three four five");
    const cut = await choiceOf({ reasoning_format: "raw", max_tokens: 4 });
    expect(cut.message.content).toMatch(/^<think>one/);
    expect(cut.message.content).not.toContain("</think>");
    answer("42");
    expect((await choiceOf({ reasoning_format: "raw" })).message.content).toBe("42");
  });

  test("keeps its think tags in text completions and in raw_output", async () => {
    answer("<think>a</think>b");
    const raw = await choiceOf({ raw_output: true });
    expect(raw.raw_output.completion).toBe("<think>a</think>b");
    const completion = await post(target, "/v1/completions", { model: "m", prompt: "x" });
    expect(completion.json.choices[0].text).toBe("<think>a</think>b");
  });

  test("names the tags as markers, so that tags which are special tokens arrive too", async () => {
    answer("42");
    await choiceOf();
    expect(lastRequest()?.markers).toEqual(["<think>", "</think>"]);
    await post(target, "/v1/completions", { model: "m", prompt: "x" });
    expect(lastRequest()?.markers).toEqual(["<think>", "</think>"]);
    await choiceOf({ reasoning_effort: "none" });
    expect(lastRequest()?.markers).toBeUndefined();
  });

  test.each([
    [{ reasoning_effort: "none" }],
    [{ reasoning_effort: false }],
    [{ thinking: { type: "disabled" } }],
  ])("is kept from reasoning by %j, which closes the think block in the prompt", async (extra) => {
    answer("42");
    expect((await choiceOf(extra)).message).toEqual({ role: "assistant", content: "42" });
    const { input, thinking } = lastRequest() ?? {};
    expect((input as { text: string }).text).toMatch(/<think>\n\n<\/think>\n\n$/);
    expect(thinking).toBeUndefined();
  });

  test.each([
    [{ reasoning_effort: 50 }, 50],
    [{ reasoning_effort: "low", max_tokens: 1000 }, 400],
    [{ reasoning_effort: true, max_tokens: 1000 }, 700],
    [{ thinking: { type: "enabled", budget_tokens: 2000 } }, 2000],
  ])("with %j reasons for at most %i tokens", async (extra, maxTokens) => {
    answer("<think>a</think>b");
    await choiceOf(extra);
    expect(lastRequest()?.thinking).toEqual({
      open: "<think>",
      close: "\n</think>\n\n",
      opened: false,
      maxTokens,
    });
  });

  test("reasons freely in JSON mode, which constrains only the content", async () => {
    answer('<think>hm</think>{"a": 1}');
    const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
    const { message } = await choiceOf({ response_format: { type: "json_object", schema } });
    expect(message).toEqual({ role: "assistant", content: '{"a": 1}', reasoning_content: "hm" });
    expect(lastRequest()?.grammar).toContain("root ::=");
    expect(lastRequest()?.thinking).toMatchObject({ open: "<think>" });
  });

  test("may make a tool call after its reasoning", async () => {
    answer('<think>hm</think><tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>');
    const tools = [
      { type: "function", function: { name: "add", parameters: { type: "object", properties: {} } } },
    ];
    const choice = await choiceOf({ tools });
    expect(choice.finish_reason).toBe("tool_calls");
    expect(choice.message).toMatchObject({ content: null, reasoning_content: "hm" });
    expect(choice.message.tool_calls[0].function).toEqual({ name: "add", arguments: '{"a": 1}' });
  });

  test("never makes a call of a function that was not offered: the call is content", async () => {
    const text = '<tool_call>\n{"name": "rm", "arguments": {}}\n</tool_call>';
    answer(text);
    const tools = [{ type: "function", function: { name: "add" } }];
    const choice = await choiceOf({ tools });
    expect(choice.message).toEqual({ role: "assistant", content: text });
    expect(choice.finish_reason).toBe("stop");
  });

  test("gets its earlier reasoning in the prompt when the request asks for it", async () => {
    answer("ok");
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b", reasoning_content: "because" },
      { role: "user", content: "c" },
    ];
    const promptOf = () => (lastRequest()?.input as { text: string } | undefined)?.text;
    await choiceOf({ messages, reasoning_history: "preserved" });
    expect(promptOf()).toContain("<think>because</think>b");
    await choiceOf({ messages, reasoning_history: "disabled" });
    expect(promptOf()).not.toContain("because");
  });

  test.each([
    [{ reasoning_effort: "low", thinking: { type: "enabled" } }, "thinking"],
    [{ reasoning_effort: 0 }, "reasoning_effort"],
    [{ reasoning_effort: "extreme" }, "reasoning_effort"],
    [{ thinking: { type: "enabled", budget_tokens: 5 } }, "thinking.budget_tokens"],
  ])("refuses %j with a 400 that names the field", async (extra, param) => {
    answer("x");
    const response = await post(target, CHAT, chat(extra));
    expect(response.status).toBe(400);
    expect(response.json.error.param).toBe(param);
  });
});

describe("a model whose markers are special tokens", () => {
  const MISTRAL =
    "{{ bos_token }}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}" +
    "{% for m in messages %}[INST]{{ m.content }}[/INST]{% if m.reasoning_content %}[THINK]{{ m.reasoning_content }}[/THINK]{% endif %}" +
    "{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
  const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }];

  test("gives its reasoning and its calls", async () => {
    engine = createFakeEngine({
      // Like a real engine, the fake one drops the markers that the request doesn't name.
      reply: ({ markers = [] }) =>
        '[THINK]I look.[/THINK][TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}'.replace(
          /\[\/?[A-Z_]+\]/g,
          (marker) => (markers.includes(marker) ? marker : ""),
        ),
      model: { chatTemplate: MISTRAL },
    });
    const { message, finish_reason: reason } = await choiceOf({ tools });
    expect(reason).toBe("tool_calls");
    expect(message.reasoning_content).toBe("I look.");
    expect(message.tool_calls[0].function).toEqual({ name: "get_weather", arguments: '{"city": "Rome"}' });
  });
});

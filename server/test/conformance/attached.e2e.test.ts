/** Attached model servers: the platform in front of a fake vLLM process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Hearth, rowOf, startHearth, until } from "../harness/hearth.ts";
import { type Json, post } from "../harness/http.ts";
import type { Script } from "../harness/vllm-server.ts";

const ABLE = "accounts/local/models/able";
const JSON_ONLY = "accounts/local/models/json-only";
const PLAIN = "accounts/local/models/plain";
const CHAT = "/inference/v1/chat/completions";

let hearth: Hearth;
let openai: OpenAI;
let server: ChildProcess;
let port: number;

async function startServer(): Promise<void> {
  const script = fileURLToPath(new URL("../harness/vllm-server.ts", import.meta.url));
  server = spawn(process.execPath, ["--import", "tsx", script, `${port}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(server.stdout!, "data");
}

async function stopServer(): Promise<void> {
  const gone = once(server, "exit");
  server.kill("SIGKILL");
  await gone;
}

beforeAll(async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  port = (probe.address() as { port: number }).port;
  await new Promise((resolve) => probe.close(resolve));
  await startServer();
  hearth = await startHearth({
    env: {
      HEARTH_ATTACHED_ENGINES: [ABLE, JSON_ONLY, PLAIN]
        .map((name) => `${name}=http://127.0.0.1:${port}/v1`)
        .join(),
      HEARTH_ENGINE_FEATURES: `${ABLE}=vllm+tools+reasoning,${JSON_ONLY}=json`,
    },
  });
  openai = new OpenAI({ baseURL: hearth.baseUrl, apiKey: hearth.apiKey, maxRetries: 0 });
});
afterAll(() => stopServer());

const scriptedRequest = (script: Script, overrides: object = {}): Json => ({
  model: ABLE,
  messages: [{ role: "user", content: JSON.stringify(script) }],
  ...overrides,
});

const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "Looks out of the window",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

/** Sends a chat request and resolves with the body that the attached server received. */
async function receivedBody(overrides: object): Promise<Json> {
  const response = await post(hearth, CHAT, scriptedRequest({ echo: true }, overrides));
  expect(response.status, response.text).toBe(200);
  return JSON.parse(response.json.choices[0].message.content);
}

const script: Script = {
  reasoning: "Let me think about Zürich 🌍.",
  content: "I look it up.",
  calls: [
    { name: "weather", arguments: '{"city": "Zürich"}' },
    { name: "weather", arguments: '{"city": "Bern", "note": "🌍"}' },
  ],
};

const message = {
  role: "assistant",
  content: script.content,
  reasoning_content: script.reasoning,
  tool_calls: script.calls!.map((call, index) => ({
    index,
    id: `chatcmpl-tool-${index}`,
    type: "function",
    function: call,
  })),
};

const usage = {
  prompt_tokens: 21,
  completion_tokens: 13,
  total_tokens: 34,
  prompt_tokens_details: { cached_tokens: 16 },
};

describe("the output of an attached server", () => {
  test("reaches the client with reasoning, text, tool calls and usage, and the ledger has the usage", async () => {
    const response = await post(hearth, CHAT, scriptedRequest(script, { tools: [weather] }));
    expect(response.json.choices).toEqual([{ index: 0, message, finish_reason: "tool_calls" }]);
    expect(response.json.usage).toEqual(usage);
    expect(response.headers["fireworks-cached-prompt-tokens"]).toBe("16");
    const row = await rowOf(hearth, response.headers["x-request-id"] as string);
    expect(row).toMatchObject({ promptTokens: 21, cachedTokens: 16, completionTokens: 13, status: 200 });
  });

  test("has the reasoning in front of the content where reasoning_format is raw", async () => {
    const raw = await post(
      hearth,
      CHAT,
      scriptedRequest(script, { tools: [weather], reasoning_format: "raw" }),
    );
    const { content, reasoning_content } = raw.json.choices[0].message;
    expect(content).toBe(`<think>${script.reasoning}</think>\n${script.content}`);
    expect(reasoning_content).toBeUndefined();
  });

  test("is the same streamed, when OpenAI's SDK joins the stream", async () => {
    const stream = openai.chat.completions.stream(
      scriptedRequest(script, { tools: [weather], stream: true }),
    );
    const final = await stream.finalChatCompletion();
    const [choice] = final.choices;
    expect(choice!.finish_reason).toBe("tool_calls");
    expect(choice!.message.content).toBe(script.content);
    expect(
      choice!.message.tool_calls!.map((call) => ("function" in call ? { ...call.function } : null)),
    ).toEqual(script.calls!.map((call) => expect.objectContaining(call)));
    expect(final.usage).toMatchObject(usage);
  });

  test("has log probabilities in both forms, with token ids where the server gives them", async () => {
    const say: Script = { content: "ü" };
    const one = await post(hearth, CHAT, scriptedRequest(say, { logprobs: true, top_logprobs: 2 }));
    expect(one.json.choices[0].logprobs.content).toEqual([
      {
        token: "ü",
        logprob: -0.25,
        bytes: [195, 188],
        top_logprobs: [
          { token: "ü", logprob: -0.25, bytes: [195, 188] },
          { token: "other", logprob: -2, bytes: [...Buffer.from("other")] },
        ],
        token_id: 77,
        text_offset: 0,
      },
    ]);
    const older = await post(hearth, CHAT, scriptedRequest(say, { logprobs: 1 }));
    expect(older.json.choices[0].logprobs).toMatchObject({
      tokens: ["ü"],
      token_ids: [77],
      token_logprobs: [-0.25],
    });
  });

  test("loses tool calls of functions that were not offered, and second calls where one is wanted", async () => {
    const evil = await post(
      hearth,
      CHAT,
      scriptedRequest({ calls: [{ name: "evil", arguments: "{}" }] }, { tools: [weather] }),
    );
    expect(evil.json.choices[0].message).toEqual({
      role: "assistant",
      content: '{"name": "evil", "arguments": {}}',
    });
    const single = await post(
      hearth,
      CHAT,
      scriptedRequest(script, { tools: [weather], parallel_tool_calls: false }),
    );
    expect(single.json.choices[0].message.tool_calls).toEqual([message.tool_calls[0]]);
  });
});

describe("a forced tool call of an attached server", () => {
  const badly: [string, Script][] = [
    ["is a bare string", { calls: [{ name: "weather", arguments: '"Zürich"' }] }],
    ["lacks a required property", { calls: [{ name: "weather", arguments: "{}" }] }],
    ["has a property of the wrong type", { calls: [{ name: "weather", arguments: '{"city": 3}' }] }],
    ["is not whole", { calls: [{ name: "weather", arguments: '{"city": "Z' }] }],
    ["is missing", { content: "It rains." }],
  ];
  test.each(badly)("that %s is an error and never a result", async (_how, script) => {
    for (const tool_choice of ["required", { type: "function", function: { name: "weather" } }]) {
      const forced = { tools: [weather], tool_choice };
      const reply = await post(hearth, CHAT, scriptedRequest(script, forced));
      expect(reply.status, reply.text).toBe(502);
      expect(reply.text).not.toContain("Zürich");
      const streamed = await post(hearth, CHAT, scriptedRequest(script, { ...forced, stream: true }));
      expect(streamed.text).toContain('"error":');
      expect(streamed.text).not.toContain('"finish_reason":"');
    }
  });

  test("of a function that was not chosen is an error", async () => {
    const other = { type: "function" as const, function: { name: "other" } };
    const tool_choice = { type: "function", function: { name: "other" } };
    const reply = await post(hearth, CHAT, scriptedRequest(script, { tools: [weather, other], tool_choice }));
    expect(reply.status).toBe(502);
  });

  test("that fits is passed on, and so is one of a strict tool; one of a strict tool that doesn't fit is an error", async () => {
    const reply = await post(
      hearth,
      CHAT,
      scriptedRequest(script, { tools: [weather], tool_choice: "required" }),
    );
    expect(reply.json.choices).toEqual([{ index: 0, message, finish_reason: "tool_calls" }]);
    const strict = { type: "function", function: { ...weather.function, strict: true } };
    expect((await post(hearth, CHAT, scriptedRequest(script, { tools: [strict] }))).status).toBe(200);
    const wrong: Script = { calls: [{ name: "weather", arguments: "{}" }] };
    expect((await post(hearth, CHAT, scriptedRequest(wrong, { tools: [strict] }))).status).toBe(502);
    expect((await post(hearth, CHAT, scriptedRequest(wrong, { tools: [weather] }))).status).toBe(200);
  });
});

describe("the request to an attached server", () => {
  test("carries tools, tool_choice, earlier tool calls, their results and reasoning", async () => {
    const past = { id: "c1", type: "function", function: { name: "weather", arguments: "{}" } };
    const messages = [
      { role: "user", content: "Weather?" },
      { role: "assistant", content: null, tool_calls: [past], reasoning_content: "Look." },
      { role: "tool", content: "Rain" },
      { role: "user", content: JSON.stringify({ echo: true, calls: script.calls }) },
    ];
    const body = await receivedBody({ messages, tools: [weather], tool_choice: "any" });
    const strict = { type: "function", function: { ...weather.function, strict: true } };
    expect(body).toMatchObject({ model: "able", tools: [strict], tool_choice: "required" });
    expect(body.messages.slice(1, 3)).toEqual([
      { role: "assistant", content: null, tool_calls: [past], reasoning_content: "Look." },
      { role: "tool", content: "Rain", tool_call_id: "c1" },
    ]);
    const named = { type: "function", function: { name: "weather" } };
    expect((await receivedBody({ messages, tools: [weather], tool_choice: named })).tool_choice).toEqual(
      named,
    );
    expect(await receivedBody({ tools: [weather], tool_choice: "none" })).not.toHaveProperty("tools");
  });

  test.each([
    [
      { reasoning_effort: "low" },
      { reasoning_effort: "low", chat_template_kwargs: { enable_thinking: true, thinking: true } },
    ],
    [{ reasoning_effort: "none" }, { chat_template_kwargs: { enable_thinking: false, thinking: false } }],
    [
      { thinking: { type: "disabled" } },
      { chat_template_kwargs: { enable_thinking: false, thinking: false } },
    ],
    [
      { min_tokens: 3, ignore_eos: true },
      { min_tokens: 3, ignore_eos: true },
    ],
    [{ logit_bias: { "5": -7.5 } }, { logit_bias: { "5": -7.5 } }],
    [
      { response_format: { type: "grammar", grammar: 'root ::= "a"' } },
      { structured_outputs: { grammar: 'root ::= "a"\n' }, grammar: 'root ::= "a"\n' },
    ],
  ])("carries %j in the server's form", async (asked, expected) => {
    expect(await receivedBody(asked)).toMatchObject(expected);
  });

  test("carries schemas as grammars where the server takes grammars, and unchanged where it does not", async () => {
    const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
    const response_format = { type: "json_schema", json_schema: { name: "x", schema, strict: true } };
    const able = await receivedBody({ response_format });
    expect(able.structured_outputs.grammar).toContain("root ::=");
    expect(able).not.toHaveProperty("response_format");
    const sent = await receivedBody({ model: JSON_ONLY, response_format });
    expect(sent.response_format).toMatchObject({
      type: "json_schema",
      json_schema: { schema, strict: true },
    });
    expect(sent).not.toHaveProperty("grammar");
    const any = await receivedBody({ model: JSON_ONLY, response_format: { type: "json_object" } });
    expect(any.response_format).toEqual({ type: "json_object" });
    const grammar = { model: JSON_ONLY, response_format: { type: "grammar", grammar: 'root ::= "a"' } };
    expect((await post(hearth, CHAT, scriptedRequest({}, grammar))).json.error.param).toBe("response_format");
    const broken = { model: JSON_ONLY, response_format: { type: "json_object", schema: { type: "x" } } };
    expect((await post(hearth, CHAT, scriptedRequest({}, broken))).json.error.param).toBe(
      "response_format.schema",
    );
  });

  test("says whether the last message is continued, where the server can do that", async () => {
    const script = JSON.stringify({ echo: true });
    const messages = [
      { role: "user", content: "Begin." },
      { role: "assistant", content: script },
    ];
    const continued = { continue_final_message: true, add_generation_prompt: false };
    expect(await receivedBody({ messages })).toMatchObject(continued);
    expect(await receivedBody({ messages, ...continued })).toMatchObject(continued);
    expect(await receivedBody({ messages, add_generation_prompt: true })).not.toHaveProperty(
      "continue_final_message",
    );
    expect(await receivedBody({ add_generation_prompt: false })).toMatchObject({
      add_generation_prompt: false,
    });
    expect(await receivedBody({ messages, model: PLAIN })).not.toHaveProperty("continue_final_message");
  });

  test("separates accounts' prompt caches by a salt that reveals nothing of the account", async () => {
    const [one, other] = [await receivedBody({}), await receivedBody({ prompt_cache_isolation_key: "k" })];
    expect(one.cache_salt).toMatch(/^[\w-]{43}$/);
    expect(other.cache_salt).not.toBe(one.cache_salt);
  });

  test.each([
    ["tools", { tools: [weather] }],
    [
      "messages[0]",
      {
        messages: [
          { role: "assistant", tool_calls: [{ function: { name: "x" } }] },
          { role: "user", content: "x" },
        ],
      },
    ],
    ["reasoning_effort", { reasoning_effort: "low" }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["logprobs", { logprobs: true }],
    ["logit_bias", { logit_bias: { "5": 1 } }],
    ["min_tokens", { min_tokens: 3 }],
    ["ignore_eos", { ignore_eos: true }],
    ["prompt_cache_isolation_key", { prompt_cache_isolation_key: "k" }],
    ["return_token_ids", { return_token_ids: true }],
    ["raw_output", { raw_output: true }],
    ["echo", { echo: true }],
    ["safe_tokenization", { safe_tokenization: true }],
    ["typical_p", { typical_p: 0.5 }],
    ["mirostat_target", { mirostat_target: 3 }],
    ["add_generation_prompt", { add_generation_prompt: false }],
    ["continue_final_message", { continue_final_message: false }],
    ["context_length_exceeded_behavior", { context_length_exceeded_behavior: "error" }],
  ])("with %s is refused where the server's declared features lack it", async (param, fields) => {
    const response = await post(hearth, CHAT, scriptedRequest({ content: "x" }, { model: PLAIN, ...fields }));
    expect(response.status, response.text).toBe(400);
    expect(response.json.error.param).toBe(param);
  });

  test("with a numeric reasoning_effort is refused where the server has no reasoning budgets", async () => {
    const response = await post(hearth, CHAT, scriptedRequest({ content: "x" }, { reasoning_effort: 500 }));
    expect(response.json.error).toMatchObject({ param: "reasoning_effort" });
  });
});

describe("an attached server that goes wrong", () => {
  test.each([
    ["cut", 503],
    ["html", 502],
    ["garbage", 502],
    ["error", 503],
    ["unfinished", 502],
  ] as const)(
    "(%s) gives an error status before the first byte and an error event after it",
    async (wrong, status) => {
      const before = await post(hearth, CHAT, scriptedRequest({ wrong }, { stream: true }));
      expect(before.status, before.text).toBe(status);
      if (wrong === "html") return;
      const after = await post(hearth, CHAT, scriptedRequest({ wrong, reasoning: "Hm" }, { stream: true }));
      expect(after.status).toBe(200);
      expect(after.text).toContain('"error":');
      expect(after.text).not.toContain("boom");
    },
  );

  test.each([["cut", 503]] as const)(
    "(%s) gives an error status for an unstreamed request",
    async (wrong, status) => {
      expect((await post(hearth, CHAT, scriptedRequest({ wrong }))).status).toBe(status);
    },
  );

  test("gives 503 with retry-after while it is down and serves again without help once it is up", async () => {
    await stopServer();
    const down = await post(hearth, CHAT, scriptedRequest({ content: "x" }));
    expect(down.status).toBe(503);
    expect(Number(down.headers["retry-after"])).toBeGreaterThan(0);
    await startServer();
    await until(
      "the server is back",
      async () => (await post(hearth, CHAT, scriptedRequest({ content: "x" }))).status === 200,
    );
  });
});

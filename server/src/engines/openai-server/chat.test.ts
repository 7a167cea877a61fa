import { afterEach, expect, test } from "vitest";
import type { EngineError } from "../../engine/errors.ts";
import { type EngineEvent, type GenerateRequest, UNKNOWN_TOKEN } from "../../engine/generation.ts";
import { createOpenAiServerEngine } from "./engine.ts";
import { type Responder, sendJson, startFakeUpstream, VLLM_STREAM } from "./fake-upstream.ts";

let cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  cleanups = [];
});

/** The events of one request to a server with this responder, or the error. */
async function generate(
  answer: Responder,
  changes: Partial<GenerateRequest> = {},
): Promise<EngineEvent[] | EngineError> {
  const upstream = await startFakeUpstream(answer);
  const engine = createOpenAiServerEngine({
    baseUrl: upstream.baseUrl,
    upstreamModel: "m",
    features: ["vllm"],
  });
  cleanups.push(upstream.close, () => engine.close());
  const input = { kind: "chat", messages: [{ role: "user", content: "Hi" }] } as const;
  const request = { id: "r", input, sampling: {}, n: 1, maxTokens: 9, stop: [], stream: false, ...changes };
  const events: EngineEvent[] = [];
  try {
    for await (const event of engine.generate(request, new AbortController().signal)) events.push(event);
  } catch (error) {
    return error as EngineError;
  }
  return events;
}

const respondWith = (message: object, extraFields: object = {}): Responder => {
  const choice = {
    index: 0,
    message: { role: "assistant", ...message },
    finish_reason: "stop",
    ...extraFields,
  };
  return (response) => sendJson(response, 200, { choices: [choice] });
};

test("the adapter delivers reasoning before content, by the older field name and the newer one", async () => {
  for (const name of ["reasoning_content", "reasoning"]) {
    expect(await generate(respondWith({ content: "4", [name]: "2 + 2" }))).toMatchObject([
      { type: "delta", text: "2 + 2", as: "reasoning" },
      { type: "delta", text: "4" },
      { type: "finish" },
      { type: "end" },
    ]);
  }
});

test("the adapter accepts tool call arguments as an object, and tool calls without id or index", async () => {
  const tool_calls = [{ function: { name: "f", arguments: { a: 1 } } }, { id: "x", function: { name: "g" } }];
  expect(await generate(respondWith({ content: null, tool_calls }))).toMatchObject([
    { text: '{"a":1}', as: { index: 0, id: null, name: "f" } },
    { text: "", as: { index: 1, id: "x", name: "g" } },
    { type: "finish", reason: "stop" },
    { type: "end" },
  ]);
});

test.each([
  { tool_calls: "f" },
  { tool_calls: [{ function: { name: 7 } }] },
  { content: 7 },
  { reasoning_content: {} },
])("the adapter refuses the message %j as bad_reply", async (message) => {
  expect(await generate(respondWith(message))).toMatchObject({ code: "bad_reply" });
});

test("the adapter drops token ids that don't match the tokens, and refuses malformed logprobs", async () => {
  const content = [
    {
      token: "a",
      logprob: -1,
      top_logprobs: [
        { token: "b", logprob: -3 },
        { token: "a", logprob: -1 },
      ],
    },
  ];
  const [delta] = (await generate(
    respondWith({ content: "a" }, { logprobs: { content }, token_ids: [1, 2] }),
    {
      logprobs: 2,
    },
  )) as [EngineEvent];
  expect(delta).toMatchObject({
    tokens: [{ id: UNKNOWN_TOKEN, logprob: -1, top: [{ logprob: -1 }, { logprob: -3 }] }],
  });
  for (const logprobs of [{ content: [{ token: "a" }] }, { content: 3 }, "a"]) {
    const failed = await generate(respondWith({ content: "a" }, { logprobs }), { logprobs: 2 });
    expect(failed).toMatchObject({ code: "bad_reply" });
  }
});

test("the adapter parses the older logprob arrays of text completion", async () => {
  const logprobs = {
    tokens: ["ü", "b"],
    token_logprobs: [-1, -2],
    top_logprobs: [{ x: -4, ü: -1 }, null],
    text_offset: [0, 1],
  };
  const answer: Responder = (response, { body }) => {
    expect(body).toMatchObject({ logprobs: 2, prompt: "Hi" });
    sendJson(response, 200, {
      choices: [{ index: 0, text: "üb", logprobs, token_ids: [5, 6], finish_reason: "stop" }],
    });
  };
  const [delta] = (await generate(answer, {
    input: { kind: "text", text: "Hi", addBos: true },
    logprobs: 2,
  })) as [EngineEvent];
  expect(delta).toMatchObject({
    tokens: [
      { id: 5, bytes: Buffer.from("ü"), logprob: -1, top: [{ logprob: -1 }, { logprob: -4 }] },
      { id: 6, logprob: -2, top: [] },
    ],
  });
});

test("the adapter refuses a stream of another content type at its headers, and accepts one without a content type", async () => {
  const page: Responder = (response) => {
    response.writeHead(200, { "Content-Type": "text/html" });
    response.write("<p>Sign in");
  };
  expect(await generate(page, { stream: true })).toMatchObject({ code: "bad_reply" });
  const unnamed: Responder = (response) => {
    response.writeHead(200);
    response.end(VLLM_STREAM);
  };
  expect(await generate(unnamed, { stream: true })).toHaveLength(5);
});

test("the adapter accepts known feature names and refuses others", () => {
  const make = (features: string[]) =>
    createOpenAiServerEngine({ baseUrl: "http://127.0.0.1:1/v1", upstreamModel: "m", features });
  expect(() => make(["magic"])).toThrow(TypeError);
  const { capabilities } = make(["vllm", "json", "tools"]);
  expect(capabilities.features.filter((feature) => feature === "json")).toHaveLength(1);
  expect(capabilities.features).toContain("tools");
  expect(capabilities.sampling).toContain("logitBias");
});

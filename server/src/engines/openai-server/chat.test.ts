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

/** The events of one request to a server that answers so, or the failure. */
async function ask(
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

const says = (message: object, more: object = {}): Responder => {
  const choice = { index: 0, message: { role: "assistant", ...message }, finish_reason: "stop", ...more };
  return (response) => sendJson(response, 200, { choices: [choice] });
};

test("reasoning comes first, by its older name or its newer one", async () => {
  for (const name of ["reasoning_content", "reasoning"]) {
    expect(await ask(says({ content: "4", [name]: "2 + 2" }))).toMatchObject([
      { type: "delta", text: "2 + 2", as: "reasoning" },
      { type: "delta", text: "4" },
      { type: "finish" },
      { type: "end" },
    ]);
  }
});

test("arguments may come as an object, and calls without an identifier or an index", async () => {
  const tool_calls = [{ function: { name: "f", arguments: { a: 1 } } }, { id: "x", function: { name: "g" } }];
  expect(await ask(says({ content: null, tool_calls }))).toMatchObject([
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
])("%j can't be understood", async (message) => {
  expect(await ask(says(message))).toMatchObject({ code: "bad_reply" });
});

test("tokens whose ids don't match are told without them, and such as make no sense not at all", async () => {
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
  const [delta] = (await ask(says({ content: "a" }, { logprobs: { content }, token_ids: [1, 2] }), {
    logprobs: 2,
  })) as [EngineEvent];
  expect(delta).toMatchObject({
    tokens: [{ id: UNKNOWN_TOKEN, logprob: -1, top: [{ logprob: -1 }, { logprob: -3 }] }],
  });
  for (const logprobs of [{ content: [{ token: "a" }] }, { content: 3 }, "a"]) {
    const failed = await ask(says({ content: "a" }, { logprobs }), { logprobs: 2 });
    expect(failed).toMatchObject({ code: "bad_reply" });
  }
});

test("text completion's older arrays are read too", async () => {
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
  const [delta] = (await ask(answer, { input: { kind: "text", text: "Hi", addBos: true }, logprobs: 2 })) as [
    EngineEvent,
  ];
  expect(delta).toMatchObject({
    tokens: [
      { id: 5, bytes: Buffer.from("ü"), logprob: -1, top: [{ logprob: -1 }, { logprob: -4 }] },
      { id: 6, logprob: -2, top: [] },
    ],
  });
});

test("a stream that says it is none is refused at its head, however it goes on", async () => {
  const page: Responder = (response) => {
    response.writeHead(200, { "Content-Type": "text/html" });
    response.write("<p>Sign in");
  };
  expect(await ask(page, { stream: true })).toMatchObject({ code: "bad_reply" });
  const unnamed: Responder = (response) => {
    response.writeHead(200);
    response.end(VLLM_STREAM);
  };
  expect(await ask(unnamed, { stream: true })).toHaveLength(5);
});

test("features have names", () => {
  const make = (features: string[]) =>
    createOpenAiServerEngine({ baseUrl: "http://127.0.0.1:1/v1", upstreamModel: "m", features });
  expect(() => make(["magic"])).toThrow(TypeError);
  const { capabilities } = make(["vllm", "json", "tools"]);
  expect(capabilities.features.filter((feature) => feature === "json")).toHaveLength(1);
  expect(capabilities.features).toContain("tools");
  expect(capabilities.sampling).toContain("logitBias");
});

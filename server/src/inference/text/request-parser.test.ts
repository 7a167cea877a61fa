import { describe, expect, test } from "vitest";
import type { AppError } from "../../lib/errors.ts";
import { parseChatCompletionRequest, toConversation } from "../chat/protocol.ts";
import {
  completionPromptPrefix,
  parseCompletionRequest,
  promptCount,
  toEngineInputs,
} from "../completions/protocol.ts";
import { checkCombinations } from "./parameters.ts";
import { toEngineSampling } from "./sampling.ts";

const chat = (extra: object = {}): Record<string, unknown> => ({
  model: "fireworks/m",
  messages: [{ role: "user", content: "Hi" }],
  ...extra,
});
const refusalOf = (run: () => unknown): AppError => {
  try {
    run();
  } catch (error) {
    return error as AppError;
  }
  throw new Error("was accepted");
};

describe("a request body", () => {
  test.each<[object, string]>([
    [{ model: undefined }, "model"],
    [{ model: 5 }, "model"],
    [{ model: "" }, "model"],
    [{ messages: [] }, "messages"],
    [{ messages: "Hi" }, "messages"],
    [{ messages: [{ content: "Hi" }] }, "messages[0].role"],
    [{ messages: [{ role: "robot", content: "Hi" }] }, "messages[0].role"],
    [{ messages: [{ role: "user", content: 5 }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: "x", extra: 1 }] }, "messages[0].extra"],
    [{ messages: [{ role: "user", content: [{ type: "text" }] }] }, "messages[0].content[0].text"],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content[0].type"],
    [{ messages: [null] }, "messages[0]"],
    [{ n: 1_000_000 }, "n"],
    [{ n: 0 }, "n"],
    [{ n: 1.5 }, "n"],
    [{ temperature: -0.1 }, "temperature"],
    [{ temperature: "hot" }, "temperature"],
    [{ top_p: 1.1 }, "top_p"],
    [{ top_k: 101 }, "top_k"],
    [{ max_tokens: -1 }, "max_tokens"],
    [{ max_tokens: 1e300 }, "max_tokens"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ stop: [""] }, "stop[0]"],
    [{ stop: [1] }, "stop[0]"],
    [{ repetition_penalty: 0 }, "repetition_penalty"],
    [{ stream_options: { x: 1 } }, "stream_options.x"],
    [{ unheard_of: 1 }, "unheard_of"],
    [{ constructor: 1 }, "constructor"],
    [{ tools: [{ type: "function" }] }, "tools[0].function"],
    [{ logprobs: 6 }, "logprobs"],
    [{ top_logprobs: 1000 }, "top_logprobs"],
    [{ logit_bias: { "5": 201 } }, "logit_bias[5]"],
    [{ logit_bias: { five: 1 } }, "logit_bias.five"],
    [{ response_format: { type: "xml" } }, "response_format.type"],
    [{ mirostat_target: -1 }, "mirostat_target"],
    [{ reasoning_effort: 20_000 }, "reasoning_effort"],
    [{ get_last_activation: true }, "get_last_activation"],
    [{ extra_body: { n: 0 } }, "n"],
    [{ extra_body: 1 }, "extra_body"],
  ])("with %j is refused by the name of the field", (extra, param) => {
    const refusal = refusalOf(() => parseChatCompletionRequest(JSON.parse(JSON.stringify(chat(extra)))));
    expect(refusal).toMatchObject({ code: "BAD_REQUEST", param });
    expect(refusal.message).toContain(param.split(/[.[]/)[0]);
  });

  test("with a text in refusal is refused in a readable sentence", () => {
    const messages = [{ role: "assistant", content: "Hi", refusal: "" }];
    const refusal = refusalOf(() => parseChatCompletionRequest({ model: "m", messages }));
    expect(refusal).toMatchObject({
      param: "messages[0].refusal",
      message: "messages[0].refusal must be null.",
    });
  });

  test.each([[null], [[]], ["text"], [7], [undefined]])("that is %j is refused as a whole", (body) => {
    expect(refusalOf(() => parseChatCompletionRequest(body))).toMatchObject({
      code: "BAD_REQUEST",
      param: "body",
    });
  });

  test("may have unsupported parameters with neutral values", () => {
    const body = parseChatCompletionRequest(chat({ store: false, metadata: {}, images: [], n: null }));
    expect(Object.keys(body).sort()).toEqual(["messages", "metadata", "model", "n"]);
  });

  test.each([
    [{ a: 1 }, "metadata.a"],
    [{ a: "x".repeat(513) }, "metadata.a"],
    [{ ["x".repeat(65)]: "a" }, "metadata.xxx"],
    [Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ""])), "metadata"],
  ])("may have only few and short labels: not %j", (metadata, param) => {
    expect(refusalOf(() => parseChatCompletionRequest(chat({ metadata }))).param).toContain(param);
  });

  test("is merged with its extra_body, as SDKs do before sending", () => {
    const body = parseChatCompletionRequest(chat({ top_k: 1, extra_body: { top_k: 5, min_p: 0.1 } }));
    expect(toEngineSampling(body)).toEqual({ topK: 5, minP: 0.1 });
  });

  test.each<[object, string]>([
    [{ enable_search: true }, "field: 'enable_search', value: true"],
    [{ thinking_budget: 12.5 }, "field: 'thinking_budget', value: 12.5"],
    [{ unheard_of: null }, "field: 'unheard_of', value: null"],
    [{ api_key: "fw_secret" }, "field: 'api_key', value: '…'"],
    [{ safety: { level: "none" } }, "field: 'safety', value: {…}"],
    [{ plugins: [], n: 1 }, "field: 'plugins', value: []"],
    [{ stream_options: { chunk: 5 } }, "field: 'stream_options.chunk', value: 5"],
    [{ messages: [{ role: "user", content: "a", extra: ["x"] }] }, "field: 'messages[0].extra', value: […]"],
  ])("with the unknown field of %j is refused in the words that clients look for", (extra, words) => {
    const { message } = refusalOf(() => parseChatCompletionRequest(chat(extra)));
    expect(message).toBe(`Extra inputs are not permitted, ${words}`);
  });

  test("with control characters in a field name is refused without echoing them", () => {
    const refusal = refusalOf(() => parseChatCompletionRequest(chat({ "a\u0000\u001b[31mb": 1 })));
    expect(refusal.message).not.toMatch(/[\u0000-\u001f]/);
  });

  test("gives the engine only the sampling parameters that it sets", () => {
    expect(
      toEngineSampling(parseChatCompletionRequest(chat({ temperature: 0, top_k: 5, seed: null }))),
    ).toEqual({
      temperature: 0,
      topK: 5,
    });
  });

  test.each([
    [{ max_tokens: 1, max_completion_tokens: 1 }, "max_completion_tokens"],
    [{ stream_options: { include_usage: true } }, "stream_options"],
    [{ min_tokens: 6, max_tokens: 5 }, "min_tokens"],
    [{ min_tokens: 2_049 }, "min_tokens"],
  ])("that contradicts itself with %j is refused", (extra, param) => {
    const body = parseChatCompletionRequest(chat(extra));
    expect(refusalOf(() => checkCombinations(body))).toMatchObject({ code: "BAD_REQUEST", param });
  });

  test("has its text parts joined and its developer messages converted to system messages", () => {
    const body = parseChatCompletionRequest(
      chat({
        messages: [
          {
            role: "developer",
            content: [
              { type: "text", text: "a" },
              { type: "text", text: "b" },
            ],
          },
          { role: "assistant", content: "c", refusal: null, annotations: [], tool_calls: [] },
        ],
      }),
    );
    expect(toConversation(body)).toEqual([
      { role: "system", content: "ab" },
      { role: "assistant", content: "c" },
    ]);
  });

  test.each([
    ["Hi", { kind: "text", text: "Hi", addBos: true }],
    [["Hi"], { kind: "text", text: "Hi", addBos: true }],
    [[1, 2], { kind: "tokens", tokens: [1, 2] }],
    [[[1, 2]], { kind: "tokens", tokens: [1, 2] }],
    [{ prompt: "Hi" }, { kind: "text", text: "Hi", addBos: true }],
    [{ prompt_token_ids: [1, 2] }, { kind: "tokens", tokens: [1, 2] }],
    [[{ prompt_token_ids: [1, 2] }], { kind: "tokens", tokens: [1, 2] }],
  ])("with the prompt %j makes one input", (prompt, input) => {
    expect(toEngineInputs(parseCompletionRequest({ model: "m", prompt }).prompt)).toEqual([input]);
  });

  test("with a batch of texts, tokens and objects has an input for each, in order", () => {
    const prompt = ["a", [1, 2], { prompt: "b" }, { prompt_token_ids: [3] }];
    const body = parseCompletionRequest({ model: "m", prompt });
    expect(toEngineInputs(body.prompt)).toEqual([
      { kind: "text", text: "a", addBos: true },
      { kind: "tokens", tokens: [1, 2] },
      { kind: "text", text: "b", addBos: true },
      { kind: "tokens", tokens: [3] },
    ]);
    expect(promptCount(body)).toBe(4);
    expect(completionPromptPrefix(body)).toBe("a");
  });

  test.each([
    [[]],
    [["a", 1]],
    [[1, -1]],
    [[[1], []]],
    [null],
    [{}],
    [{ prompt: 1 }],
    [{ prompt_token_ids: [] }],
    [{ prompt: "a", prompt_token_ids: [1] }],
    [[{ text: "a" }]],
  ])("with the prompt %j is refused", (prompt) => {
    const refusal = refusalOf(() => parseCompletionRequest({ model: "m", prompt }));
    expect(refusal.param).toMatch(/^prompt/);
  });
});

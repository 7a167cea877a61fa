import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HttpResponse, type Json, openStream, post, stream } from "../../test/harness/http.ts";
import { createFakeEngine, type FakeEngine, type FakeEngineOptions } from "../engine/fake-engine.ts";
import { AppError } from "../lib/errors.ts";
import type { UsageRow } from "../metering/usage/service.ts";
import { startInference, type TestInference } from "./testing.ts";

const MODEL = "accounts/fireworks/models/echo";
const CHAT = "/inference/v1/chat/completions";
const COMPLETIONS = "/v1/completions";

let inference: TestInference;
let target: TestInference["target"];
let engine: FakeEngine;

/** Makes the engine of the following requests. */
function use(options: FakeEngineOptions): FakeEngine {
  engine = createFakeEngine(options);
  return engine;
}

const chat = (extra: object = {}): object => ({
  model: MODEL,
  temperature: 0,
  messages: [{ role: "user", content: "one two three four" }],
  ...extra,
});

async function rows(): Promise<UsageRow[]> {
  await inference.ledger.flush();
  return inference.ledger.list({ accountId: "local" });
}

async function rowOf(response: Pick<HttpResponse, "headers">): Promise<UsageRow | undefined> {
  return (await rows()).find((row) => row.id.replaceAll("-", "") === response.headers["x-request-id"]);
}

beforeAll(async () => {
  inference = await startInference({
    engine: () => engine,
    resolve(name) {
      if (name === MODEL) return { name: MODEL, fallbackUsed: false };
      if (name === "big") return { name: MODEL, fallbackUsed: true };
      if (name === "lenient") return { name: MODEL, fallbackUsed: true, dropsUnsupported: true };
      throw new AppError("NOT_FOUND", "Model not found.", { param: "model" });
    },
  });
  target = inference.target;
});

afterAll(() => inference.close());

describe("a whole response", () => {
  test("has OpenAI's shape, the engine's usage and the timing headers", async () => {
    use({ cachedTokens: () => 2 });
    const response = await post(target, CHAT, chat());
    expect(response.status).toBe(200);
    expect(response.json).toMatchObject({
      object: "chat.completion",
      model: MODEL,
      choices: [
        { index: 0, message: { role: "assistant", content: "one two three four" }, finish_reason: "stop" },
      ],
    });
    const { usage } = response.json;
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    expect(usage.prompt_tokens_details.cached_tokens).toBe(2);
    expect(response.headers["fireworks-prompt-tokens"]).toBe(String(usage.prompt_tokens));
    expect(await rowOf(response)).toMatchObject({
      endpoint: "chat/completions",
      model: MODEL,
      replica: "replica-0",
      outcome: "ok",
      status: 200,
      promptTokens: usage.prompt_tokens,
      cachedTokens: 2,
      completionTokens: usage.completion_tokens,
    });
  });

  test("tells the time to its first token, not to its last", async () => {
    use({ tokenDelayMs: 20 });
    const reply = await post(target, CHAT, chat());
    const firstS = Number(reply.headers["fireworks-server-time-to-first-token"]);
    const totalS = Number(reply.headers["fireworks-server-processing-time"]);
    expect(totalS).toBeGreaterThan(firstS);
    const row = await rowOf(reply);
    expect(row?.timeToFirstTokenMs).toBeLessThan(row!.durationMs);
  });

  test("leaves the time to its first token out when the engine doesn't tell it", async () => {
    use({ capabilities: { earlyFirstDelta: false } });
    const reply = await post(target, CHAT, chat({ perf_metrics_in_response: true }));
    expect(reply.headers).not.toHaveProperty("fireworks-server-time-to-first-token");
    expect(reply.headers).toHaveProperty("fireworks-server-processing-time");
    expect(reply.json.perf_metrics).not.toHaveProperty("server-time-to-first-token");
    expect((await rowOf(reply))?.timeToFirstTokenMs).toBeNull();
    const streamed = await stream(target, CHAT, chat());
    expect((await rowOf(streamed))?.timeToFirstTokenMs).toEqual(expect.any(Number));
  });

  test("has n choices in their order, each with its finish reason", async () => {
    use({ reply: (_, choice) => `choice ${choice}` });
    const response = await post(target, COMPLETIONS, { model: MODEL, prompt: "x", n: 3 });
    expect(response.json.choices.map((c: Json) => [c.index, c.text, c.finish_reason, c.logprobs])).toEqual([
      [0, "choice 0", "stop", null],
      [1, "choice 1", "stop", null],
      [2, "choice 2", "stop", null],
    ]);
  });

  test("names the fallback model in a header when it replaces the requested model", async () => {
    use({});
    const response = await post(target, CHAT, chat({ model: "big" }));
    expect(response.json.model).toBe(MODEL);
    expect(response.headers["x-hearth-fallback-model"]).toBe(MODEL);
  });

  test("of a lenient fallback model drops images and reasoning parameters that it lacks, and a header names them", async () => {
    use({});
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
    const content = [{ type: "text", text: "one two" }, image];
    const messages = [{ role: "user", content }];
    const seen = { messages, reasoning_effort: "high", thinking: null };
    const reply = await post(target, CHAT, chat({ model: "lenient", ...seen }));
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json.choices[0].message.content).toBe("one two");
    expect(reply.headers["x-hearth-fallback-model"]).toBe(MODEL);
    expect(reply.headers["x-hearth-fallback-dropped"]).toBe("image_url, reasoning_effort");
    const completion = { model: "lenient", prompt: "one", images: ["data:image/png;base64,AAAA"] };
    expect((await post(target, COMPLETIONS, completion)).headers["x-hearth-fallback-dropped"]).toBe("images");
    // Every other model, and a strict fallback model, refuses them by name.
    for (const model of [MODEL, "big"]) {
      const refused = await post(target, CHAT, chat({ model, messages }));
      expect(refused.json.error.param).toBe("messages[0].content[1].type");
      const effort = await post(target, CHAT, chat({ model, reasoning_effort: "high" }));
      expect(effort.json.error.param).toBe("reasoning_effort");
    }
    // A parameter that is wrong for every model is still refused.
    const wrong = await post(target, CHAT, chat({ model: "lenient", messages, temperature: 9 }));
    expect(wrong.json.error.param).toMatch(/^(temperature|messages)/);
  });

  test("of the fallback model says so also when it is an error, whole or in a stream", async () => {
    use({ failure: () => ({ code: "bad_reply", afterTokens: 1 }) });
    const reply = await post(target, CHAT, chat({ model: "big" }));
    expect(reply.status).toBe(502);
    expect(reply.headers["x-hearth-fallback-model"]).toBe(MODEL);
    expect(reply.json.error.message).toContain(`(The fallback model ${MODEL} answered.)`);
    const streamed = await post(target, CHAT, chat({ model: "big", stream: true }));
    expect(streamed.headers["x-hearth-fallback-model"]).toBe(MODEL);
    expect(streamed.text).toContain(`(The fallback model ${MODEL} answered.)`);
    expect((await post(target, CHAT, chat())).text).not.toContain("fallback");
  });

  test("is a 400 that names the sampling parameter which the engine lacks", async () => {
    use({ capabilities: { sampling: ["temperature"] } });
    const response = await post(target, CHAT, chat({ top_k: 3 }));
    expect(response.status).toBe(400);
    expect(response.json.error).toMatchObject({ code: "BAD_REQUEST", param: "top_k" });
  });

  test.each([
    [{ logprobs: 2 }, "logprobs"],
    [{ return_token_ids: true }, "return_token_ids"],
    [{ raw_output: true }, "raw_output"],
    [{ echo: true }, "echo"],
    [{ echo_last: 2 }, "echo_last"],
    [{ forced_generation: "x" }, "forced_generation"],
    [{ response_format: { type: "json_object" } }, "response_format"],
    [{ min_tokens: 2 }, "min_tokens"],
    [{ ignore_eos: true }, "ignore_eos"],
    [{ prompt_cache_isolation_key: "k" }, "prompt_cache_isolation_key"],
    [{ prompt_cache_max_len: 1 }, "prompt_cache_max_len"],
  ])("is a 400 that names the parameter of %j when the engine lacks its feature", async (extra, param) => {
    use({ capabilities: { features: [] } });
    const response = await post(target, COMPLETIONS, { model: MODEL, prompt: "x", ...extra });
    expect(response.status).toBe(400);
    expect(response.json.error).toMatchObject({ code: "BAD_REQUEST", param });
  });

  test("never interprets the text of a message as a template", async () => {
    const engine = use({});
    const text = "{{ 7 * 7 }}{% for x in range(10**9) %}a{% endfor %} {{ messages.__class__ }}";
    await post(target, CHAT, chat({ messages: [{ role: "user", content: text }] }));
    expect(engine.requests[0]?.input).toMatchObject({ kind: "text", text: expect.stringContaining(text) });
  });
});

describe("a stream", () => {
  test("joins to the engine's output, with usage on the finish chunk and null on every other", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 40 }), async (text) => {
        use({ reply: () => text });
        const response = await stream(target, CHAT, chat());
        expect(response.text).toBe(text);
        expect(response.done && response.whole).toBe(true);
        expect(response.chunks.every((chunk) => "usage" in chunk)).toBe(true);
        const withUsage = response.chunks.filter((chunk) => chunk.usage !== null);
        expect(withUsage).toHaveLength(1);
        expect(withUsage[0].choices[0].finish_reason).toBe("stop");
        expect(response.chunks[0].choices[0].delta).toEqual({ role: "assistant", content: "" });
      }),
      { numRuns: 30 },
    );
  });

  test("has OpenAI's layout with include_usage: usage null everywhere, then one chunk without choices", async () => {
    use({});
    const { chunks } = await stream(target, CHAT, chat({ stream_options: { include_usage: true }, n: 2 }));
    const last = chunks.at(-1);
    expect(last.choices).toEqual([]);
    expect(last.usage.completion_tokens).toBeGreaterThan(0);
    for (const chunk of chunks.slice(0, -1)) expect(chunk.usage).toBeNull();
    const finished = chunks.filter((chunk) => chunk.choices[0]?.finish_reason === "stop");
    expect(finished.map((chunk) => chunk.choices[0].index).sort()).toEqual([0, 1]);
  });

  test("ends with an error event after a failure, and leaves a row", async () => {
    use({ failure: () => ({ code: "unavailable", afterTokens: 2 }) });
    const response = await stream(target, CHAT, chat());
    expect(response.status).toBe(200);
    expect(response.chunks.at(-1).error).toMatchObject({ code: "UNAVAILABLE", type: "server_error" });
    expect(response.done && response.whole).toBe(true);
    expect(await rowOf(response)).toMatchObject({ outcome: "error", completionTokens: 2 });
  });

  test("stops when its client leaves, who is billed for the tokens generated so far", async () => {
    let release = (): void => {};
    const engine = use({
      reply: () => "a b c d e f g h",
      gate: ({ token }) => (token < 3 ? undefined : new Promise((resolve) => (release = resolve))),
    });
    const open = await openStream(target, CHAT, chat());
    await open.read((response) => response.text.length > 2);
    open.drop();
    // The gate holds token 3 until the server has noticed that the client is gone.
    await expect.poll(() => engine.active).toBe(1);
    await expect
      .poll(async () => {
        release();
        return (await rowOf(open.response))?.outcome;
      })
      .toBe("cancelled");
    const row = await rowOf(open.response);
    expect(row?.completionTokens).toBeGreaterThanOrEqual(2);
    expect(row?.completionTokens).toBeLessThan(8);
    expect(engine.active).toBe(0);
  });
});

describe("a failed request", () => {
  test.each([
    ["overloaded", 503, "UNAVAILABLE", "1"],
    ["unavailable", 503, "UNAVAILABLE", "1"],
    ["invalid", 400, "BAD_REQUEST", undefined],
    ["bad_reply", 502, "BAD_GATEWAY", undefined],
    ["timeout", 504, "DEADLINE_EXCEEDED", undefined],
    ["internal", 500, "INTERNAL", undefined],
  ] as const)(
    "answers an engine's %s with %i %s and leaves one row",
    async (code, status, publicCode, retryAfter) => {
      use({ failure: () => ({ code, afterTokens: 0 }) });
      for (const body of [chat(), chat({ stream: true })]) {
        const response = await post(target, CHAT, body);
        expect(response.status).toBe(status);
        expect(response.json.error).toMatchObject({ code: publicCode, object: "error" });
        expect(response.headers["retry-after"]).toBe(retryAfter);
        expect(await rowOf(response)).toMatchObject({ status, outcome: status < 500 ? "rejected" : "error" });
      }
    },
  );

  test("names the field that holds a prompt which is too long", async () => {
    use({ model: { contextLength: 8 } });
    const long = Array.from({ length: 50 }, () => "word").join(" ");
    const viaChat = await post(target, CHAT, chat({ messages: [{ role: "user", content: long }] }));
    expect(viaChat.status).toBe(400);
    expect(viaChat.json.error.param).toBe("messages");
    const viaPrompt = await post(target, COMPLETIONS, { model: MODEL, prompt: long });
    expect(viaPrompt.json.error.param).toBe("prompt");
  });

  test("answers 500 after a defect in the code and reveals nothing about it", async () => {
    use({
      reply: () => {
        throw new Error("secret path /etc/passwd");
      },
    });
    const response = await post(target, CHAT, chat());
    expect(response.status).toBe(500);
    expect(response.text).not.toMatch(/secret|passwd|at /);
  });

  test("leaves exactly one row, like a successful one", async () => {
    use({});
    const before = (await rows()).length;
    const bodies = [chat(), "{", chat({ n: 0 }), chat({ model: "nope" }), chat({ stream: true })];
    for (const body of bodies) await post(target, CHAT, body);
    expect((await rows()).length - before).toBe(bodies.length);
  });

  test("answers 502 when the engine's output breaks off, instead of an empty response", async () => {
    const engine = use({});
    (engine as { generate: unknown }).generate = async function* () {};
    expect((await post(target, CHAT, chat())).status).toBe(502);
  });
});

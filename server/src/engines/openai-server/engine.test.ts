import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { TextEngine } from "../../engine/engine.ts";
import { EngineError } from "../../engine/errors.ts";
import type { EngineEvent, GenerateRequest } from "../../engine/generation.ts";
import { createOpenAiServerEngine, type OpenAiServerOptions } from "./engine.ts";
import {
  LLAMA_RESPONSE,
  LLAMA_STREAM,
  type Responder,
  sendJson,
  startFakeUpstream,
  VLLM_RESPONSE,
  VLLM_STREAM,
  vllmChunk,
} from "./fake-upstream.ts";

let cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  cleanups = [];
});

async function setUp(answer: Responder, options: Partial<OpenAiServerOptions> = {}) {
  const upstream = await startFakeUpstream(answer);
  const engine = engineAt(upstream.baseUrl, options);
  cleanups.push(upstream.close, () => engine.close());
  return { upstream, engine };
}

function engineAt(baseUrl: string, options: Partial<OpenAiServerOptions> = {}): TextEngine {
  return createOpenAiServerEngine({ baseUrl, upstreamModel: "m", connections: 4, ...options });
}

function chat(changes: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    id: "r1",
    input: { kind: "chat", messages: [{ role: "user", content: "Say hello to the whole wide world" }] },
    sampling: {},
    n: 1,
    maxTokens: 64,
    stop: [],
    stream: false,
    ...changes,
  };
}

async function collect(engine: TextEngine, request: GenerateRequest, signal = new AbortController().signal) {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(request, signal)) events.push(event);
  return events;
}

async function failure(engine: TextEngine, request = chat()): Promise<EngineError> {
  const error = await collect(engine, request).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

function stream(text: string): Responder {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    response.end(text);
  };
}

describe("a whole response", () => {
  it("is parsed in vLLM's form", async () => {
    const { engine } = await setUp((response) => sendJson(response, 200, VLLM_RESPONSE));
    expect(await collect(engine, chat())).toEqual([
      { type: "delta", choice: 0, text: "Hello there" },
      { type: "finish", choice: 0, reason: "stop" },
      { type: "end", usage: { promptTokens: 12, cachedTokens: 0, completionTokens: 3 }, aborted: false },
    ]);
  });

  it("is parsed in llama-server's form, with its cached tokens", async () => {
    const { engine } = await setUp((response) => sendJson(response, 200, LLAMA_RESPONSE));
    expect(await collect(engine, chat())).toEqual([
      { type: "delta", choice: 0, text: "Hi" },
      { type: "finish", choice: 0, reason: "length" },
      { type: "end", usage: { promptTokens: 7, cachedTokens: 5, completionTokens: 1 }, aborted: false },
    ]);
  });

  it("may have a text completion's choices out of order, and a missing usage is estimated", async () => {
    const { engine } = await setUp((response) =>
      sendJson(response, 200, {
        choices: [
          { index: 1, text: "bbbbbbbb", finish_reason: "stop" },
          { index: 0, text: "", finish_reason: "length" },
        ],
      }),
    );
    const request = chat({ n: 2, input: { kind: "tokens", tokens: [1, 2, 3] } });
    expect(await collect(engine, request)).toEqual([
      { type: "delta", choice: 1, text: "bbbbbbbb" },
      { type: "finish", choice: 1, reason: "stop" },
      { type: "finish", choice: 0, reason: "length" },
      { type: "end", usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 2 }, aborted: false },
    ]);
  });

  it("is dropped and counts no output tokens when maxTokens is 0", async () => {
    const { engine, upstream } = await setUp((response) => sendJson(response, 200, VLLM_RESPONSE));
    expect(await collect(engine, chat({ maxTokens: 0 }))).toEqual([
      { type: "finish", choice: 0, reason: "length" },
      { type: "end", usage: { promptTokens: 12, cachedTokens: 0, completionTokens: 0 }, aborted: false },
    ]);
    expect(upstream.requests[0]?.body.max_tokens).toBe(1);
  });

  it("is joined from many pieces, even within characters", async () => {
    const text = JSON.stringify({
      ...VLLM_RESPONSE,
      choices: [{ ...VLLM_RESPONSE.choices[0], message: { content: "ü🌍" } }],
    });
    const { engine } = await setUp(async (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    expect((await collect(engine, chat()))[0]).toEqual({ type: "delta", choice: 0, text: "ü🌍" });
  });
});

describe("the request to the server", () => {
  it("sets neutral sampling explicitly, so that no default of the server applies", async () => {
    const { engine, upstream } = await setUp((response) => sendJson(response, 200, VLLM_RESPONSE), {
      apiKey: "secret",
    });
    await collect(engine, chat());
    expect(upstream.requests[0]).toEqual({
      method: "POST",
      path: "/v1/chat/completions",
      authorization: "Bearer secret",
      body: {
        model: "m",
        messages: [{ role: "user", content: "Say hello to the whole wide world" }],
        max_tokens: 64,
        temperature: 1,
        top_p: 1,
        top_k: -1,
        min_p: 0,
      },
    });
  });

  it("has every field of a full request", async () => {
    const { engine, upstream } = await setUp(stream(VLLM_STREAM));
    const sampling = {
      temperature: 0,
      topP: 0.5,
      topK: 7,
      minP: 0.1,
      seed: 3,
      frequencyPenalty: 0.5,
      presencePenalty: -1,
      repetitionPenalty: 1.1,
    };
    const input = { kind: "text", text: "once", addBos: false } as const;
    await collect(engine, chat({ input, sampling, stop: ["x"], stream: true }));
    expect(upstream.requests[0]?.path).toBe("/v1/completions");
    expect(upstream.requests[0]?.body).toEqual({
      model: "m",
      prompt: "once",
      add_special_tokens: false,
      max_tokens: 64,
      stop: ["x"],
      temperature: 0,
      top_p: 0.5,
      top_k: 7,
      min_p: 0.1,
      seed: 3,
      frequency_penalty: 0.5,
      presence_penalty: -1,
      repetition_penalty: 1.1,
      repeat_penalty: 1.1,
      repeat_last_n: -1,
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
    });
  });

  it("has only OpenAI's fields in the openai dialect, and the capabilities list no others", async () => {
    const { engine, upstream } = await setUp(stream(VLLM_STREAM), { dialect: "openai" });
    await collect(engine, chat({ stream: true }));
    expect(Object.keys(upstream.requests[0]?.body).sort()).toEqual([
      "max_tokens",
      "messages",
      "model",
      "stream",
      "stream_options",
      "temperature",
      "top_p",
    ]);
    expect(upstream.requests[0]?.body.stream_options).toEqual({ include_usage: true });
    expect(engine.capabilities.sampling).not.toContain("topK");
    await expect(engine.tokenize("x")).rejects.toMatchObject({ code: "unsupported" });
  });

  it("reuses connections: sequential requests use at most two, as undici rests each for a turn", async () => {
    const { engine, upstream } = await setUp((response, { body }) =>
      body.stream
        ? stream(VLLM_STREAM)(response, upstream.requests[0]!)
        : sendJson(response, 200, VLLM_RESPONSE),
    );
    for (let i = 0; i < 12; i += 1) await collect(engine, chat({ stream: i % 2 === 0 }));
    expect(upstream.requests).toHaveLength(12);
    expect(upstream.connections).toBeLessThanOrEqual(2);
  });
});

describe("a stream", () => {
  it("is parsed in vLLM's form, with the usage in an extra chunk", async () => {
    const { engine } = await setUp(stream(VLLM_STREAM));
    expect(await collect(engine, chat({ stream: true }))).toEqual([
      { type: "delta", choice: 0, text: "Grüße" },
      { type: "delta", choice: 0, text: " 🌍" },
      { type: "delta", choice: 0, text: "!" },
      { type: "finish", choice: 0, reason: "stop" },
      { type: "end", usage: { promptTokens: 11, cachedTokens: 8, completionTokens: 4 }, aborted: false },
    ]);
  });

  it("is parsed in llama-server's form", async () => {
    const { engine } = await setUp(stream(LLAMA_STREAM));
    expect(await collect(engine, chat({ stream: true }))).toEqual([
      { type: "delta", choice: 0, text: "Hel" },
      { type: "delta", choice: 0, text: "lo" },
      { type: "finish", choice: 0, reason: "length" },
      { type: "end", usage: { promptTokens: 9, cachedTokens: 0, completionTokens: 2 }, aborted: false },
    ]);
  });

  it("may have its usage in the finish chunk and end without [DONE]", async () => {
    const usage = { prompt_tokens: 4, completion_tokens: 9, total_tokens: 13 };
    const { engine } = await setUp(stream(vllmChunk("a", null) + vllmChunk("", "length", 0, usage)));
    expect((await collect(engine, chat({ stream: true }))).at(-1)).toEqual({
      type: "end",
      usage: { promptTokens: 4, cachedTokens: 0, completionTokens: 9 },
      aborted: false,
    });
  });

  it("without usage counts one token a delta", async () => {
    const { engine } = await setUp(
      stream(`${vllmChunk("a", null) + vllmChunk("b", null) + vllmChunk(null, "stop")}data: [DONE]\n\n`),
    );
    const request = chat({ stream: true, input: { kind: "tokens", tokens: [5, 6] } });
    expect((await collect(engine, request)).at(-1)).toMatchObject({
      usage: { promptTokens: 2, completionTokens: 2 },
    });
  });

  it("with interleaved choices delivers one finish for each", async () => {
    const { engine } = await setUp(
      stream(
        vllmChunk("a", null, 1) +
          vllmChunk("b", null, 0) +
          vllmChunk("", "stop", 1) +
          vllmChunk("late", null, 1) +
          vllmChunk("c", "length", 0) +
          vllmChunk("", "stop", 0),
      ),
    );
    const events = await collect(engine, chat({ stream: true, n: 2 }));
    expect(events.map((e) => (e.type === "delta" ? `${e.choice}${e.text}` : e.type))).toEqual([
      "1a",
      "0b",
      "finish",
      "0c",
      "finish",
      "end",
    ]);
  });

  it("loses nothing when the consumer is slower than the server", async () => {
    const count = 5_000;
    const text = Array.from({ length: count }, (_, i) => vllmChunk(`${i},`, null)).join("");
    const { engine } = await setUp(stream(`${text + vllmChunk("", "stop")}data: [DONE]\n\n`));
    let all = "";
    let steps = 0;
    for await (const event of engine.generate(chat({ stream: true }), new AbortController().signal)) {
      if (event.type === "delta") all += event.text;
      steps += 1;
      if (steps % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(all).toBe(Array.from({ length: count }, (_, i) => `${i},`).join(""));
  });
});

describe("an abort", () => {
  /** A stream that sends two deltas and stays open; `closed` resolves when the connection closes. */
  function endless() {
    let onClosed: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      onClosed = resolve;
    });
    const answer: Responder = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(vllmChunk("a", null) + vllmChunk("b", null));
      response.once("close", onClosed);
    };
    return { answer, closed };
  }

  it("closes the connection and ends with the usage counted from the deltas", async () => {
    const { answer, closed } = endless();
    const { engine } = await setUp(answer);
    const controller = new AbortController();
    const events: EngineEvent[] = [];
    const request = chat({ stream: true, input: { kind: "tokens", tokens: [1, 2, 3, 4] } });
    for await (const event of engine.generate(request, controller.signal)) {
      events.push(event);
      if (events.length === 2) controller.abort();
    }
    expect(events.at(-1)).toEqual({
      type: "end",
      usage: { promptTokens: 4, cachedTokens: 0, completionTokens: 2 },
      aborted: true,
    });
    await closed;
  });

  it("adds the deltas since to the usage that the server reported last", async () => {
    const usage = { prompt_tokens: 40, completion_tokens: 7, total_tokens: 47 };
    const { engine } = await setUp((response) => {
      response.writeHead(200);
      response.write(vllmChunk("a", null, 0, usage) + vllmChunk("b", null));
    });
    const controller = new AbortController();
    const events: EngineEvent[] = [];
    for await (const event of engine.generate(chat({ stream: true }), controller.signal)) {
      events.push(event);
      if (events.length === 2) controller.abort();
    }
    expect(events.at(-1)).toMatchObject({ usage: { promptTokens: 40, completionTokens: 8 }, aborted: true });
  });

  it("by leaving the iterator closes the connection", async () => {
    const { answer, closed } = endless();
    const { engine } = await setUp(answer);
    for await (const _ of engine.generate(chat({ stream: true }), new AbortController().signal)) break;
    await closed;
  });

  it("before the start sends nothing", async () => {
    const { engine, upstream } = await setUp((response) => sendJson(response, 200, VLLM_RESPONSE));
    expect(await collect(engine, chat(), AbortSignal.abort())).toEqual([
      { type: "end", usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }, aborted: true },
    ]);
    expect(upstream.requests).toHaveLength(0);
  });

  it("ends a request that waits for a connection without sending it", async () => {
    const release: (() => void)[] = [];
    const { engine, upstream } = await setUp(
      (response) => void release.push(() => sendJson(response, 200, VLLM_RESPONSE)),
      { connections: 1 },
    );
    const first = collect(engine, chat());
    const controller = new AbortController();
    const second = collect(engine, chat({ id: "r2" }), controller.signal);
    controller.abort();
    expect(await second).toEqual([
      { type: "end", usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }, aborted: true },
    ]);
    await expect.poll(() => release.length).toBe(1);
    release[0]!();
    expect(await first).toHaveLength(3);
    expect(upstream.requests).toHaveLength(1);
  });

  it("cancels all requests that share its signal through one listener", async () => {
    const { engine } = await setUp((response, { body }) => {
      if (body.max_tokens === 64) sendJson(response, 200, VLLM_RESPONSE);
    });
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    for (let i = 0; i < 3; i += 1) expect(await collect(engine, chat(), signal)).toHaveLength(3);
    const hanging = [1, 2].map((maxTokens) => collect(engine, chat({ maxTokens }), signal));
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    for (const events of await Promise.all(hanging)) {
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({ type: "end", aborted: true });
    }
    expect(listeners).toBe(1);
  });
});

describe("an error", () => {
  const error = (message: string, fields = {}) => ({
    error: { message, type: "BadRequestError", ...fields },
  });

  it.each([
    [429, error("slow down"), "overloaded"],
    [503, error("Loading model", { code: 503 }), "overloaded"],
    [500, "Internal Server Error", "unavailable"],
    [502, "<html><body>Bad gateway</body></html>", "unavailable"],
    [401, error("Invalid API key sk-123"), "unavailable"],
    [404, error("The model `m` does not exist."), "unavailable"],
    [400, error("temperature must be non-negative"), "invalid"],
    [422, { detail: [{ type: "missing", loc: ["body", "x"], input: "prompt" }] }, "invalid"],
    [400, "<html>nginx</html>", "bad_reply"],
    [302, "", "bad_reply"],
    [200, "<html>hello</html>", "bad_reply"],
    [200, '{"choices":[{"index":0,"message":{"content":"Hel', "bad_reply"],
    [200, "", "bad_reply"],
    [200, "null", "bad_reply"],
    [200, { choices: [] }, "bad_reply"],
    [200, { choices: [{ index: 5, message: { content: "x" }, finish_reason: "stop" }] }, "bad_reply"],
    [200, { choices: [{ index: 0, message: { content: 7 }, finish_reason: "stop" }] }, "bad_reply"],
    [200, { choices: [{ index: 0, message: { content: "x" }, finish_reason: null }] }, "bad_reply"],
    [200, { choices: [{ index: 0, message: { content: "" }, finish_reason: "abort" }] }, "unavailable"],
  ])("of HTTP %i %j becomes %s", async (status, body, code) => {
    const { engine } = await setUp((response) => sendJson(response, status, body));
    expect((await failure(engine)).code).toBe(code);
  });

  it("for a prompt that is too long gives both numbers", async () => {
    const bodies = [
      {
        object: "error",
        message:
          "This model's maximum context length is 2048 tokens. However, you requested 3010 tokens (3000 in the messages, 10 in the completion). Please reduce the length of the messages or completion.",
        type: "BadRequestError",
        code: 400,
      },
      {
        error: {
          code: 400,
          message: "the request exceeds the available context size, try increasing it",
          type: "exceed_context_size_error",
          n_prompt_tokens: 3000,
          n_ctx: 2048,
        },
      },
      error("request (3000 tokens) exceeds the available context size (2048 tokens), try increasing it"),
      error(
        "Requested token count exceeds the model's maximum context length of 2048 tokens. You requested a total of 3010 tokens: 3000 tokens from the input messages and 10 tokens for the completion.",
      ),
    ];
    for (const body of bodies) {
      const { engine } = await setUp((response) => sendJson(response, 400, body));
      const thrown = await failure(engine);
      expect(thrown.code).toBe("context_exceeded");
      expect(thrown.message).toContain("3000");
      expect(thrown.message).toContain("2048");
    }
  });

  it("for a prompt and output that are too long together leads to a second request with less output", async () => {
    const { engine, upstream } = await setUp((response, { body }) =>
      body.max_tokens > 48
        ? sendJson(
            response,
            400,
            error(
              "'max_tokens' or 'max_completion_tokens' is too large: 64. This model's maximum context length is 60 tokens and your request has 12 input tokens (64 > 60 - 12).",
            ),
          )
        : sendJson(response, 200, VLLM_RESPONSE),
    );
    expect((await collect(engine, chat())).at(-1)).toMatchObject({ type: "end", aborted: false });
    expect(upstream.requests.map(({ body }) => body.max_tokens)).toEqual([64, 48]);
  });

  it("with only a lower bound of the prompt makes the adapter count the prompt", async () => {
    const { engine, upstream } = await setUp((response, { path, body }) => {
      if (path === "/tokenize") sendJson(response, 200, { count: 3, max_model_len: 60, tokens: [1, 2, 3] });
      else if (body.max_tokens > 56) {
        sendJson(
          response,
          400,
          error(
            "This model's maximum context length is 60 tokens. However, you requested 64 output tokens and your prompt contains at least 1 input tokens, for a total of at least 65 tokens.",
          ),
        );
      } else sendJson(response, 200, { choices: [{ index: 0, text: "x", finish_reason: "stop" }] });
    });
    await collect(engine, chat({ input: { kind: "text", text: "a b c", addBos: true } }));
    expect(upstream.requests.at(-1)?.body.max_tokens).toBe(56);
  });

  it("leads to at most one more request", async () => {
    const { engine, upstream } = await setUp((response) =>
      sendJson(
        response,
        400,
        error(
          "This model's maximum context length is 60 tokens. However, you requested 70 tokens (12 in the messages, 58 in the completion).",
        ),
      ),
    );
    expect((await failure(engine)).code).toBe("context_exceeded");
    expect(upstream.requests).toHaveLength(2);
  });

  it("shows the server's message only if it is short and reveals nothing", async () => {
    const words: [string, boolean][] = [
      ["temperature must be non-negative", true],
      ["cannot parse 'Say hello to the whole wide world'", false],
      ["Traceback (most recent call last): boom", false],
      ["failed at /usr/lib/python3/x.py", false],
      ["Incorrect API key provided: sk-abc", false],
      ["bad\u0007bell", false],
      ["x".repeat(300), false],
    ];
    for (const [message, shown] of words) {
      const { engine } = await setUp((response) => sendJson(response, 400, error(message)));
      const thrown = await failure(engine);
      expect(thrown.message.includes(message)).toBe(shown);
      expect(thrown.message.length).toBeLessThan(260);
    }
  });

  it("is unavailable when the server is unreachable", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const engine = engineAt(`http://127.0.0.1:${port}/v1`);
    const thrown = await failure(engine);
    expect(thrown).toMatchObject({ code: "unavailable", retryable: true });
    await expect(engine.health()).rejects.toMatchObject({ code: "unavailable" });
    await engine.close();
  });

  it("is unavailable when the server dies within a response, after the deltas so far", async () => {
    const { engine } = await setUp((response) => {
      response.writeHead(200);
      response.write(vllmChunk("a", null), () => response.socket?.destroy());
    });
    const events: EngineEvent[] = [];
    const reading = (async () => {
      for await (const event of engine.generate(chat({ stream: true }), new AbortController().signal))
        events.push(event);
    })();
    await expect(reading).rejects.toMatchObject({ code: "unavailable" });
    expect(events).toEqual([{ type: "delta", choice: 0, text: "a" }]);
  });

  it.each([
    ["a stream that ends without a finish", vllmChunk("a", null)],
    ["[DONE] without a finish", `${vllmChunk("a", null)}data: [DONE]\n\n`],
    ["broken JSON in a stream", "data: {\n\n"],
    ["null in a stream", "data: null\n\n"],
    ["an HTML page instead of a stream", "<html></html>"],
    ["a whole response instead of a stream", JSON.stringify(VLLM_RESPONSE)],
    ["an unknown choice", vllmChunk("a", null, 3)],
  ])("by %s becomes bad_reply", async (_, text) => {
    const { engine } = await setUp(stream(text));
    expect((await failure(engine, chat({ stream: true }))).code).toBe("bad_reply");
  });

  it("is unavailable, without the server's path, when it is an event inside a stream", async () => {
    const { engine } = await setUp(
      stream(
        `${vllmChunk("a", null)}data: {"error":{"message":"EngineCore died at /opt/x","type":"InternalServerError","code":500}}\n\n`,
      ),
    );
    const thrown = await failure(engine, chat({ stream: true }));
    expect(thrown.code).toBe("unavailable");
    expect(thrown.message).not.toContain("/opt");
  });

  it("closes the connection when a response exceeds maxResponseBytes", async () => {
    let onClosed: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      onClosed = resolve;
    });
    const { engine } = await setUp(
      (response) => {
        response.socket?.once("close", onClosed);
        sendJson(response, 200, "x".repeat(5_000));
      },
      { maxResponseBytes: 4_000 },
    );
    expect((await failure(engine)).code).toBe("bad_reply");
    await closed;
  });

  it("is timeout when the server never answers or falls silent", async () => {
    const silent = await setUp(() => {}, { firstTokenTimeoutMs: 50 });
    expect((await failure(silent.engine)).code).toBe("timeout");
    const half = await setUp((response) => void response.writeHead(200).write(vllmChunk("a", null)), {
      stallTimeoutMs: 50,
    });
    expect((await failure(half.engine, chat({ stream: true }))).code).toBe("timeout");
  });

  it("is timeout when the headers come at once and the first token never comes", async () => {
    const { engine } = await setUp((response) => response.writeHead(200).flushHeaders(), {
      firstTokenTimeoutMs: 50,
    });
    expect((await failure(engine, chat({ stream: true }))).code).toBe("timeout");
  });

  it("is not caused by the stall time-out before the first token, nor while the consumer is slow", async () => {
    const { engine } = await setUp(
      (response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        setTimeout(() => {
          for (let i = 0; i < 2_000; i++) response.write(vllmChunk("word ", null));
          response.end(`${vllmChunk("", "stop")}data: [DONE]\n\n`);
        }, 300);
      },
      { stallTimeoutMs: 100 },
    );
    let deltas = 0;
    for await (const event of engine.generate(chat({ stream: true }), new AbortController().signal)) {
      if (event.type === "delta" && ++deltas === 1) await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(deltas).toBe(2_000);
  });

  it("is given to all work in flight or queued when the work is failed, and the connections end", async () => {
    let closed = 0;
    const { engine, upstream } = await setUp((response, { body }) => {
      response.once("close", () => closed++);
      if (body.stream) response.writeHead(200).write(vllmChunk("a", null));
    });
    const running = [true, false, true, false, true, false].map((stream) =>
      failure(engine, chat({ stream })),
    );
    await expect.poll(() => upstream.requests.length).toBe(4);
    engine.failWork?.(new EngineError("unavailable", "The model server is gone."));
    for (const error of await Promise.all(running)) expect(error.message).toBe("The model server is gone.");
    await expect.poll(() => closed).toBe(4);
    expect(upstream.requests).toHaveLength(4);
  });

  it("is not caused by a health check that meets a server whose connections are all in use", async () => {
    const { engine, upstream } = await setUp((response, { path }) => {
      if (!path.endsWith("/completions")) sendJson(response, 200, {});
    });
    for (let i = 0; i < 5; i++) void failure(engine);
    await expect.poll(() => upstream.requests.length).toBe(4);
    await expect(engine.health()).resolves.toBeUndefined();
  });

  it("is overloaded when the queue is full, and later requests succeed", async () => {
    const release: (() => void)[] = [];
    const { engine } = await setUp(
      (response) => void release.push(() => sendJson(response, 200, VLLM_RESPONSE)),
      {
        connections: 1,
        maxQueued: 1,
      },
    );
    const running = [collect(engine, chat()), collect(engine, chat())];
    expect((await failure(engine)).code).toBe("overloaded");
    await expect.poll(() => release.length).toBe(1);
    release[0]!();
    await expect.poll(() => release.length).toBe(2);
    release[1]!();
    await Promise.all(running);
    const again = collect(engine, chat());
    await expect.poll(() => release.length).toBe(3);
    release[2]!();
    expect(await again).toHaveLength(3);
  });

  it("is unavailable for running and later requests after close", async () => {
    const { engine, upstream } = await setUp(() => {});
    const running = failure(engine);
    await expect.poll(() => upstream.requests.length).toBe(1);
    await engine.close();
    expect((await running).code).toBe("unavailable");
    expect((await failure(engine)).code).toBe("unavailable");
    await expect(engine.health()).rejects.toMatchObject({ code: "unavailable" });
    await engine.close();
  });
});

describe("the adapter", () => {
  it("tokenizes by the server's endpoint next to the API", async () => {
    const { engine, upstream } = await setUp((response) => sendJson(response, 200, { tokens: [9, 8] }));
    expect(await engine.tokenize("<s>hi")).toEqual([9, 8]);
    expect(upstream.requests[0]).toMatchObject({
      path: "/tokenize",
      body: { prompt: "<s>hi", content: "<s>hi", add_special: false, add_special_tokens: false },
    });
  });

  it("throws unsupported without a tokenizer endpoint and bad_reply for a malformed response", async () => {
    const none = await setUp((response) => sendJson(response, 404, { detail: "Not Found" }));
    await expect(none.engine.tokenize("x")).rejects.toMatchObject({ code: "unsupported" });
    const odd = await setUp((response) => sendJson(response, 200, { tokens: ["a"] }));
    await expect(odd.engine.tokenize("x")).rejects.toMatchObject({ code: "bad_reply" });
  });

  it("checks health by /health or else /v1/models, and is unhealthy while the model loads", async () => {
    const withHealth = await setUp((response, { path }) =>
      sendJson(response, path === "/health" ? 200 : 404, {}),
    );
    await withHealth.engine.health();
    const models = await setUp((response, { path }) =>
      sendJson(response, path === "/v1/models" ? 200 : 404, {}),
    );
    await models.engine.health();
    const loading = await setUp((response) =>
      sendJson(response, 503, { error: { message: "Loading model" } }),
    );
    await expect(loading.engine.health()).rejects.toMatchObject({ code: "overloaded" });
  });

  it("reads the context of vLLM's list of models or else llama-server's properties, and again after a failure", async () => {
    let answers: Record<string, unknown> = {
      "/health": {},
      "/v1/models": { data: [{ id: "m", max_model_len: 512 }] },
    };
    const { engine, upstream } = await setUp((response, { path }) =>
      path in answers ? sendJson(response, 200, answers[path]) : sendJson(response, 404, {}),
    );
    expect(engine.model.contextLength).toBeNull();
    await engine.health();
    expect(engine.model.contextLength).toBe(512);
    await engine.health();
    expect(upstream.requests.filter(({ path }) => path === "/v1/models")).toHaveLength(1);
    answers = {};
    await expect(engine.health()).rejects.toThrow(EngineError);
    answers = { "/health": {}, "/props": { default_generation_settings: { n_ctx: 1024 } } };
    await engine.health();
    expect(engine.model.contextLength).toBe(1024);
    answers = { "/health": {}, "/v1/models": { data: [{ id: "m", max_model_len: "long" }] } };
    const other = engineAt(upstream.baseUrl);
    cleanups.push(() => other.close());
    await other.health();
    expect(other.model.contextLength).toBeNull();
  });

  it("leaves a chat's limit beyond the context to the server, which would refuse it", async () => {
    const { engine, upstream } = await setUp((response) => sendJson(response, 200, VLLM_RESPONSE), {
      contextLength: 512,
    });
    await collect(engine, chat({ maxTokens: 512 }));
    await collect(engine, chat({ maxTokens: 511 }));
    expect(upstream.requests.map(({ body }) => body.max_tokens)).toEqual([undefined, 511]);
  });

  it("refuses invalid options", () => {
    expect(() => engineAt("ftp://x/v1")).toThrow(TypeError);
    expect(() => engineAt("nonsense")).toThrow(TypeError);
    expect(() => engineAt("http://user:pw@x/v1")).toThrow(TypeError);
    expect(() => engineAt("http://x/v1", { connections: 0 })).toThrow(TypeError);
    expect(() => engineAt("http://x/v1", { apiKey: "a\nb" })).toThrow(TypeError);
  });
});

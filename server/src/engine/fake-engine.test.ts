import { describe, expect, it } from "vitest";
import { FakeClock } from "../lib/clock.ts";
import { collectGeneration, describeEngineContract } from "./contract.ts";
import { EngineError } from "./errors.ts";
import { createFakeEngine, type FakeEngineOptions } from "./fake-engine.ts";
import type { GenerateRequest } from "./generation.ts";

// Long enough for the contract's 1,000 tokens; the gate yields to the event loop, so that aborts arrive.
const options: FakeEngineOptions = {
  reply: (request, choice) => {
    const start = request.sampling.temperature === 0 ? 0 : (request.sampling.seed ?? 0) + choice;
    return Array.from({ length: 2000 }, (_, i) => `${request.lora ?? "word"}${start + i}`).join(" ");
  },
  onLoadLora: ({ path }) => {
    if (path === "broken") throw new EngineError("invalid", "The file is damaged.");
  },
  gate: () => new Promise<void>((resolve) => setImmediate(resolve)),
  prefixCache: true,
};

describeEngineContract(
  "the fake engine",
  async () => {
    const engine = createFakeEngine(options);
    return {
      engine,
      activeGenerations: () => engine.active,
      crash: () => engine.crash(),
      dispose: () => engine.close(),
      loras: { paths: ["red", "blue"], broken: "broken" },
    };
  },
  { ignoresGrammars: "the fake engine accepts grammars and ignores them" },
);

const never = new AbortController().signal;
const request = (overrides: Partial<GenerateRequest> = {}): GenerateRequest => ({
  id: "r",
  input: { kind: "text", text: "user: say it back\nassistant: ", addBos: true },
  sampling: { temperature: 0 },
  n: 1,
  maxTokens: 100,
  stop: [],
  stream: true,
  ...overrides,
});

describe("the fake engine", () => {
  it("repeats the last user message, then stops and counts the end token", async () => {
    const result = await collectGeneration(createFakeEngine(), request(), never);
    expect(result.texts).toEqual(["say it back"]);
    expect(result.finishes).toEqual(["stop"]);
    expect(result.end.usage.completionTokens).toBe(4);
  });

  it("accepts its own tokens as a prompt", async () => {
    const engine = createFakeEngine();
    const tokens = await engine.tokenize("a few plain words");
    const result = await collectGeneration(engine, request({ input: { kind: "tokens", tokens } }), never);
    expect(result.texts).toEqual(["a few plain words"]);
    expect(result.end.usage.promptTokens).toBe(tokens.length);
  });

  it("fails after the number of tokens that the test sets", async () => {
    const engine = createFakeEngine({ failure: () => ({ code: "unavailable", afterTokens: 2 }) });
    const texts: string[] = [];
    await expect(async () => {
      for await (const event of engine.generate(request(), never)) {
        if (event.type === "delta") texts.push(event.text);
      }
    }).rejects.toMatchObject({ code: "unavailable", retryable: true });
    expect(texts).toEqual(["say", " it"]);
    expect(engine.active).toBe(0);
  });

  it("waits for the injected clock before every token", async () => {
    const clock = new FakeClock();
    const engine = createFakeEngine({ clock, tokenDelayMs: 50 });
    const events = engine.generate(request(), never)[Symbol.asyncIterator]();
    let first: unknown;
    void events.next().then((result) => {
      first = result.value;
    });
    clock.advance(49);
    await eventLoopTurns();
    expect(first).toBeUndefined();
    clock.advance(1);
    await eventLoopTurns();
    expect(first).toMatchObject({ type: "start", cachedTokens: 0 });
    expect((await events.next()).value).toEqual({ type: "delta", choice: 0, text: "say" });
  });

  it("ends, continues and leaves out tokens by large biases", async () => {
    const engine = createFakeEngine();
    const [say, it] = await engine.tokenize("say it");
    const biased = async (...logitBias: [number, number][]) => {
      const sampling = { temperature: 0, logitBias };
      return (await collectGeneration(engine, request({ sampling, maxTokens: 6 }), never)).texts[0];
    };
    expect(await biased([0, 200])).toBe("");
    expect(await biased([say!, -200])).toBe(" it back");
    expect(await biased([it!, 100])).toBe(" it it it it it it");
    expect(await biased([0, -200])).toMatch(/^say it back.+/);
  });

  it("closes a thinking block after its budget and continues with the answer", async () => {
    const think = { open: "<t>", close: "</t>", opened: false, maxTokens: 2 };
    const say = async (reply: string, overrides: Partial<typeof think> = {}) => {
      const engine = createFakeEngine({ reply: () => reply });
      return (await collectGeneration(engine, request({ thinking: { ...think, ...overrides } }), never))
        .texts[0];
    };
    expect(await say("<t>one two three</t>done")).toBe("<t>one two</t>done");
    expect(await say("one two three</t>done", { opened: true, maxTokens: 0 })).toBe("</t>done");
    expect(await say("one two three done", { opened: true })).toBe("one two</t> three done");
    expect(await say("<t>one</t>done")).toBe("<t>one</t>done");
    expect(await say("no thoughts")).toBe("no thoughts");
  });

  it("fails a request that the platform must refuse, so that no test passes with one", async () => {
    const engine = createFakeEngine({ capabilities: { features: [], sampling: ["temperature"] } });
    const failing: Partial<GenerateRequest>[] = [
      { logprobs: 1 },
      { prompt: { logprobs: false } },
      { cacheScope: "a" },
      { sampling: { topK: 3 } },
      { sampling: { temperature: 3 } },
      { input: { kind: "chat", messages: [] } },
    ];
    for (const overrides of failing) {
      await expect(collectGeneration(engine, request(overrides), never)).rejects.toMatchObject({
        code: "internal",
      });
    }
  });

  it("never reports the whole prompt as cached", async () => {
    const engine = createFakeEngine({ cachedTokens: (promptTokens) => promptTokens });
    const { usage } = (await collectGeneration(engine, request(), never)).end;
    expect(usage.cachedTokens).toBe(usage.promptTokens - 1);
  });

  it("refuses LoRAs unless its capabilities list them", async () => {
    const engine = createFakeEngine({ capabilities: { features: [] } });
    await expect(engine.loadLora({ id: "a", path: "a" })).rejects.toMatchObject({ code: "unsupported" });
  });

  it("refuses a request beyond maxConcurrent as overloaded", async () => {
    const engine = createFakeEngine({ maxConcurrent: 1, gate: () => new Promise(() => {}) });
    const abort = new AbortController();
    const held = collectGeneration(engine, request(), abort.signal);
    await eventLoopTurns();
    await expect(collectGeneration(engine, request(), never)).rejects.toMatchObject({ code: "overloaded" });
    abort.abort();
    expect((await held).end.aborted).toBe(true);
  });
});

async function eventLoopTurns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

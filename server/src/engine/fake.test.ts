import { describe, expect, it } from "vitest";
import { FakeClock } from "../lib/clock.ts";
import { collect, describeEngineContract } from "./contract.ts";
import { createFakeEngine } from "./fake.ts";
import type { GenerateRequest } from "./port.ts";

// Endless enough for the contract's 1,000 tokens; a gate that yields keeps the event loop turning.
const options = {
  reply: (request: GenerateRequest, choice: number) => {
    const start = request.sampling.temperature === 0 ? 0 : (request.sampling.seed ?? 0) + choice;
    return Array.from({ length: 2000 }, (_, i) => `word${start + i}`).join(" ");
  },
  gate: () => new Promise<void>((resolve) => setImmediate(resolve)),
};

describeEngineContract("the fake engine", async () => {
  const engine = createFakeEngine(options);
  return {
    engine,
    activeGenerations: () => engine.active,
    breakDown: () => engine.crash(),
    dispose: () => engine.close(),
  };
});

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
  it("says back what the last user message said, then stops and counts the end token", async () => {
    const result = await collect(createFakeEngine(), request(), never);
    expect(result.texts).toEqual(["say it back"]);
    expect(result.finishes).toEqual(["stop"]);
    expect(result.end.usage.completionTokens).toBe(4);
  });

  it("takes back its own tokens as a prompt", async () => {
    const engine = createFakeEngine();
    const tokens = await engine.tokenize("a few plain words");
    const result = await collect(engine, request({ input: { kind: "tokens", tokens } }), never);
    expect(result.texts).toEqual(["a few plain words"]);
    expect(result.end.usage.promptTokens).toBe(tokens.length);
  });

  it("fails where it is told to, after the tokens it was told to deliver", async () => {
    const engine = createFakeEngine({ failure: () => ({ code: "unavailable", afterTokens: 2 }) });
    const seen: string[] = [];
    await expect(async () => {
      for await (const event of engine.generate(request(), never)) {
        if (event.type === "delta") seen.push(event.text);
      }
    }).rejects.toMatchObject({ code: "unavailable", retryable: true });
    expect(seen).toEqual(["say", " it"]);
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
    await turns();
    expect(first).toBeUndefined();
    clock.advance(1);
    await turns();
    expect(first).toEqual({ type: "delta", choice: 0, text: "say" });
  });

  it("refuses what goes beyond maxConcurrent as overloaded", async () => {
    const engine = createFakeEngine({ maxConcurrent: 1, gate: () => new Promise(() => {}) });
    const abort = new AbortController();
    const held = collect(engine, request(), abort.signal);
    await turns();
    await expect(collect(engine, request(), never)).rejects.toMatchObject({ code: "overloaded" });
    abort.abort();
    expect((await held).end.aborted).toBe(true);
  });
});

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

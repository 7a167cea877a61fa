import { describe, expect, it } from "vitest";
import { collectGeneration } from "../../engine/contract.ts";
import type { EngineChannel } from "../../engine/process.ts";
import { FakeClock } from "../../lib/clock.ts";
import { LlamaCppClient } from "./client.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { textRequest } from "./testing.ts";

const model = { contextLength: 100, chatTemplate: null, bosToken: "", eosToken: "" };
const capabilities = {
  rendersChat: false,
  sampling: [],
  features: [],
  exactUsageOnAbort: true,
  earlyFirstDelta: true,
};

/** A channel whose other end is the test. */
function setUp() {
  const sent: ToWorker[] = [];
  let receive: (message: FromWorker) => void = () => {};
  let close: (reason: string) => void = () => {};
  const channel: EngineChannel = {
    send: (message) => void sent.push(message as ToWorker),
    onMessage: (listener) => {
      receive = listener;
    },
    onClose: (listener) => {
      close = listener;
    },
  };
  const clock = new FakeClock();
  const client = new LlamaCppClient(channel, clock);
  const loading = client.load({ modelPath: "/models/secret.gguf" });
  const loaded = async () => {
    receive({ type: "loaded", model, capabilities });
    return await loading;
  };
  return {
    sent,
    clock,
    loading,
    loaded,
    receive: (m: FromWorker) => receive(m),
    close: (r: string) => close(r),
  };
}

const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 3 };

describe("the client of a llama.cpp process", () => {
  it("rejects a load with the reason of the process, or as unavailable when the process ends", async () => {
    const failing = setUp();
    failing.receive({
      type: "load-failed",
      code: "invalid",
      message: "It is damaged.",
      detail: "at /models",
    });
    await expect(failing.loading).rejects.toMatchObject({ code: "invalid", message: "It is damaged." });
    const ending = setUp();
    ending.close("exit SIGSEGV in /models");
    const error = await ending.loading.catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: "unavailable", message: "The model's process has ended." });
  });

  it("fails the health check when the process doesn't answer in time, and passes it when it answers", async () => {
    const { loaded, clock, receive, sent } = setUp();
    const engine = await loaded();
    const silent = engine.health();
    clock.advance(10_000);
    await expect(silent).rejects.toMatchObject({ code: "timeout" });
    const answering = engine.health();
    const ping = sent.at(-1) as ToWorker & { type: "ping" };
    receive({ type: "pong", id: ping.id, active: 0 });
    await expect(answering).resolves.toBeUndefined();
  });

  it("merges adjacent deltas of a choice for a slow reader, in order", async () => {
    const { loaded, receive, sent } = setUp();
    const engine = await loaded();
    const events = engine.generate(textRequest("x", { n: 2 }), new AbortController().signal);
    const iterator = events[Symbol.asyncIterator]();
    const first = iterator.next();
    const { id } = sent.at(-1) as ToWorker & { type: "generate" };
    const delta = (choice: number, text: string) => ({ id, event: { type: "delta", choice, text } }) as const;
    receive({ type: "events", events: [delta(0, "a"), delta(0, "b"), delta(1, "c"), delta(0, "d")] });
    receive({
      type: "events",
      events: [delta(0, "e"), { id, event: { type: "end", usage, aborted: false } }],
    });
    const results = [await first];
    for (;;) {
      const next = await iterator.next();
      if (next.done) break;
      results.push(next);
    }
    expect(results.map(({ value }) => (value.type === "delta" ? value.text : value.type))).toEqual([
      "ab",
      "c",
      "de",
      "end",
    ]);
  });

  it("delivers the events that arrived before the process died, then the error", async () => {
    const { loaded, receive, close, sent } = setUp();
    const engine = await loaded();
    const eventTypes: string[] = [];
    const result = collectGeneration(engine, textRequest("x"), new AbortController().signal, (event) => {
      eventTypes.push(event.type);
    });
    await Promise.resolve();
    const { id } = sent.at(-1) as ToWorker & { type: "generate" };
    receive({ type: "events", events: [{ id, event: { type: "delta", choice: 0, text: "a" } }] });
    close("exit 1");
    await expect(result).rejects.toMatchObject({ code: "unavailable", retryable: true });
    expect(eventTypes).toEqual(["delta"]);
    await expect(engine.tokenize("x")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("sends an abort when the reader leaves early, and none when the generation has ended", async () => {
    const { loaded, receive, sent } = setUp();
    const engine = await loaded();
    const start = () => {
      const iterator = engine
        .generate(textRequest("x"), new AbortController().signal)
        [Symbol.asyncIterator]();
      const first = iterator.next();
      const { id } = sent.at(-1) as ToWorker & { type: "generate" };
      receive({ type: "events", events: [{ id, event: { type: "delta", choice: 0, text: "a" } }] });
      return { iterator, first, id };
    };
    const leaving = start();
    await leaving.first;
    await leaving.iterator.return?.();
    expect(sent.at(-1)).toEqual({ type: "abort", id: leaving.id });
    const ending = start();
    await ending.first;
    receive({ type: "events", events: [{ id: ending.id, event: { type: "end", usage, aborted: false } }] });
    await ending.iterator.next();
    expect((await ending.iterator.next()).done).toBe(true);
    expect(sent.at(-1)).toMatchObject({ type: "generate" });
  });
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomModel } from "../../../test/harness/random-model.ts";
import {
  type CollectedGeneration,
  collectGeneration,
  describeEngineContract,
  runGeneration,
} from "../../engine/contract.ts";
import type { EngineEvent, GenerateRequest } from "../../engine/generation.ts";
import type { LlamaCppEngine } from "./kind.ts";
import { writeLora, writeTinyGgufModel } from "./lora/lora-fixture.ts";
import { launchReplica, type TestReplica, textRequest } from "./testing.ts";

const modelPath = process.env["HEARTH_TEST_MODEL"]!;
const never = new AbortController().signal;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-llama-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The shape of `randomModel`. */
const RANDOM_MODEL_SHAPE = {
  layers: 1,
  width: 64,
  feedForwardWidth: 128,
  heads: 2,
  kvHeads: 2,
  headSize: 32,
};

/** A fast model of random weights. The vocabulary of the default model gives readable text, as the contract requires. */
describeEngineContract("llama-cpp", async () => {
  const modelPath = await randomModel({ logitSpread: 6 });
  const lora = { shape: RANDOM_MODEL_SHAPE, strength: 4 };
  const red = await writeLora(modelPath, join(folder, "red.gguf"), { ...lora, seed: 1 });
  const blue = await writeLora(modelPath, join(folder, "blue.gguf"), { ...lora, seed: 2 });
  const replica = await launchReplica({ modelPath, slots: 4, contextSize: 2048, threads: 1 });
  return {
    loras: { paths: [red, blue], broken: modelPath },
    engine: replica.engine,
    activeGenerations: () => replica.engine.activeGenerations(),
    crash: () => void replica.child.kill("SIGKILL"),
    dispose: () => replica.dispose(),
  };
});

describe("llama-cpp", () => {
  let replica: TestReplica;
  let engine: LlamaCppEngine;

  beforeAll(async () => {
    replica = await launchReplica({ modelPath, slots: 2, contextSize: 4096, threads: 1, queueLimit: 3 });
    engine = replica.engine;
  });
  afterAll(() => replica?.dispose());

  const run = (request: GenerateRequest): Promise<CollectedGeneration> =>
    collectGeneration(engine, request, new AbortController().signal);

  it("reports the model's context, template and special tokens", () => {
    expect(engine.model.contextLength).toBe(4096);
    expect(engine.model.chatTemplate).toContain("<|im_start|>");
    expect(engine.model.bosToken).toBe("<|im_start|>");
    expect(engine.model.eosToken).toBe("<|im_end|>");
  });

  it("answers a question and stops at the end token, which is counted but not delivered", async () => {
    const result = await run(textRequest(chat("What is the capital of France?"), { maxTokens: 60 }));
    expect(result.texts[0]).toContain("Paris");
    expect(result.texts[0]).not.toContain("<|im_end|>");
    expect(result.finishes).toEqual(["stop"]);
    const tokens = await engine.tokenize(result.texts[0]!);
    expect(result.end.usage.completionTokens).toBe(tokens.length + 1);
  });

  it("keeps a stream flowing while another prompt of 3,000 tokens is computed", async () => {
    const deltas: EngineEvent[] = [];
    const streamEnough = new AbortController();
    const endPrompt = new AbortController();
    let abortAt = Number.POSITIVE_INFINITY;
    const endless = textRequest("Numbers: 1, 2, 3,", { maxTokens: 3000, ignoreEos: true });
    const [stream, started] = withFirstDelta((onDelta) =>
      collectGeneration(engine, endless, streamEnough.signal, (event) => {
        if (event.type !== "delta") return;
        deltas.push(event);
        onDelta();
        if (deltas.length === abortAt) endPrompt.abort();
      }),
    );
    await started;
    abortAt = deltas.length + 6;
    const long = textRequest(story("long", 3000), { maxTokens: 4 });
    const other = await collectGeneration(engine, long, endPrompt.signal);
    expect(other.end.usage.promptTokens).toBeGreaterThan(3000);
    expect(other.end.usage.completionTokens, "the stream advanced before the prompt was complete").toBe(0);
    expect(deltas.length).toBeGreaterThanOrEqual(abortAt);
    streamEnough.abort();
    await stream;
  });

  it("ends an aborted request before its prompt is computed", async () => {
    const abort = new AbortController();
    const result = collectGeneration(engine, textRequest(story("aborted", 3000)), abort.signal);
    await untilActive(engine, 1);
    abort.abort();
    const { end } = await result;
    expect(end.aborted).toBe(true);
    expect(end.usage.completionTokens).toBe(0);
  });

  it("queues requests up to its limit and refuses the others as overloaded", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => run(textRequest(`Request ${i}:`, { maxTokens: 30 }))),
    );
    const done = outcomes.filter((o) => o.status === "fulfilled");
    const refused = outcomes.filter((o) => o.status === "rejected");
    expect(done.length).toBe(5);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "overloaded", retryable: true });
    expect(await engine.activeGenerations()).toBe(0);
  });

  it("generates more choices than it has slots", async () => {
    const request = textRequest("Once upon a time", {
      n: 5,
      maxTokens: 6,
      sampling: { temperature: 1, seed: 3 },
    });
    const result = await run(request);
    expect(result.finishes).toEqual(new Array(5).fill("length"));
    expect(new Set(result.texts).size).toBeGreaterThan(1);
    expect(result.end.usage.completionTokens).toBe(30);
  });

  it("never delivers half a character", async () => {
    const request = textRequest("😀🎉🚀😀🎉🚀😀🎉🚀😀🎉🚀", { maxTokens: 24 });
    const pieces: string[] = [];
    await collectGeneration(engine, request, never, (event) => {
      if (event.type === "delta") pieces.push(event.text);
    });
    expect(pieces.join("")).toMatch(/\p{Emoji}/u);
    for (const piece of pieces) expect(piece).not.toContain("\uFFFD");
  });

  it("refuses unknown token ids, messages, and a prompt without tokens", async () => {
    const refusals: [GenerateRequest["input"], string][] = [
      [{ kind: "tokens", tokens: [5, 9_999_999] }, "invalid_prompt"],
      [{ kind: "tokens", tokens: [-1] }, "invalid_prompt"],
      [{ kind: "tokens", tokens: [] }, "invalid_prompt"],
      [{ kind: "chat", messages: [{ role: "user", content: "hi" }] }, "unsupported"],
    ];
    for (const [input, code] of refusals) {
      await expect(run(textRequest("", { input }))).rejects.toMatchObject({ code, retryable: false });
    }
  });
});

describe("the prompt cache of llama-cpp", () => {
  let replica: TestReplica;
  let engine: LlamaCppEngine;

  beforeAll(async () => {
    // With quantised weights a token's logits are the same, to the bit, in batches of any size.
    const modelPath = await writeTinyGgufModel(folder, "Q8_0");
    replica = await launchReplica({ modelPath, slots: 2, contextSize: 2048, threads: 1 });
    engine = replica.engine;
  });
  afterAll(() => replica?.dispose());

  const run = (request: GenerateRequest) => collectGeneration(engine, request, never);

  it("reuses the part of a prompt that an earlier request computed, and reports how much", async () => {
    const shared = story("prefix", 300);
    const first = await run(textRequest(`${shared} One.`));
    const second = await run(textRequest(`${shared} Two.`));
    const sharedTokens = (await engine.tokenize(shared)).length;
    expect(first.end.usage.cachedTokens).toBe(0);
    expect(second.end.usage.cachedTokens).toBeGreaterThanOrEqual(sharedTokens - 1);
    expect(second.end.usage.cachedTokens).toBeLessThan(second.end.usage.promptTokens);
  });

  it("computes the common prefix of two concurrent requests once", async () => {
    const shared = story("common", 300);
    const results = await Promise.all([
      run(textRequest(`${shared} One.`)),
      run(textRequest(`${shared} Two.`, { sampling: { seed: 5 } })),
    ]);
    const sharedTokens = (await engine.tokenize(shared)).length;
    const cached = results.map((r) => r.end.usage.cachedTokens).sort((a, b) => a - b);
    expect(cached[0]).toBe(0);
    expect(cached[1]).toBeGreaterThanOrEqual(sharedTokens - 64);
  });

  it("computes at least one token of a prompt it has computed before", async () => {
    const request = textRequest(story("again", 50));
    const first = await run(request);
    const second = await run(request);
    expect(second.end.usage.cachedTokens).toBe(second.end.usage.promptTokens - 1);
    expect(second.texts).toEqual(first.texts);
  });

  it("gives a seeded request the same output whatever the slots held before", async () => {
    const question = story("seeded", 150);
    const request = textRequest(question, { sampling: { temperature: 1, seed: 11 }, maxTokens: 20 });
    const cold = await run(request);
    // Now the slots hold the conversation with a continuation, or with another ending.
    await Promise.all([
      run(textRequest(`${question}${cold.texts[0]} And then`)),
      run(textRequest(`${question.slice(0, -40)} but`)),
    ]);
    const warm = await run(request);
    expect(warm.end.usage.cachedTokens).toBeGreaterThan(0);
    expect(warm.texts).toEqual(cold.texts);
    await Promise.all([run(textRequest(story("a", 80))), run(textRequest(story("b", 80)))]);
    const [beside] = await Promise.all([run(request), run(textRequest("Numbers: 1, 2, 3,"))]);
    expect(beside!.texts).toEqual(cold.texts);
  });
});

describe("a llama-cpp process", () => {
  it("fails its generations as unavailable when it is killed", async () => {
    const replica = await launchReplica({ modelPath, slots: 2, contextSize: 1024, threads: 1 });
    const events: EngineEvent[] = [];
    const request = textRequest("Numbers: 1, 2, 3,", { maxTokens: 900, n: 2 });
    const result = collectGeneration(replica.engine, request, never, (event) => {
      if (events.push(event) === 5) replica.child.kill("SIGKILL");
    });
    await expect(result).rejects.toMatchObject({ code: "unavailable", retryable: true });
    expect(events.length).toBeGreaterThanOrEqual(5);
    await expect(replica.engine.health()).rejects.toMatchObject({ code: "unavailable" });
    await expect(replica.engine.tokenize("x")).rejects.toMatchObject({ code: "unavailable" });
    await replica.dispose();
  });

  it("ends when the platform disconnects, also in the middle of a batch", async () => {
    const replica = await launchReplica({ modelPath, slots: 1, contextSize: 4096, threads: 1 });
    const result = collectGeneration(replica.engine, textRequest(story("orphan", 2000)), never);
    const exited = new Promise((resolve) => replica.child.once("exit", (_, signal) => resolve(signal)));
    await untilActive(replica.engine, 1);
    replica.child.disconnect();
    expect(await exited).toBe("SIGKILL");
    await expect(result).rejects.toMatchObject({ code: "unavailable" });
  });

  it("lowers maxTokens to the rest of the context, and fills it to the last token", async () => {
    const modelPath = await randomModel();
    const replica = await launchReplica({ modelPath, slots: 1, contextSize: 256, threads: 1 });
    const { engine } = replica;
    const tokens = (await engine.tokenize(story("full", 240))).slice(0, 240);
    const input = { kind: "tokens", tokens } as const;
    const result = await collectGeneration(
      engine,
      textRequest("", { input, maxTokens: 1000, ignoreEos: true }),
      never,
    );
    expect(engine.model.contextLength).toBe(256);
    expect(result.finishes).toEqual(["length"]);
    expect(result.end.usage).toMatchObject({ promptTokens: 240, completionTokens: 16 });
    await replica.dispose();
  });

  it("ignores signals that are meant for the platform", async () => {
    const modelPath = await randomModel();
    const replica = await launchReplica({ modelPath, slots: 1, contextSize: 1024, threads: 1 });
    replica.child.kill("SIGINT");
    replica.child.kill("SIGTERM");
    await expect(replica.engine.health()).resolves.toBeUndefined();
    await replica.dispose();
  });

  it("loads a model with a broken chat template, because it still completes texts", async () => {
    const bytes = await readFile(await randomModel());
    // The first loop of the template loses its keyword; the length stays.
    const at = bytes.indexOf("{% for ", bytes.indexOf("tokenizer.chat_template"));
    expect(at).toBeGreaterThan(0);
    bytes.write("{% fro ", at);
    const path = join(folder, "broken.gguf");
    await writeFile(path, bytes);
    const replica = await launchReplica({ modelPath: path, slots: 1, contextSize: 1024, threads: 1 });
    expect(replica.engine.model.chatTemplate).toContain("{% fro ");
    const { finishes } = await runGeneration(replica.engine, textRequest("Hello"));
    expect(finishes).toEqual(["length"]);
    await replica.dispose();
  });

  it("reports a load failure without paths", async () => {
    const missing = join(folder, "missing.gguf");
    const damaged = join(folder, "damaged.gguf");
    await writeFile(damaged, "GGUF but not really".repeat(100));
    for (const path of [missing, damaged]) {
      const error = await launchReplica({ modelPath: path }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "EngineError", code: "invalid" });
      expect((error as Error).message).toMatch(/weights file/);
      expect((error as Error).message).not.toContain(folder);
    }
  });
});

function chat(text: string): string {
  return `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
}

/** About `words` words, different from the first on for every title. */
function story(title: string, words: number): string {
  const sentence = "the quick brown fox jumps over the lazy dog and then it sleeps ".split(" ");
  return `${title}: ${Array.from({ length: words }, (_, i) => sentence[i % sentence.length]).join(" ")}`;
}

/** Runs `start`. Returns its promise, and one that resolves when `start` first calls `onDelta`. */
function withFirstDelta<T>(start: (onDelta: () => void) => Promise<T>): [Promise<T>, Promise<void>] {
  let onDelta = () => {};
  const first = new Promise<void>((resolve) => {
    onDelta = resolve;
  });
  return [start(() => onDelta()), first];
}

/** Polls the engine; the test's own time limit is the only bound. */
async function untilActive(engine: LlamaCppEngine, generations: number): Promise<void> {
  while ((await engine.activeGenerations()) !== generations) await new Promise(setImmediate);
}

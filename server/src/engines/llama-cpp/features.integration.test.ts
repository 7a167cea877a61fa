import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ControlledEvaluateInputItem,
  getLlama,
  type Llama,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CollectedGeneration, collectGeneration } from "../../engine/contract.ts";
import type { EngineEvent, GenerateRequest, TokenInfo } from "../../engine/generation.ts";
import type { LlamaCppEngine } from "./kind.ts";
import { writeTinyGgufModel } from "./lora/lora-fixture.ts";
import { BLOCK_TOKENS } from "./scheduling/prefill-blocks.ts";
import { launchReplica, type TestReplica, textRequest } from "./testing.ts";

const never = new AbortController().signal;
const END = 2;

interface Result extends Omit<CollectedGeneration, "tokens" | "prompt"> {
  /** The tokens of the first choice. */
  tokens: TokenInfo[];
  prompt: readonly TokenInfo[];
}

/** A model in a replica, and once more in this process as the reference. */
interface Subject {
  replica: TestReplica;
  engine: LlamaCppEngine;
  model: LlamaModel;
  /** The reference's log probabilities after `tokens`: a softmax over all logits. */
  logprobsAfter(tokens: readonly number[]): Promise<Map<number, number>>;
  /** The reference's log probabilities of the tokens at `places`, each after the tokens before it. */
  logprobsOf(tokens: readonly number[], places: readonly number[]): Promise<number[]>;
}

async function open(llama: Llama, modelPath: string): Promise<Subject> {
  const replica = await launchReplica({ modelPath, slots: 4, contextSize: 2048, threads: 1 });
  const model = await llama.loadModel({ modelPath });
  // Batches of one block, so that the same kernel computes it as in the replica: another's rounding changes a probability
  // by up to 20 %.
  const context = await model.createContext({ contextSize: 1024, batchSize: BLOCK_TOKENS, threads: 1 });
  const raw = context.getSequence();
  const logprobsAfter = async (tokens: readonly number[]) => {
    await raw.adaptStateToTokens(tokens.slice(0, -1) as Token[], false);
    const rest = tokens.slice(raw.nextTokenIndex) as Token[];
    const last = rest.pop()!;
    const result = await raw.controlledEvaluate([...rest, [last, { generateNext: { logits: true } }]]);
    return logSoftmax(result.at(-1)!.next.logits!);
  };
  const logprobsOf = async (tokens: readonly number[], places: readonly number[]) => {
    await raw.clearHistory();
    const wanted = (tokens as Token[]).map(
      (token, at): ControlledEvaluateInputItem =>
        places.includes(at + 1) ? [token, { generateNext: { logits: true } }] : token,
    );
    const result = await raw.controlledEvaluate(wanted.slice(0, -1));
    return places.map((at) => logSoftmax(result[at - 1]!.next.logits!).get(tokens[at]!)!);
  };
  return { replica, engine: replica.engine, model, logprobsAfter, logprobsOf };
}

function logSoftmax(logits: ReadonlyMap<number, number>): Map<number, number> {
  const best = Math.max(...logits.values());
  let sum = 0;
  for (const logit of logits.values()) sum += Math.exp(logit - best);
  return new Map([...logits].map(([token, logit]) => [token, logit - best - Math.log(sum)]));
}

async function run({ engine }: Subject, request: GenerateRequest): Promise<Result> {
  const result = await collectGeneration(engine, request, never);
  return { ...result, tokens: result.tokens[0]!, prompt: result.prompt ?? [] };
}

describe("llama-cpp's optional features", () => {
  let folder: string;
  let llama: Llama;
  /** The default model, for tests whose output has to make sense. */
  let real: Subject;
  /**
   * A fast model of random weights, for all other tests. Its weights are quantised, so that a token's logits are the same,
   * to the bit, in batches of any size below a block.
   */
  let tiny: Subject;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearth-features-"));
    const none = { gpu: false, build: "never", skipDownload: true, maxThreads: 1 } as const;
    llama = await getLlama({ ...none, logLevel: LlamaLogLevel.error });
    real = await open(llama, process.env["HEARTH_TEST_MODEL"]!);
    tiny = await open(llama, await writeTinyGgufModel(folder, "Q8_0"));
  });
  afterAll(async () => {
    await real?.replica.dispose();
    await tiny?.replica.dispose();
    await llama?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  const chatRequest = (text: string, overrides: Partial<GenerateRequest> = {}) =>
    textRequest(`<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`, overrides);

  describe("special tokens", () => {
    /** Makes the model write the control token `<|im_start|>` again and again. */
    const onlyStarts = async (overrides: Partial<GenerateRequest>) => {
      const [start] = await real.engine.tokenize("<|im_start|>");
      const sampling = { temperature: 0, logitBias: [[start!, 100]] as [number, number][] };
      return run(real, chatRequest("Hi", { sampling, maxTokens: 4, ...overrides }));
    };

    it("have no text, unless the request names them as markers", async () => {
      expect((await onlyStarts({})).texts).toEqual([""]);
      expect((await onlyStarts({ markers: ["<|im_end|>"] })).texts).toEqual([""]);
      expect((await onlyStarts({ markers: ["<|im_start|>"] })).texts).toEqual(["<|im_start|>".repeat(4)]);
    });

    it("match stop texts", async () => {
      const stopped = await onlyStarts({ stop: ["<|im_start|><|im_start|>"] });
      expect([stopped.texts, stopped.finishes]).toEqual([[""], ["stop"]]);
      expect(stopped.end.usage.completionTokens).toBe(2);
      const missed = await onlyStarts({ stop: ["<|im_start|>user"] });
      expect([missed.texts, missed.finishes]).toEqual([[""], ["length"]]);
    });

    it("follow a grammar that asks for their text", async () => {
      const grammar = 'root ::= "<|im_start|>" "name" "<|im_start|>" "{}"';
      const [start] = await real.engine.tokenize("<|im_start|>");
      const sampling = { temperature: 0, logitBias: [[start!, 100]] as [number, number][] };
      const result = await run(
        real,
        chatRequest("Hi", { sampling, grammar, maxTokens: 32, markers: ["<|im_start|>"], logprobs: 0 }),
      );
      expect(result.texts).toEqual(["<|im_start|>name<|im_start|>{}"]);
      expect(result.tokens[0]!.id).toBe(start);
    });
  });

  it("lists its optional sampling parameters and features", () => {
    expect(real.engine.capabilities.features).toEqual(
      expect.arrayContaining([
        "cacheMaxTokens",
        "cacheScope",
        "grammar",
        "ignoreEos",
        "logprobs",
        "minTokens",
        "prediction",
        "promptLogprobs",
        "promptTokens",
        "thinking",
      ]),
    );
    expect(real.engine.capabilities.sampling).toEqual(
      expect.arrayContaining(["typicalP", "mirostat", "logitBias"]),
    );
  });

  describe("grammar", () => {
    const person = 'root ::= "{\\"name\\":\\"" [A-Za-z ]{1,12} "\\",\\"age\\":" [0-9]{1,3} "}"';
    const matches = /^\{"name":"[A-Za-z ]{1,12}","age":[0-9]{1,3}\}$/;

    it.each([{ temperature: 0 }, { temperature: 1, seed: 5 }, { temperature: 2, seed: 9 }])(
      "is followed and ends the choice once it is complete, with %o",
      async (sampling) => {
        const result = await run(
          tiny,
          chatRequest("Tell me a joke.", { grammar: person, sampling, maxTokens: 100, n: 2 }),
        );
        for (const text of result.texts) expect(text).toMatch(matches);
        expect(result.finishes).toEqual(["stop", "stop"]);
      },
    );

    it("is cut off by maxTokens and stop texts", async () => {
      const cut = await run(tiny, chatRequest("A person", { grammar: person, maxTokens: 4 }));
      expect(cut.finishes).toEqual(["length"]);
      expect(cut.texts[0]!.startsWith('{"')).toBe(true);
      const stopped = await run(
        tiny,
        chatRequest("A person", { grammar: person, maxTokens: 100, stop: ['","age'] }),
      );
      expect(stopped.texts[0]).toMatch(/^\{"name":"[A-Za-z ]+$/);
      expect(stopped.finishes).toEqual(["stop"]);
    });

    it("is completed by force where maxTokens would cut it off, for several choices at once", async () => {
      const list = 'root ::= "[" item ("," item)* "]"\nitem ::= "\\"" [a-zé日 ]{1,30} "\\""';
      for (const overrides of [
        { sampling: { temperature: 1, seed: 3 } },
        { sampling: { temperature: 1, seed: 4, typicalP: 0.9 }, stream: false },
        { ignoreEos: true, minTokens: 5, logprobs: 1 },
        { prediction: { kind: "text", text: '["one","two","three","four"]' } as const },
      ]) {
        for (const maxTokens of [6, 9, 24]) {
          const closed: unknown[] = [];
          const result = await collectGeneration(
            tiny.engine,
            chatRequest("List many words.", { grammar: list, maxTokens, n: 3, ...overrides }),
            never,
            (event) => {
              if (event.type === "finish") closed.push(event.closed);
            },
          );
          expect(result.finishes).toEqual(["stop", "stop", "stop"]);
          for (const text of result.texts) expect(JSON.parse(text)).toBeInstanceOf(Array);
          expect(closed.length).toBe(3);
          expect(closed.every((value) => value === true || value === undefined)).toBe(true);
          if (maxTokens === 6) expect(closed).toContain(true);
          expect(result.end.usage.completionTokens).toBeLessThanOrEqual(3 * maxTokens);
        }
      }
    });

    it("completed by force still ends at a stop text, and every token is scored", async () => {
      const grammar = 'root ::= "(" [a-z]* ")."';
      const request = chatRequest("A word", { grammar, maxTokens: 6, logprobs: 1 });
      const whole = await run(tiny, request);
      expect(whole.texts[0]).toMatch(/^\([a-z]*\)\.$/);
      expect(Buffer.concat(whole.tokens.slice(0, -1).map(({ bytes }) => bytes)).toString()).toBe(
        whole.texts[0],
      );
      expect(whole.tokens.length).toBe(whole.end.usage.completionTokens);
      const stopped = await run(tiny, { ...request, stop: [")"] });
      expect(stopped.finishes).toEqual(["stop"]);
      expect(stopped.texts[0]).toBe(whole.texts[0]!.slice(0, -2));
    });

    it("is completed by force with the tokens that a think block leaves", async () => {
      const grammar = 'root ::= "{\\"answer\\":\\"" [a-z ]* "\\"}"';
      const thinking = { open: "<think>", close: "</think>", opened: true, maxTokens: 10 };
      const result = await run(tiny, chatRequest("What is 2+2?", { thinking, grammar, maxTokens: 32 }));
      expect(result.texts[0]).toMatch(/<\/think>\s*\{"answer":"[a-z ]*"\}$/);
      expect(result.finishes).toEqual(["stop"]);
      const tooFew = await run(tiny, chatRequest("What is 2+2?", { thinking, grammar, maxTokens: 12 }));
      expect(tooFew.finishes).toEqual(["length"]);
    });

    it("is followed also in characters of several tokens", async () => {
      const grammar = 'root ::= [\\u3040-\\u309f\\U0001F600-\\U0001F64F]{3,5} "é"';
      const { texts } = await run(tiny, chatRequest("Hello", { grammar, maxTokens: 60 }));
      expect(texts[0]).toMatch(/^[\u3040-\u309f\u{1F600}-\u{1F64F}]{3,5}é$/u);
    });

    it("is refused when it is invalid, and the engine serves the next request", async () => {
      for (const grammar of ['root ::= ("a" ', "root ::= missing", 'root ::= root "a" | "b"', ""]) {
        await expect(run(tiny, chatRequest("x", { grammar }))).rejects.toMatchObject({ code: "invalid" });
      }
      expect((await run(tiny, chatRequest("x", { maxTokens: 2 }))).end.usage.completionTokens).toBe(2);
    });

    it("is completed also with ignoreEos and with minTokens", async () => {
      const grammar = 'root ::= "yes" | "no"';
      for (const overrides of [{ ignoreEos: true }, { minTokens: 30 }]) {
        const result = await run(tiny, chatRequest("Is it so?", { grammar, maxTokens: 50, ...overrides }));
        expect(result.texts[0]).toMatch(/^(yes|no)$/);
        expect(result.finishes).toEqual(["stop"]);
      }
    });
  });

  describe("logit bias", () => {
    it("forbids and forces tokens, end tokens too", async () => {
      const plain = await run(real, chatRequest("What is the capital of France?", { logprobs: 0 }));
      const [first] = plain.tokens;
      const without = await run(
        real,
        chatRequest("What is the capital of France?", {
          logprobs: 0,
          sampling: { temperature: 0, logitBias: [[first!.id, -200]] },
        }),
      );
      expect(without.tokens[0]!.id).not.toBe(first!.id);
      const ended = await run(
        real,
        chatRequest("What is the capital of France?", {
          sampling: { temperature: 0, logitBias: [[END, 200]] },
        }),
      );
      expect(ended.texts).toEqual([""]);
      expect(ended.finishes).toEqual(["stop"]);
      const endless = await run(
        real,
        chatRequest("Say yes.", {
          maxTokens: 60,
          sampling: {
            temperature: 0,
            logitBias: [
              [END, -200],
              [0, -200],
            ],
          },
        }),
      );
      expect(endless.finishes).toEqual(["length"]);
    });

    it("is refused for unknown tokens", async () => {
      const sampling = { logitBias: [[9_999_999, 1]] as const };
      await expect(run(tiny, chatRequest("x", { sampling }))).rejects.toMatchObject({ code: "invalid_bias" });
    });

    it("doesn't change a seeded output when it is 0", async () => {
      const sampling = { temperature: 1, seed: 3, topP: 0.9, topK: 40, minP: 0.01 };
      const plain = await run(tiny, chatRequest("Tell me a story.", { sampling, maxTokens: 40 }));
      const biased = await run(
        tiny,
        chatRequest("Tell me a story.", { sampling: { ...sampling, logitBias: [[5, 0]] }, maxTokens: 40 }),
      );
      expect(biased.texts).toEqual(plain.texts);
    });

    it("is added to the penalties", async () => {
      const sampling = { temperature: 0, frequencyPenalty: 0.5, repetitionPenalty: 1.2 };
      const plain = await run(real, chatRequest("Count to ten.", { sampling, logprobs: 0, maxTokens: 12 }));
      const forced = plain.tokens[0]!.id;
      const biased = await run(
        real,
        chatRequest("Count to ten.", { sampling: { ...sampling, logitBias: [[forced, -100]] }, logprobs: 0 }),
      );
      expect(biased.tokens.map(({ id }) => id)).not.toContain(forced);
    });
  });

  it("ends no choice before minTokens", async () => {
    const free = await run(real, chatRequest("Say yes.", { maxTokens: 60 }));
    expect(free.finishes).toEqual(["stop"]);
    const least = free.end.usage.completionTokens + 9;
    const held = await run(real, chatRequest("Say yes.", { maxTokens: 200, minTokens: least, logprobs: 0 }));
    expect(held.end.usage.completionTokens).toBeGreaterThanOrEqual(least);
    const enough = await run(real, chatRequest("Say yes.", { maxTokens: 60, minTokens: 1 }));
    expect(enough.texts).toEqual(free.texts);
  });

  it("continues after end tokens with ignoreEos", async () => {
    const result = await run(real, chatRequest("Say yes.", { maxTokens: 80, ignoreEos: true, logprobs: 0 }));
    expect(result.finishes).toEqual(["length"]);
    expect(result.end.usage.completionTokens).toBe(80);
    expect(result.tokens.map(({ id }) => id)).toContain(END);
  });

  describe("log probabilities", () => {
    it.each<[string, GenerateRequest["sampling"]]>([
      ["greedily", { temperature: 0 }],
      [
        "sampled hot, biased and penalised",
        { temperature: 1.5, seed: 4, topK: 20, frequencyPenalty: 1, logitBias: [[33, 5]] },
      ],
    ])("are the model's own, %s", async (_, sampling) => {
      const result = await run(
        tiny,
        chatRequest("Name three fruits.", { sampling, logprobs: 5, maxTokens: 10 }),
      );
      const prompt = tiny.model.tokenize(
        "<|im_start|>user\nName three fruits.<|im_end|>\n<|im_start|>assistant\n",
        true,
      );
      expect(result.tokens.length).toBe(result.end.usage.completionTokens);
      const before: number[] = [...prompt];
      for (const { id, logprob, top } of result.tokens) {
        const expected = await tiny.logprobsAfter(before);
        expect(Math.abs(logprob! - expected.get(id)!)).toBeLessThan(0.02);
        const best = [...expected].sort((a, b) => b[1] - a[1]).slice(0, 5);
        top.forEach((alternative, rank) => {
          expect(Math.abs(alternative.logprob - best[rank]![1])).toBeLessThan(0.02);
          expect(Math.abs(alternative.logprob - expected.get(alternative.id)!)).toBeLessThan(0.02);
        });
        expect(top.length).toBe(5);
        before.push(id);
      }
    });

    it("come with every token's bytes, which add up to the text", async () => {
      for (const stream of [true, false]) {
        const result = await run(
          real,
          textRequest("😀🎉🚀😀🎉🚀😀🎉🚀😀🎉🚀", { logprobs: 0, maxTokens: 24, stream }),
        );
        const shown = result.tokens.filter(({ id }) => id > END);
        const text = Buffer.concat(shown.map(({ bytes }) => bytes)).toString();
        expect(text.startsWith(result.texts[0]!)).toBe(true);
        expect(result.tokens.every(({ top }) => top.length === 0)).toBe(true);
      }
    });

    it("don't change the output", async () => {
      for (const sampling of [{ temperature: 0 }, { temperature: 1, seed: 8, presencePenalty: 0.5 }]) {
        const plain = await run(tiny, chatRequest("Tell me of the sea.", { sampling, maxTokens: 40 }));
        const scored = await run(
          tiny,
          chatRequest("Tell me of the sea.", { sampling, maxTokens: 40, logprobs: 5 }),
        );
        expect(scored.texts).toEqual(plain.texts);
      }
    });
  });

  describe("the prompt", () => {
    const text = `${"The quick brown fox jumps over the lazy dog. ".repeat(7)}Then it`;

    it("is delivered with its tokens before the output", async () => {
      const result = await run(tiny, textRequest(text, { prompt: { logprobs: false }, maxTokens: 3 }));
      expect(result.prompt.map(({ id }) => id)).toEqual(await tiny.engine.tokenize(text));
      expect(Buffer.concat(result.prompt.map(({ bytes }) => bytes)).toString()).toBe(text);
      expect(result.prompt.every(({ logprob }) => logprob === null)).toBe(true);
    });

    it("is scored by the model, also when it is cached, and with maxTokens 0", async () => {
      await run(tiny, textRequest(text, { maxTokens: 3 }));
      const wanted = await tiny.engine.tokenize(text);
      const places = [1, 63, 64, 65, wanted.length - 1];
      const expected = await tiny.logprobsOf(wanted, places);
      for (const overrides of [
        { maxTokens: 3, n: 2 },
        { maxTokens: 0, n: 2 },
      ]) {
        const result = await run(
          tiny,
          textRequest(text, { prompt: { logprobs: true }, logprobs: 2, ...overrides }),
        );
        expect(result.prompt.map(({ id }) => id)).toEqual(wanted);
        expect(result.prompt[0]!.logprob).toBeNull();
        for (const [i, at] of places.entries()) {
          expect(Math.abs(result.prompt[at]!.logprob! - expected[i]!)).toBeLessThan(0.02);
          expect(result.prompt[at]!.top.length).toBe(2);
        }
        expect(result.finishes).toEqual(["length", "length"]);
        expect(result.end.usage).toMatchObject({
          cachedTokens: 0,
          completionTokens: overrides.maxTokens * 2,
        });
      }
    });

    it("is delivered and scored when it has one token", async () => {
      const input = { kind: "tokens", tokens: [50] } as const;
      const result = await run(tiny, textRequest("", { input, prompt: { logprobs: true }, maxTokens: 2 }));
      expect(result.prompt).toMatchObject([{ id: 50, logprob: null }]);
    });
  });

  it("reports the prompt's usage before the first text", async () => {
    const events: EngineEvent[] = [];
    await collectGeneration(
      real.engine,
      chatRequest("Hello", { n: 2, maxTokens: 3 }),
      never,
      (event) => void events.push(event),
    );
    expect(events.filter(({ type }) => type === "start").length).toBe(1);
    expect(events[0]).toMatchObject({ type: "start", cachedTokens: 0 });
    const end = events.at(-1) as EngineEvent & { type: "end" };
    expect(events[0]).toMatchObject({ promptTokens: end.usage.promptTokens });
  });

  describe("the cache", () => {
    const shared = (title: string) =>
      `${title}: ${"the quick brown fox jumps over the lazy dog and then it sleeps ".repeat(12)}`;
    const cachedAfter = async (
      title: string,
      first: Partial<GenerateRequest>,
      second: Partial<GenerateRequest>,
    ) => {
      await run(tiny, textRequest(`${shared(title)} One.`, { maxTokens: 2, ...first }));
      const result = await run(tiny, textRequest(`${shared(title)} Two.`, { maxTokens: 2, ...second }));
      return result.end.usage.cachedTokens;
    };

    it("is shared only within a scope, also by concurrent requests", async () => {
      expect(await cachedAfter("S1", { cacheScope: "a" }, { cacheScope: "a" })).toBeGreaterThan(127);
      expect(await cachedAfter("S2", { cacheScope: "a" }, { cacheScope: "b" })).toBe(0);
      expect(await cachedAfter("S3", { cacheScope: "a" }, {})).toBe(0);
      expect(await cachedAfter("S4", {}, { cacheScope: "a" })).toBe(0);
      const both = await Promise.all(
        ["a", "b"].map((cacheScope) => run(tiny, textRequest(shared("S5"), { cacheScope, maxTokens: 2 }))),
      );
      expect(both.map(({ end }) => end.usage.cachedTokens)).toEqual([0, 0]);
    });

    it("neither takes nor keeps more than cacheMaxTokens", async () => {
      expect(await cachedAfter("M1", {}, { cacheMaxTokens: 0 })).toBe(0);
      expect(await cachedAfter("M2", { cacheMaxTokens: 0 }, {})).toBe(0);
      const taken = await cachedAfter("M3", {}, { cacheMaxTokens: 70 });
      expect(taken).toBeGreaterThanOrEqual(64);
      expect(taken).toBeLessThanOrEqual(70);
      const kept = await cachedAfter("M4", { cacheMaxTokens: 70 }, {});
      expect(kept).toBeGreaterThanOrEqual(64);
      expect(kept).toBeLessThanOrEqual(70);
    });

    it("is shared by the choices of one request even with cacheMaxTokens 0", async () => {
      const result = await run(tiny, textRequest(shared("N"), { n: 3, cacheMaxTokens: 0, maxTokens: 2 }));
      expect(result.end.usage.cachedTokens).toBe(0);
    });

    it("doesn't change the output at temperature 0", async () => {
      for (const question of ["What is a fox?", "Who sleeps?", "Write a list of animals.", "And then?"]) {
        const prompt = `${shared("T")}\n${question}\n`;
        const cold = await run(tiny, textRequest(prompt, { cacheScope: question, maxTokens: 40 }));
        await run(tiny, textRequest(`${prompt}${cold.texts[0]}\nMore`, { maxTokens: 20 }));
        const warm = await run(tiny, textRequest(prompt, { maxTokens: 40 }));
        expect(cold.end.usage.cachedTokens).toBe(0);
        expect(warm.end.usage.cachedTokens).toBeGreaterThanOrEqual(128);
        expect(warm.texts).toEqual(cold.texts);
      }
    });
  });

  describe("thinking", () => {
    const block = { open: "<think>", close: "</think>", opened: true, maxTokens: 12 };

    it("is closed after its budget, and the answer follows", async () => {
      const opened =
        "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n<think>\nOkay, let me think";
      const result = await run(
        real,
        textRequest(opened, { thinking: block, maxTokens: 60, logprobs: 0, stream: false }),
      );
      const [thought, answer] = result.texts[0]!.split("</think>");
      const closeTokens = (await real.engine.tokenize("</think>")).length;
      expect((await real.engine.tokenize(thought!)).length).toBeLessThanOrEqual(12);
      expect(answer).not.toBe("");
      const ids = result.tokens.map(({ id }) => id);
      expect(ids.slice(12, 12 + closeTokens)).toEqual(await real.engine.tokenize("</think>"));
      expect(result.end.usage.completionTokens).toBe(result.tokens.length);
    });

    it("is closed at once with a budget of 0", async () => {
      const result = await run(
        tiny,
        chatRequest("Hi", { thinking: { ...block, maxTokens: 0 }, maxTokens: 20, n: 2 }),
      );
      for (const text of result.texts) expect(text.startsWith("</think>")).toBe(true);
    });

    it("is counted from where the model opens the block itself", async () => {
      const teach =
        "<think>I think about it for long.</think>Yes.\n<think>I wonder about it a lot.</think>No.\n";
      const result = await run(
        real,
        textRequest(teach, {
          thinking: { ...block, opened: false, maxTokens: 3 },
          maxTokens: 40,
          stop: ["</think>"],
        }),
      );
      const thought = result.texts[0]!.split("<think>")[1]!;
      expect((await real.engine.tokenize(thought)).length).toBeLessThanOrEqual(4);
      expect(result.finishes).toEqual(["stop"]);
    });

    it("is unconstrained, and the grammar applies after it", async () => {
      const grammar = 'root ::= "{\\"answer\\":" [0-9]{1,4} "}"';
      const opened = await run(
        real,
        chatRequest("What is 2+2?", { thinking: block, grammar, maxTokens: 80 }),
      );
      expect(opened.texts[0]).toMatch(/^[\s\S]*<\/think>\s*\{"answer":[0-9]{1,4}\}$/);
      expect(opened.finishes).toEqual(["stop"]);
      const unopened = await run(
        real,
        chatRequest("What is 2+2?", { thinking: { ...block, opened: false }, grammar, maxTokens: 80 }),
      );
      expect(unopened.texts[0]).toMatch(/^\{"answer":[0-9]{1,4}\}$/);
      const teach = '<think>Long thoughts.</think>{"answer":1}\n<think>More thoughts.</think>{"answer":2}\n';
      const itself = await run(
        real,
        textRequest(teach, { thinking: { ...block, opened: false, maxTokens: 6 }, grammar, maxTokens: 80 }),
      );
      expect(itself.texts[0]).toMatch(/^\s*(<think>[\s\S]*<\/think>\s*)?\{"answer":[0-9]{1,4}\}$/);
      expect(itself.texts[0]).toContain("<think>");
    });

    it("is cut off by maxTokens, also within a tag", async () => {
      for (const maxTokens of [1, 2, 3]) {
        const result = await run(
          tiny,
          chatRequest("Hi", { thinking: { ...block, maxTokens: 0 }, maxTokens }),
        );
        expect(result.end.usage.completionTokens).toBe(maxTokens);
        expect("</think>".startsWith(result.texts[0]!) || result.texts[0]!.startsWith("</think>")).toBe(true);
      }
    });
  });

  describe("prediction", () => {
    const question = "Write a short poem about the sea and the wind.";

    it("changes nothing but the usage, whether it is right, wrong or partly right", async () => {
      const plain = await run(tiny, chatRequest(question, { maxTokens: 80, logprobs: 1 }));
      const ids = plain.tokens.map(({ id }) => id);
      const changed = ids.map((id, i) => (i % 9 === 4 ? 77 : id));
      const moved = [...ids.slice(0, 10), 90, 91, 92, ...ids.slice(20)];
      const absent = Array.from({ length: 200 }, (_, id) => id).filter((id) => !ids.includes(id));
      for (const tokens of [ids, changed, moved, [], absent.slice(0, 3), ids.slice(30)]) {
        const prediction = { kind: "tokens", tokens } as const;
        const result = await run(tiny, chatRequest(question, { maxTokens: 80, logprobs: 1, prediction }));
        expect(result.texts).toEqual(plain.texts);
        expect(result.tokens.map(({ id }) => id)).toEqual(ids);
        for (const [i, { logprob }] of result.tokens.entries()) {
          expect(Math.abs(logprob! - plain.tokens[i]!.logprob!)).toBeLessThan(0.02);
        }
        expect(result.end.usage.completionTokens).toBe(plain.end.usage.completionTokens);
        const { acceptedTokens, rejectedTokens } = result.end.usage.prediction!;
        expect(acceptedTokens + rejectedTokens).toBe(tokens.length);
        if (tokens === ids) expect(rejectedTokens).toBe(0);
        if (tokens === changed) expect(acceptedTokens).toBeGreaterThan(ids.length / 2);
        if (tokens.length === 3) expect(acceptedTokens).toBe(0);
      }
      expect(plain.end.usage.prediction).toBeUndefined();
    });

    it("gives the same output with a seed, several choices, stop texts and a grammar", async () => {
      const sampling = { temperature: 0.8, seed: 21, repetitionPenalty: 1.1 };
      const cases: Partial<GenerateRequest>[] = [
        { sampling, n: 2 },
        { sampling, stop: ["e", "."] },
        { grammar: "root ::= [a-z ,]{20,60}" },
      ];
      for (const overrides of cases) {
        const plain = await run(tiny, chatRequest(question, { maxTokens: 50, ...overrides }));
        const prediction = { kind: "text", text: plain.texts[0]! } as const;
        const predicted = await run(tiny, chatRequest(question, { maxTokens: 50, ...overrides, prediction }));
        expect(predicted.texts).toEqual(plain.texts);
        expect(predicted.finishes).toEqual(plain.finishes);
      }
    });

    it("is refused for unknown tokens", async () => {
      const prediction = { kind: "tokens", tokens: [-4] } as const;
      await expect(run(tiny, chatRequest("x", { prediction }))).rejects.toMatchObject({
        code: "invalid_prediction",
      });
    });

    it("leaves a slot that the next request can reuse", async () => {
      const plain = await run(tiny, chatRequest(question, { maxTokens: 60, cacheScope: "p" }));
      const prediction = { kind: "text", text: `${plain.texts[0]!.slice(0, 90)} or not` } as const;
      await run(tiny, chatRequest(question, { maxTokens: 60, cacheScope: "q", prediction }));
      const next = (cacheScope: string) =>
        run(tiny, chatRequest(`${question} And another.`, { maxTokens: 30, cacheScope }));
      expect((await next("q")).texts).toEqual((await next("p")).texts);
    });
  });

  it.each<[string, GenerateRequest["sampling"]]>([
    ["typicalP", { temperature: 1, typicalP: 0.5 }],
    ["mirostat", { temperature: 1, mirostat: { target: 3, learningRate: 0.1 } }],
  ])("samples by %s, reproducibly with a seed", async (_, sampling) => {
    const generate = (seed: number, overrides: Partial<GenerateRequest> = {}) =>
      run(
        tiny,
        chatRequest("Tell me a story.", { sampling: { ...sampling, seed }, maxTokens: 24, ...overrides }),
      );
    const first = await generate(1);
    expect((await generate(1)).texts, "the same seed").toEqual(first.texts);
    expect((await generate(2)).texts, "another seed").not.toEqual(first.texts);
    const constrained = await generate(3, { grammar: 'root ::= "it is " ("hot" | "cold")' });
    expect(constrained.texts[0]).toMatch(/^it is (hot|cold)$/);
    const greedy = await generate(4, { sampling: { ...sampling, temperature: 0 } });
    expect(greedy.texts).toEqual((await run(tiny, chatRequest("Tell me a story.", { maxTokens: 24 }))).texts);
  });
});

import { describe, expect, it } from "vitest";
import { runGeneration } from "./collect-generation.ts";
import { type ContractOptions, type GetSubject, type MakeRequest, skipWithout } from "./contract-subject.ts";

/** The guarantees of optional features; the report skips the features that an engine doesn't list. */
export function describeFeatures(use: GetSubject, request: MakeRequest, options: ContractOptions): void {
  describe("with optional features", () => {
    describeTokens(use, request);
    describeEnds(use, request, options);
    describeCache(use, request);
    describeThinkingAndPrediction(use, request);
  });
}

function describeTokens(use: GetSubject, request: MakeRequest): void {
  it("lists promptLogprobs only together with logprobs and promptTokens", () => {
    const { features } = use().engine.capabilities;
    if (features.includes("promptLogprobs")) {
      expect(features).toEqual(expect.arrayContaining(["logprobs", "promptTokens"]));
    }
  });

  it("delivers every counted token with logprobs, the alternatives best first", async (test) => {
    skipWithout(test, use(), ["logprobs"]);
    for (const stream of [true, false]) {
      const { texts, tokens, end } = await runGeneration(
        use().engine,
        request({ n: 2, logprobs: 3, stream }),
      );
      expect(tokens.flat().length).toBe(end.usage.completionTokens);
      tokens.forEach((choiceTokens, choice) => {
        const text = Buffer.concat(choiceTokens.map(({ bytes }) => bytes)).toString();
        expect(text.startsWith(texts[choice]!)).toBe(true);
      });
      for (const { logprob, top } of tokens.flat()) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(top.length).toBeLessThanOrEqual(3);
        const values = top.map((other) => other.logprob);
        expect(values).toEqual([...values].sort((a, b) => b - a));
      }
    }
  });

  it("generates the same text with and without logprobs", async (test) => {
    skipWithout(test, use(), ["logprobs"]);
    const plain = await runGeneration(use().engine, request());
    expect((await runGeneration(use().engine, request({ logprobs: 5 }))).texts).toEqual(plain.texts);
    expect(plain.tokens).toEqual([[]]);
    expect(plain.prompt).toBeNull();
  });

  it("delivers all of the prompt's tokens, also when it generates none", async (test) => {
    skipWithout(test, use(), ["promptTokens"]);
    const hasLogprobs = use().engine.capabilities.features.includes("promptLogprobs");
    for (const logprobs of hasLogprobs ? [false, true] : [false]) {
      for (const maxTokens of [0, 4]) {
        const { prompt, end } = await runGeneration(
          use().engine,
          request({ prompt: { logprobs }, maxTokens, n: 2 }),
        );
        expect(prompt!.length).toBe(end.usage.promptTokens);
        expect(prompt![0]!.logprob).toBeNull();
        for (const { logprob } of prompt!.slice(1)) {
          if (logprobs) expect(logprob).toBeLessThanOrEqual(0);
          else expect(logprob).toBeNull();
        }
      }
    }
  });
}

function describeEnds(use: GetSubject, request: MakeRequest, options: ContractOptions): void {
  it("generates at least minTokens tokens", async (test) => {
    skipWithout(test, use(), ["minTokens"]);
    const result = await runGeneration(use().engine, request({ minTokens: 30, maxTokens: 40 }));
    expect(result.end.usage.completionTokens).toBeGreaterThanOrEqual(30);
  });

  it("generates all of maxTokens with ignoreEos", async (test) => {
    skipWithout(test, use(), ["ignoreEos"]);
    const result = await runGeneration(use().engine, request({ ignoreEos: true, maxTokens: 150 }));
    expect(result.end.usage.completionTokens).toBe(150);
    expect(result.finishes).toEqual(["length"]);
  });

  it("generates complete output of a grammar, and refuses a grammar that is not valid", async (test) => {
    skipWithout(test, use(), ["grammar"]);
    test.skip(options.ignoresGrammars !== undefined, options.ignoresGrammars);
    const { engine } = use();
    const grammar = 'root ::= "<" [a-c]{2,4} ">"';
    const result = await runGeneration(engine, request({ grammar, n: 2, maxTokens: 40 }));
    for (const text of result.texts) expect(text).toMatch(/^<[a-c]{2,4}>$/);
    expect(result.finishes).toEqual(["stop", "stop"]);
    const refused = runGeneration(engine, request({ grammar: "root ::= (" }));
    await expect(refused).rejects.toMatchObject({ code: "invalid" });
  });
}

function describeCache(use: GetSubject, request: MakeRequest): void {
  it("reuses no cached prompt of another cacheScope", async (test) => {
    skipWithout(test, use(), ["cacheScope"]);
    const cached = async (cacheScope: string) =>
      (await runGeneration(use().engine, request({ cacheScope, maxTokens: 2 }))).end.usage.cachedTokens;
    expect(await cached("contract-a")).toBe(0);
    expect(await cached("contract-a")).toBeGreaterThan(0);
    expect(await cached("contract-b")).toBe(0);
  });

  it("reads and writes at most cacheMaxTokens tokens of the prompt cache", async (test) => {
    skipWithout(test, use(), ["cacheScope", "cacheMaxTokens"]);
    const cached = async (cacheScope: string, cacheMaxTokens: number) => {
      const result = await runGeneration(use().engine, request({ cacheScope, cacheMaxTokens, maxTokens: 2 }));
      return result.end.usage.cachedTokens;
    };
    await cached("contract-c", 1000);
    expect(await cached("contract-c", 0)).toBe(0);
    expect(await cached("contract-c", 70)).toBeLessThanOrEqual(70);
    await cached("contract-d", 0);
    expect(await cached("contract-d", 1000)).toBe(0);
    await cached("contract-e", 10);
    expect(await cached("contract-e", 1000)).toBeLessThanOrEqual(10);
  });

  it("generates the same with a cached prompt and without", async (test) => {
    skipWithout(test, use(), ["cacheScope"]);
    const make = (cacheScope: string) => runGeneration(use().engine, request({ cacheScope, maxTokens: 40 }));
    const cold = await make("contract-f");
    const warm = await make("contract-f");
    const other = await make("contract-g");
    expect(warm.texts).toEqual(cold.texts);
    expect(other.texts).toEqual(cold.texts);
  });
}

function describeThinkingAndPrediction(use: GetSubject, request: MakeRequest): void {
  it("closes an open thinking block after the thinking budget", async (test) => {
    skipWithout(test, use(), ["thinking"]);
    const thinking = { open: "<think>", close: "</think>", opened: true };
    const at = async (maxTokens: number) => {
      const budget = { thinking: { ...thinking, maxTokens }, maxTokens: 60 };
      return (await runGeneration(use().engine, request(budget))).texts[0]!.indexOf("</think>");
    };
    expect(await at(0)).toBe(0);
    expect(await at(5)).toBeGreaterThan(0);
    expect(await at(5)).toBeLessThan(await at(10));
  });

  it("generates the same with a prediction, whether it matches or not", async (test) => {
    skipWithout(test, use(), ["prediction"]);
    const { engine } = use();
    const plain = await runGeneration(engine, request());
    expect(plain.end.usage.prediction).toBeUndefined();
    const predict = (text: string) => runGeneration(engine, request({ prediction: { kind: "text", text } }));
    const right = await predict(plain.texts[0]!);
    const wrong = await predict("something quite different, and nobody says so");
    expect([right.texts, wrong.texts]).toEqual([plain.texts, plain.texts]);
    expect(right.end.usage.prediction!.acceptedTokens).toBeGreaterThan(0);
    expect(wrong.end.usage.prediction!.acceptedTokens).toBeLessThan(
      right.end.usage.prediction!.acceptedTokens,
    );
  });
}

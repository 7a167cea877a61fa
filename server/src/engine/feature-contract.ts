import { describe, expect, it } from "vitest";
import { type ContractOptions, type GetSubject, type MakeRequest, runGeneration } from "./contract.ts";
import type { EngineFeature } from "./port.ts";

/** What an engine must do that lists optional features. Those it doesn't list are not looked at. */
export function describeFeatures(use: GetSubject, request: MakeRequest, options: ContractOptions): void {
  const has = (...features: EngineFeature[]) => {
    const listed = use().engine.capabilities.features;
    return features.every((feature) => listed.includes(feature));
  };
  describe("and what it lists of the optional features", () => {
    describeTokens(use, request, has);
    describeEnds(use, request, has, options);
    describeCache(use, request, has);
    describeThinkingAndPrediction(use, request, has);
  });
}

type HasFeatures = (...features: EngineFeature[]) => boolean;

function describeTokens(use: GetSubject, request: MakeRequest, has: HasFeatures): void {
  it("logprobs: delivers every token that is counted, its alternatives best first", async () => {
    if (!has("logprobs")) return expect(has("promptLogprobs")).toBe(false);
    for (const stream of [true, false]) {
      const { texts, tokens, end } = await runGeneration(
        use().engine,
        request({ n: 2, logprobs: 3, stream }),
      );
      expect(tokens.flat().length).toBe(end.usage.completionTokens);
      tokens.forEach((own, choice) => {
        const text = Buffer.concat(own.map(({ bytes }) => bytes)).toString();
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

  it("logprobs: changes nothing in the text", async () => {
    if (!has("logprobs")) return expect(has("promptLogprobs")).toBe(false);
    const plain = await runGeneration(use().engine, request());
    expect((await runGeneration(use().engine, request({ logprobs: 5 }))).texts).toEqual(plain.texts);
    expect(plain.tokens).toEqual([[]]);
    expect(plain.prompt).toBeNull();
  });

  it("promptTokens, promptLogprobs: delivers the whole prompt, also for no output at all", async () => {
    if (!has("promptTokens")) return expect(has("promptLogprobs")).toBe(false);
    for (const logprobs of has("promptLogprobs") ? [false, true] : [false]) {
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

function describeEnds(
  use: GetSubject,
  request: MakeRequest,
  has: HasFeatures,
  options: ContractOptions,
): void {
  it("minTokens: makes no end before", async () => {
    if (!has("minTokens")) return expect.assertions(0);
    const result = await runGeneration(use().engine, request({ minTokens: 30, maxTokens: 40 }));
    expect(result.end.usage.completionTokens).toBeGreaterThanOrEqual(30);
  });

  it("ignoreEos: makes all of maxTokens", async () => {
    if (!has("ignoreEos")) return expect.assertions(0);
    const result = await runGeneration(use().engine, request({ ignoreEos: true, maxTokens: 150 }));
    expect(result.end.usage.completionTokens).toBe(150);
    expect(result.finishes).toEqual(["length"]);
  });

  it("grammar: is followed, completed and refused when it is none", async () => {
    if (!has("grammar") || options.followsGrammars === false) return expect.assertions(0);
    const { engine } = use();
    const grammar = 'root ::= "<" [a-c]{2,4} ">"';
    const result = await runGeneration(engine, request({ grammar, n: 2, maxTokens: 40 }));
    for (const text of result.texts) expect(text).toMatch(/^<[a-c]{2,4}>$/);
    expect(result.finishes).toEqual(["stop", "stop"]);
    const refused = runGeneration(engine, request({ grammar: "root ::= (" }));
    await expect(refused).rejects.toMatchObject({ code: "invalid" });
  });
}

function describeCache(use: GetSubject, request: MakeRequest, has: HasFeatures): void {
  it("cacheScope: reuses nothing of another scope", async () => {
    if (!has("cacheScope")) return expect.assertions(0);
    const cached = async (cacheScope: string) =>
      (await runGeneration(use().engine, request({ cacheScope, maxTokens: 2 }))).end.usage.cachedTokens;
    expect(await cached("contract-a")).toBe(0);
    expect(await cached("contract-a")).toBeGreaterThan(0);
    expect(await cached("contract-b")).toBe(0);
  });

  it("cacheMaxTokens: takes and keeps no more of a prompt", async () => {
    if (!has("cacheScope", "cacheMaxTokens")) return expect.assertions(0);
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

  it("cacheScope: makes the same with a cache and without", async () => {
    if (!has("cacheScope")) return expect.assertions(0);
    const make = (cacheScope: string) => runGeneration(use().engine, request({ cacheScope, maxTokens: 40 }));
    const [cold, warm, other] = [
      await make("contract-f"),
      await make("contract-f"),
      await make("contract-g"),
    ];
    expect(warm.texts).toEqual(cold.texts);
    expect(other.texts).toEqual(cold.texts);
  });
}

function describeThinkingAndPrediction(use: GetSubject, request: MakeRequest, has: HasFeatures): void {
  it("thinking: ends an open block when its tokens are used up", async () => {
    if (!has("thinking")) return expect.assertions(0);
    const thinking = { open: "<think>", close: "</think>", opened: true };
    const at = async (maxTokens: number) => {
      const budget = { thinking: { ...thinking, maxTokens }, maxTokens: 60 };
      return (await runGeneration(use().engine, request(budget))).texts[0]!.indexOf("</think>");
    };
    expect(await at(0)).toBe(0);
    expect(await at(5)).toBeGreaterThan(0);
    expect(await at(5)).toBeLessThan(await at(10));
  });

  it("prediction: changes nothing, whether it comes true or not", async () => {
    if (!has("prediction")) return expect.assertions(0);
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

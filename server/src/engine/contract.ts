import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectGeneration, failedGeneration, runGeneration } from "./collect-generation.ts";
import {
  type ContractOptions,
  type ContractSubject,
  type GetSubject,
  type MakeRequest,
  requestMaker,
} from "./contract-subject.ts";
import { EngineError } from "./errors.ts";
import { describeFeatures } from "./feature-contract.ts";
import { describeLoras } from "./lora-contract.ts";
import { SAMPLING_RULES } from "./sampling.ts";

export { type CollectedGeneration, collectGeneration, runGeneration } from "./collect-generation.ts";
export type { ContractOptions, ContractSubject } from "./contract-subject.ts";

const never = new AbortController().signal;
const TEST_TIMEOUT_MS = 60_000;

/**
 * The suite that every adapter passes. Engines differ by their capabilities and the options alone.
 * @param makeSubject makes a fresh engine; called once for most tests together and once for each that destroys it.
 */
export function describeEngineContract(
  name: string,
  makeSubject: () => Promise<ContractSubject>,
  options: ContractOptions = {},
): void {
  describe(name, { timeout: TEST_TIMEOUT_MS }, () => {
    const use = sharedSubject(makeSubject);
    const request = requestMaker(options);
    describeEvents(use, request);
    describeAborts(use, request);
    describeSampling(use, request);
    describeRefusals(use, options);
    describeFeatures(use, request, options);
    describeLoras(use, request);
    describeEndings(makeSubject, request);
  });
}

function sharedSubject(makeSubject: () => Promise<ContractSubject>): GetSubject {
  let subject: ContractSubject;
  beforeAll(async () => {
    subject = await makeSubject();
  });
  afterAll(async () => {
    await subject?.dispose();
  });
  return () => subject;
}

function describeEvents(use: GetSubject, request: MakeRequest): void {
  it("delivers text, one finish a choice and exactly one end with usage as its last event", async () => {
    const result = await runGeneration(use().engine, request());
    expect(result.texts[0]).not.toBe("");
    expect(result.finishes).toEqual(["length"]);
    expect(result.end.aborted).toBe(false);
    expect(result.end.usage.promptTokens).toBeGreaterThan(0);
    expect(result.end.usage.cachedTokens).toBeLessThan(result.end.usage.promptTokens);
    expect(result.end.usage.completionTokens).toBe(24);
  });

  it.each([1, 2, 7])("generates no more than maxTokens = %d tokens", async (maxTokens) => {
    const result = await runGeneration(use().engine, request({ maxTokens }));
    expect(result.end.usage.completionTokens).toBe(maxTokens);
    expect(result.finishes).toEqual(["length"]);
  });

  it("generates nothing when maxTokens is 0", async () => {
    const result = await runGeneration(use().engine, request({ maxTokens: 0, n: 2 }));
    expect(result.texts).toEqual(["", ""]);
    expect(result.finishes).toEqual(["length", "length"]);
    expect(result.end.usage.completionTokens).toBe(0);
    expect(result.end.usage.promptTokens).toBeGreaterThan(0);
  });

  it("delivers the same text whether it streams or not", async () => {
    const streamed = await runGeneration(use().engine, request());
    const whole = await runGeneration(use().engine, request({ stream: false }));
    expect(whole.texts).toEqual(streamed.texts);
  });

  it("delivers the first piece of a whole text before the rest if it says so", async () => {
    const { engine } = use();
    const pieces: string[] = [];
    const whole = request({ stream: false });
    await collectGeneration(engine, whole, never, (event) => {
      if (event.type === "delta") pieces.push(event.text);
    });
    if (engine.capabilities.earlyFirstDelta) expect(pieces.length).toBeGreaterThan(1);
    else expect(pieces.length).toBeGreaterThan(0);
  });

  it("counts the prompt once and the output tokens of every choice", async () => {
    const single = await runGeneration(use().engine, request({ maxTokens: 8 }));
    const three = await runGeneration(use().engine, request({ maxTokens: 8, n: 3 }));
    expect(three.finishes).toEqual(["length", "length", "length"]);
    expect(three.end.usage.promptTokens).toBe(single.end.usage.promptTokens);
    expect(three.end.usage.completionTokens).toBe(24);
  });

  it("never delivers a stop text, wherever within tokens the text begins and ends", async () => {
    const { engine } = use();
    const full = (await runGeneration(engine, request())).texts[0]!;
    for (const [start, length] of [
      [1, 1],
      [2, 6],
      [5, 9],
      [7, 12],
      [12, 3],
      [16, 20],
    ] as const) {
      const stop = full.slice(start, start + length);
      const result = await runGeneration(engine, request({ stop: [stop, "\u0000never"] }));
      expect(result.texts[0]).toBe(full.slice(0, full.indexOf(stop)));
      expect(result.finishes).toEqual(["stop"]);
      expect(result.end.usage.completionTokens).toBeLessThanOrEqual(24);
    }
  });

  it("delivers text that only begins like a stop text", async () => {
    const { engine } = use();
    const full = (await runGeneration(engine, request())).texts[0]!;
    const result = await runGeneration(
      engine,
      request({ stop: [`${full.slice(4, 12)}\u0000`, `${full.slice(-3)}\u0000`] }),
    );
    expect(result.texts[0]).toBe(full);
    expect(result.finishes).toEqual(["length"]);
  });
}

function describeAborts(use: GetSubject, request: MakeRequest): void {
  it("stops working on an abort and still ends with the usage so far", async () => {
    const { engine } = use();
    const abort = new AbortController();
    const long = request({ maxTokens: 1000 });
    const result = await collectGeneration(engine, long, abort.signal, (event) => {
      if (event.type === "delta") abort.abort();
    });
    expect(result.end.aborted).toBe(true);
    expect(result.finishes).toEqual([]);
    expect(result.end.usage.completionTokens).toBeLessThan(1000);
    if (engine.capabilities.exactUsageOnAbort) {
      expect(result.end.usage.promptTokens).toBeGreaterThan(0);
      expect(result.end.usage.completionTokens).toBeGreaterThan(0);
    }
    await untilIdle(use());
  });

  it("ends at once when the request was aborted before it began", async () => {
    const result = await collectGeneration(use().engine, request({ maxTokens: 1000 }), AbortSignal.abort());
    expect(result.end.aborted).toBe(true);
    await untilIdle(use());
  });

  it("stops working when the reader leaves the iterator", async () => {
    for await (const event of use().engine.generate(request({ maxTokens: 1000 }), never)) {
      if (event.type === "delta") break;
    }
    await untilIdle(use());
  });

  it("generates the same for a request while a concurrent one is aborted", async () => {
    const { engine } = use();
    const alone = await runGeneration(engine, request());
    const abort = new AbortController();
    const [aborted, neighbour] = await Promise.all([
      collectGeneration(engine, request({ maxTokens: 1000 }), abort.signal, () => abort.abort()),
      runGeneration(engine, request()),
    ]);
    expect(aborted.end.aborted).toBe(true);
    expect(neighbour.texts).toEqual(alone.texts);
    expect(neighbour.end.aborted).toBe(false);
  });
}

function describeSampling(use: GetSubject, request: MakeRequest): void {
  const withSeed = (seed: number) => request({ sampling: { temperature: 1, seed } });
  const LACKS_SEEDS = "the engine does not honour seeds";

  it("lists every sampling field at most once and no unknown one", () => {
    const { sampling } = use().engine.capabilities;
    expect(new Set(sampling).size).toBe(sampling.length);
    expect(Object.keys(SAMPLING_RULES)).toEqual(expect.arrayContaining([...sampling]));
  });

  it("generates the same output for the same seed and a different one for another seed", async ({ skip }) => {
    const { engine } = use();
    skip(!engine.capabilities.sampling.includes("seed"), LACKS_SEEDS);
    const first = await runGeneration(engine, withSeed(7));
    const again = await runGeneration(engine, withSeed(7));
    const other = await runGeneration(engine, withSeed(8));
    expect(again.texts).toEqual(first.texts);
    expect(other.texts).not.toEqual(first.texts);
  });

  it("samples choice i with seed + i", async ({ skip }) => {
    const { engine } = use();
    skip(!engine.capabilities.sampling.includes("seed"), LACKS_SEEDS);
    const both = await runGeneration(engine, { ...withSeed(7), n: 2 });
    const second = await runGeneration(engine, withSeed(8));
    expect(both.texts[1]).toBe(second.texts[0]);
    expect(both.texts[0]).not.toBe(both.texts[1]);
  });
}

function describeRefusals(use: GetSubject, options: ContractOptions): void {
  it("refuses a prompt longer than the context with an error that gives both numbers", async () => {
    const { engine } = use();
    const contextLength = engine.model.contextLength ?? 4096;
    const long = requestMaker(options, "word ".repeat(contextLength + 10))();
    const error = await failedGeneration(engine, long);
    expect(error.code).toBe("context_exceeded");
    expect(error.message).toContain(String(contextLength));
    expect(error.message.match(/\d+/g)?.length).toBeGreaterThanOrEqual(2);
    expect(error.retryable).toBe(false);
    await untilIdle(use());
  });

  it("has a chat template only if it does not render chat itself", () => {
    const { capabilities, model } = use().engine;
    if (capabilities.rendersChat) expect(model.chatTemplate).toBeNull();
  });

  it("passes its health check while it runs", async () => {
    await expect(use().engine.health()).resolves.toBeUndefined();
  });
}

function describeEndings(makeSubject: () => Promise<ContractSubject>, request: MakeRequest): void {
  it("throws an EngineError from the iterator when it crashes after the first token", async () => {
    const subject = await makeSubject();
    try {
      const error = await failedGeneration(subject.engine, request({ maxTokens: 1000 }), () =>
        subject.crash(),
      );
      expect(error).toBeInstanceOf(EngineError);
    } finally {
      await subject.dispose();
    }
  });

  it("fails running and new generations with unavailable once it is closed", async () => {
    const subject = await makeSubject();
    try {
      const error = await failedGeneration(subject.engine, request({ maxTokens: 1000 }), () =>
        subject.engine.close(),
      );
      expect(error.code).toBe("unavailable");
      expect((await failedGeneration(subject.engine, request())).code).toBe("unavailable");
      await expect(subject.engine.health()).rejects.toBeInstanceOf(EngineError);
      await subject.engine.close();
    } finally {
      await subject.dispose();
    }
  });
}

/** Turns of the event loop after which a generation counts as not stopped. */
const MAX_TURNS = 20_000;

async function untilIdle(subject: ContractSubject): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    if ((await subject.activeGenerations()) === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("the engine still works on a generation that has ended");
}

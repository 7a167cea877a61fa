import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeFeatures } from "./feature-contract.ts";
import { describeLoras } from "./lora-contract.ts";
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineInput,
  type GenerateRequest,
  type TokenInfo,
} from "./port.ts";

/** One engine under test, and what only its own adapter's tests can know or do. */
export interface ContractSubject {
  engine: Engine;
  /** Generations the engine works on now, as far down as can be seen. */
  activeGenerations(): number | Promise<number>;
  /** Makes the generations in flight fail as a crash of the engine would. The engine isn't used afterwards. */
  crash(): void | Promise<void>;
  /** Frees everything; called once, also after `breakDown`. */
  dispose(): Promise<void>;
  /** Files for an engine that has adapters: two that change what it writes, and one that it can't use. */
  loras?: { paths: readonly [string, string]; broken: string };
}

export interface ContractOptions {
  /**
   * A prompt after which the engine, at temperature 0, writes at least 40 tokens of plain text.
   * Default: numbers to count on from.
   */
  prompt?: string;
  /** How a text is put to the engine. Default: as a text prompt. */
  input?: (text: string) => EngineInput;
  /** False for an engine that takes grammars and does not follow them. Default true. */
  followsGrammars?: boolean;
  /** Choice i of n with seed s is what seed s + i gives alone. Default: true when the engine honours seeds. */
  choiceSeeds?: boolean;
  /** Milliseconds a test may take. Default 60,000. */
  timeoutMs?: number;
}

const COUNTING = "one two three four five six seven eight nine ten ".repeat(8).trimEnd();
const never = new AbortController().signal;

/**
 * What every engine must do, whatever is behind it. Differences come from the engine's capabilities and the options.
 * @param makeSubject makes a fresh engine; called once for most tests together and once for each that destroys it.
 */
export function describeEngineContract(
  name: string,
  makeSubject: () => Promise<ContractSubject>,
  options: ContractOptions = {},
): void {
  describe(`${name} keeps the engine contract`, { timeout: options.timeoutMs ?? 60_000 }, () => {
    const use = sharedSubject(makeSubject);
    const request = requestMaker(options);
    describeEvents(use, request);
    describeAborts(use, request);
    describeSampling(use, request, options);
    describeRefusals(use, options);
    describeFeatures(use, request, options);
    describeLoras(use, request);
    describeEndings(makeSubject, request);
  });
}

export type MakeRequest = (overrides?: Partial<GenerateRequest>) => GenerateRequest;
export type GetSubject = () => ContractSubject;

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

function requestMaker(options: ContractOptions): MakeRequest {
  const input = options.input ?? ((text) => ({ kind: "text", text, addBos: true }) as const);
  let made = 0;
  return (overrides = {}) => ({
    id: `contract-${++made}`,
    input: input(options.prompt ?? COUNTING),
    sampling: { temperature: 0 },
    n: 1,
    maxTokens: 24,
    stop: [],
    stream: true,
    ...overrides,
  });
}

function describeEvents(use: GetSubject, request: MakeRequest): void {
  it("delivers text, one finish a choice and exactly one end, last, with usage", async () => {
    const result = await runGeneration(use().engine, request());
    expect(result.texts[0]).not.toBe("");
    expect(result.finishes).toEqual(["length"]);
    expect(result.end.aborted).toBe(false);
    expect(result.end.usage.promptTokens).toBeGreaterThan(0);
    expect(result.end.usage.cachedTokens).toBeLessThan(result.end.usage.promptTokens);
    expect(result.end.usage.completionTokens).toBe(24);
  });

  it.each([1, 2, 7])("makes no more than maxTokens = %d tokens", async (maxTokens) => {
    const result = await runGeneration(use().engine, request({ maxTokens }));
    expect(result.end.usage.completionTokens).toBe(maxTokens);
    expect(result.finishes).toEqual(["length"]);
  });

  it("makes nothing when maxTokens is 0", async () => {
    const result = await runGeneration(use().engine, request({ maxTokens: 0, n: 2 }));
    expect(result.texts).toEqual(["", ""]);
    expect(result.finishes).toEqual(["length", "length"]);
    expect(result.end.usage.completionTokens).toBe(0);
    expect(result.end.usage.promptTokens).toBeGreaterThan(0);
  });

  it("gives the same text whether it is streamed or not", async () => {
    const streamed = await runGeneration(use().engine, request());
    const whole = await runGeneration(use().engine, request({ stream: false }));
    expect(whole.texts).toEqual(streamed.texts);
  });

  it("counts the prompt once and the tokens of all choices", async () => {
    const one = await runGeneration(use().engine, request({ maxTokens: 8 }));
    const three = await runGeneration(use().engine, request({ maxTokens: 8, n: 3 }));
    expect(three.finishes).toEqual(["length", "length", "length"]);
    expect(three.end.usage.promptTokens).toBe(one.end.usage.promptTokens);
    expect(three.end.usage.completionTokens).toBe(24);
  });

  it("never delivers a stop text, wherever in the tokens it begins and ends", async () => {
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

  it("delivers what only looked like a stop text", async () => {
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

  it("stops working when the reader leaves", async () => {
    for await (const event of use().engine.generate(request({ maxTokens: 1000 }), never)) {
      if (event.type === "delta") break;
    }
    await untilIdle(use());
  });

  it("doesn't disturb a neighbour by an abort", async () => {
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

function describeSampling(use: GetSubject, request: MakeRequest, options: ContractOptions): void {
  const honoursSeeds = () => use().engine.capabilities.sampling.includes("seed");
  const withSeed = (seed: number) => request({ sampling: { temperature: 1, seed } });

  it("gives the same output for the same seed and another for another", async () => {
    const { engine } = use();
    if (!honoursSeeds()) return expect(engine.capabilities.sampling).not.toContain("seed");
    const [first, again, other] = [
      await runGeneration(engine, withSeed(7)),
      await runGeneration(engine, withSeed(7)),
      await runGeneration(engine, withSeed(8)),
    ];
    expect(again.texts).toEqual(first.texts);
    expect(other.texts).not.toEqual(first.texts);
  });

  if (options.choiceSeeds !== false) {
    it("samples choice i with seed + i", async () => {
      const { engine } = use();
      const both = await runGeneration(engine, { ...withSeed(7), n: 2 });
      const second = await runGeneration(engine, withSeed(8));
      expect(both.texts[1]).toBe(second.texts[0]);
      expect(both.texts[0]).not.toBe(both.texts[1]);
    });
  }
}

function describeRefusals(use: GetSubject, options: ContractOptions): void {
  it("refuses a prompt longer than the context and names both numbers", async () => {
    const { engine } = use();
    const contextLength = engine.model.contextLength ?? 4096;
    const long = requestMaker({ ...options, prompt: "word ".repeat(contextLength + 10) })();
    const error = await failure(engine, long);
    expect(error.code).toBe("context_exceeded");
    expect(error.message).toContain(String(contextLength));
    expect(error.message.match(/\d+/g)?.length).toBeGreaterThanOrEqual(2);
    expect(error.retryable).toBe(false);
    await untilIdle(use());
  });

  it("answers a health check", async () => {
    await expect(use().engine.health()).resolves.toBeUndefined();
  });
}

function describeEndings(makeSubject: () => Promise<ContractSubject>, request: MakeRequest): void {
  it("throws an EngineError from the iterator when it fails after the first token", async () => {
    const subject = await makeSubject();
    try {
      const error = await failure(subject.engine, request({ maxTokens: 1000 }), () => subject.crash());
      expect(error).toBeInstanceOf(EngineError);
    } finally {
      await subject.dispose();
    }
  });

  it("fails generations in flight and new ones as unavailable once it is closed", async () => {
    const subject = await makeSubject();
    try {
      const error = await failure(subject.engine, request({ maxTokens: 1000 }), () => subject.engine.close());
      expect(error.code).toBe("unavailable");
      expect((await failure(subject.engine, request())).code).toBe("unavailable");
      await expect(subject.engine.health()).rejects.toBeInstanceOf(EngineError);
      await subject.engine.close();
    } finally {
      await subject.dispose();
    }
  });
}

export interface CollectedGeneration {
  /** Text of each choice. */
  texts: string[];
  /** Tokens of each choice, where they were asked for. */
  tokens: TokenInfo[][];
  /** The prompt's tokens, where they were asked for. */
  prompt: readonly TokenInfo[] | null;
  /** Finish reasons in the order of the choices; shorter than `n` after an abort. */
  finishes: string[];
  end: EngineEvent & { type: "end" };
}

/** Reads a generation to its end and checks the order of its events. */
export async function collectGeneration(
  engine: Engine,
  request: GenerateRequest,
  signal: AbortSignal,
  onEvent: (event: EngineEvent) => void | Promise<void> = () => {},
): Promise<CollectedGeneration> {
  const texts = new Array<string>(request.n).fill("");
  const tokens = texts.map((): TokenInfo[] => []);
  const finishes = new Map<number, string>();
  const seen = new Set<string>();
  let prompt: CollectedGeneration["prompt"] = null;
  let end: CollectedGeneration["end"] | null = null;
  for await (const event of engine.generate(request, signal)) {
    expect(end, "nothing follows the end").toBeNull();
    if (event.type === "end") {
      end = event;
    } else if (event.type === "start" || event.type === "prompt") {
      const later = event.type === "start" ? ["start", "prompt"] : ["prompt"];
      for (const type of [...later, "delta", "finish"]) {
        expect(seen, `${event.type} comes once and before ${type}`).not.toContain(type);
      }
      if (event.type === "prompt") prompt = event.tokens;
    } else {
      expect(event.choice).toBeLessThan(request.n);
      expect(finishes.has(event.choice), "nothing follows a choice's finish").toBe(false);
      if (event.type === "finish") finishes.set(event.choice, event.reason);
      else {
        texts[event.choice] += event.text;
        tokens[event.choice]!.push(...(event.tokens ?? []));
      }
    }
    seen.add(event.type);
    await onEvent(event);
  }
  if (end === null) throw new Error("the generation gave no end");
  if (!end.aborted) expect(finishes.size).toBe(request.n);
  const reasons = [...finishes].sort(([a], [b]) => a - b).map(([, reason]) => reason);
  return { texts, tokens, prompt, finishes: reasons, end };
}

export function runGeneration(engine: Engine, request: GenerateRequest): Promise<CollectedGeneration> {
  return collectGeneration(engine, request, never);
}

/** Runs a request that must fail; `act` is done once, at its first delta. */
async function failure(
  engine: Engine,
  request: GenerateRequest,
  act?: () => void | Promise<void>,
): Promise<EngineError> {
  let acted = act === undefined;
  try {
    for await (const event of engine.generate(request, never)) {
      expect(event.type, "a failed generation has no end").not.toBe("end");
      if (acted) continue;
      acted = true;
      await act?.();
    }
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("the generation did not fail");
}

const MAX_TURNS = 20_000;

async function untilIdle(subject: ContractSubject): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    if ((await subject.activeGenerations()) === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("the engine goes on working on a generation that is over");
}

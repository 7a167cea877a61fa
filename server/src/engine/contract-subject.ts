import type { TestContext } from "vitest";
import type { TextEngine } from "./engine.ts";
import type { EngineFeature, EngineInput, GenerateRequest } from "./generation.ts";

/** One engine under test, with the operations that only its adapter's tests can do. */
export interface ContractSubject {
  engine: TextEngine;
  /** Number of generations that the engine, or the server behind it, works on now. */
  activeGenerations(): number | Promise<number>;
  /** Makes running generations fail as a crash of the engine would. The engine isn't used afterwards. */
  crash(): void | Promise<void>;
  /** Frees everything; called once, also after `crash`. */
  dispose(): Promise<void>;
  /** LoRA files, required of an engine with LoRAs: two that change its output, and one that it can't load. */
  loras?: { paths: readonly [string, string]; broken: string };
}

export interface ContractOptions {
  /** Converts a text to the engine's input. Default: a text prompt. */
  input?: (text: string) => EngineInput;
  /** Set for an engine that accepts grammars and ignores them: the reason that the report gives for the skipped test. */
  ignoresGrammars?: string;
}

export type MakeRequest = (overrides?: Partial<GenerateRequest>) => GenerateRequest;
export type GetSubject = () => ContractSubject;

/** Skips the running test, with a reason, unless the engine has all the features. */
export function skipWithout(
  test: TestContext,
  { engine }: Pick<ContractSubject, "engine">,
  features: readonly EngineFeature[],
): void {
  const missing = features.filter((feature) => !engine.capabilities.features.includes(feature));
  test.skip(missing.length > 0, `the engine lacks ${missing.join(", ")}`);
}

/** A greedy streamed request; after its prompt every engine generates at least 40 tokens of plain text. */
export function requestMaker(options: ContractOptions, prompt = COUNTING): MakeRequest {
  const toInput = options.input ?? ((text) => ({ kind: "text", text, addBos: true }) as const);
  let count = 0;
  return (overrides = {}) => ({
    id: `contract-${++count}`,
    input: toInput(prompt),
    sampling: { temperature: 0 },
    n: 1,
    maxTokens: 24,
    stop: [],
    stream: true,
    ...overrides,
  });
}

const COUNTING = "one two three four five six seven eight nine ten ".repeat(8).trimEnd();

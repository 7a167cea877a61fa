/** For tests: runs generations and checks the order of their events. */
import { expect } from "vitest";
import { EngineError } from "./errors.ts";
import type { EngineEvent, GenerateRequest, GenerationEngine, TokenInfo } from "./generation.ts";

export interface CollectedGeneration {
  /** Text of each choice. */
  texts: string[];
  /** Tokens of each choice, if requested. */
  tokens: TokenInfo[][];
  /** The prompt's tokens; null when not requested. */
  prompt: readonly TokenInfo[] | null;
  /** Finish reasons in the order of the choices; shorter than `n` after an abort. */
  finishes: string[];
  end: EngineEvent & { type: "end" };
}

/** Reads a generation to its end and checks the order of its events. */
export async function collectGeneration(
  engine: GenerationEngine,
  request: GenerateRequest,
  signal: AbortSignal,
  onEvent: (event: EngineEvent) => void | Promise<void> = () => {},
): Promise<CollectedGeneration> {
  const texts = new Array<string>(request.n).fill("");
  const tokens = texts.map((): TokenInfo[] => []);
  const finishes = new Map<number, string>();
  const seenTypes = new Set<string>();
  let prompt: CollectedGeneration["prompt"] = null;
  let end: CollectedGeneration["end"] | null = null;
  for await (const event of engine.generate(request, signal)) {
    expect(end, "nothing follows the end").toBeNull();
    if (event.type === "end") {
      end = event;
    } else if (event.type === "start" || event.type === "prompt") {
      const laterTypes = event.type === "start" ? ["start", "prompt"] : ["prompt"];
      for (const type of [...laterTypes, "delta", "finish"]) {
        expect(seenTypes, `${event.type} comes once and before ${type}`).not.toContain(type);
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
    seenTypes.add(event.type);
    await onEvent(event);
  }
  if (end === null) throw new Error("the generation gave no end");
  if (!end.aborted) expect(finishes.size).toBe(request.n);
  const reasons = [...finishes].sort(([a], [b]) => a - b).map(([, reason]) => reason);
  return { texts, tokens, prompt, finishes: reasons, end };
}

export function runGeneration(
  engine: GenerationEngine,
  request: GenerateRequest,
): Promise<CollectedGeneration> {
  return collectGeneration(engine, request, new AbortController().signal);
}

/** Runs a request that must fail; calls `onFirstDelta` once. */
export async function failedGeneration(
  engine: GenerationEngine,
  request: GenerateRequest,
  onFirstDelta: () => void | Promise<void> = () => {},
): Promise<EngineError> {
  let hasDelta = false;
  try {
    for await (const event of engine.generate(request, new AbortController().signal)) {
      expect(event.type, "a failed generation has no end").not.toBe("end");
      if (hasDelta || event.type !== "delta") continue;
      hasDelta = true;
      await onFirstDelta();
    }
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("the generation did not fail");
}

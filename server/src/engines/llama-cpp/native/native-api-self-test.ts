import type { LlamaGrammarEvaluationState } from "node-llama-cpp";
import type { DecodeSpec, GeneratedToken } from "../scheduling/backend.ts";
import { BatchCosts, PredictedOutputProposer } from "../speculation/predicted-output.ts";
import { NativeDecoder, type NativeDecoderOptions } from "./native-decoder.ts";

/** Guessing always pays off. */
const FREE_GUESSES = new BatchCosts([
  { tokens: 1, ms: 1 },
  { tokens: 2, ms: 1 },
]);
/** More than any logit. */
const CERTAIN = 1e4;

/**
 * Whether the library's inner functions do what is expected of them.
 * @param continued the two tokens that greedily follow `tokens`.
 * @param keep drops all but so many of the slot's tokens, and says how many are left.
 */
export async function passesNativeApiSelfTest(
  parts: NativeDecoderOptions,
  tokens: readonly number[],
  continued: readonly number[],
  begin: (grammar: string) => LlamaGrammarEvaluationState,
  keep: (count: number) => Promise<number>,
): Promise<boolean> {
  const make = async (spec: Partial<DecodeSpec>, grammar: LlamaGrammarEvaluationState | null = null) => {
    const guesses =
      spec.prediction === undefined ? null : new PredictedOutputProposer(spec.prediction, FREE_GUESSES);
    const feed = tokens.slice(await keep(tokens.length - 1));
    const whole = { sampling: { temperature: 0 }, prompt: tokens, maxTokens: 8, ...spec };
    const decoder = new NativeDecoder(parts, feed, whole, grammar, null, guesses);
    try {
      const made: GeneratedToken[] = [];
      while (made.length < 2) made.push(...(await decoder.next()));
      return made.slice(0, 2);
    } finally {
      decoder.end();
    }
  };
  try {
    const [first, second] = continued;
    const scored = await make({ logprobs: 2 });
    if (ids(scored) !== ids(continued) || !scored.every(isPlausible)) return false;
    const wrong = parts.endTokens[0] ?? tokens[0]!;
    const guessed = await make({ prediction: [first!, second!, wrong, wrong] });
    if (ids(guessed) !== ids(continued) || parts.sequence.nextTokenIndex > tokens.length + 2) return false;
    const [end] = parts.endTokens;
    if (end === undefined) return true;
    const ended = await make({ sampling: { temperature: 0, logitBias: [[end, CERTAIN]] } });
    const held = await make({ minTokens: 2, sampling: { temperature: 0, logitBias: [[end, CERTAIN]] } });
    if (ended[0]!.token !== end || held.some(({ token }) => parts.isEnd(token))) return false;
    const ruled = await make({}, begin('root ::= "?"'));
    return Buffer.from(parts.bytes(ruled[0]!.token)).toString() === "?" && ruled[1]!.ends;
  } catch {
    return false;
  }
}

function ids(made: readonly (GeneratedToken | number)[]): string {
  return made.map((one) => (typeof one === "number" ? one : one.token)).join();
}

/** The best token comes first, and probabilities are probabilities. */
function isPlausible({ token, info }: GeneratedToken): boolean {
  if (info === undefined || info.logprob === null) return false;
  const [best, next] = info.top;
  return (
    best?.id === token &&
    Math.abs(best.logprob - info.logprob) < 1e-3 &&
    next !== undefined &&
    next.logprob <= best.logprob &&
    Math.exp(best.logprob) + Math.exp(next.logprob) < 1.001
  );
}

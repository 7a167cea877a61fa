import type { TokenGrammar } from "../sampling/token-grammar.ts";
import type { DecodeSpec, GeneratedToken } from "../scheduling/backend.ts";
import { BatchCosts } from "../speculation/batch-costs.ts";
import { PredictedOutputProposer } from "../speculation/predicted-output.ts";
import { type DecoderContext, NativeDecoder } from "./native-decoder.ts";

export interface NativeApiSelfTest {
  context: DecoderContext;
  /** The prompt, at least two tokens. */
  tokens: readonly number[];
  /** The two tokens that greedily follow `tokens`, by the library's public functions. */
  expected: readonly number[];
  beginGrammar(text: string): TokenGrammar;
  /** Drops all but the slot's first `count` tokens. Resolves to how many are left. */
  truncate(count: number): Promise<number>;
}

/** A second token costs nothing, so that predicted tokens are always guessed. */
const FREE_SPECULATION = new BatchCosts([
  { tokens: 1, ms: 1 },
  { tokens: 2, ms: 1 },
]);
/** A bias above any logit. */
const CERTAIN = 1e4;

/** Whether decoding, scores, predictions, biases and grammars by the library's inner functions give what they should. */
export async function passesNativeApiSelfTest({
  context,
  tokens,
  expected,
  beginGrammar,
  truncate,
}: NativeApiSelfTest): Promise<boolean> {
  const generateTwo = async (
    overrides: Partial<DecodeSpec>,
    grammar?: TokenGrammar,
  ): Promise<GeneratedToken[]> => {
    const { prediction } = overrides;
    const kept = await truncate(tokens.length - 1);
    const decoder = new NativeDecoder(context, {
      tokens: tokens.slice(kept),
      spec: { sampling: { temperature: 0 }, prompt: tokens, maxTokens: 8, ...overrides },
      grammar,
      proposer:
        prediction === undefined ? undefined : new PredictedOutputProposer(prediction, FREE_SPECULATION),
    });
    try {
      const generated: GeneratedToken[] = [];
      while (generated.length < 2) generated.push(...(await decoder.next()));
      return generated.slice(0, 2);
    } finally {
      decoder.end();
    }
  };
  const isExpected = (generated: readonly GeneratedToken[]) =>
    generated.map(({ token }) => token).join() === expected.join();
  try {
    const scored = await generateTwo({ logprobs: 2 });
    if (!isExpected(scored) || !scored.every(isPlausible)) return false;
    const wrong = context.endTokens[0] ?? tokens[0]!;
    const predicted = await generateTwo({ prediction: [...expected, wrong, wrong] });
    if (!isExpected(predicted) || context.sequence.nextTokenIndex > tokens.length + 2) return false;
    const [end] = context.endTokens;
    if (end === undefined) return true;
    const endBias: DecodeSpec["sampling"] = { temperature: 0, logitBias: [[end, CERTAIN]] };
    const ended = await generateTwo({ sampling: endBias });
    const suppressed = await generateTwo({ minTokens: 2, sampling: endBias });
    if (ended[0]!.token !== end || suppressed.some(({ token }) => context.isEnd(token))) return false;
    const constrained = await generateTwo({}, beginGrammar('root ::= "?"'));
    return Buffer.from(context.bytes(constrained[0]!.token)).toString() === "?" && constrained[1]!.ends;
  } catch {
    return false;
  }
}

/** The greedy token is ranked first, and the two best probabilities add up to at most 1. */
function isPlausible({ token, info }: GeneratedToken): boolean {
  if (info === undefined || info.logprob === null) return false;
  const [best, second] = info.top;
  return (
    best?.id === token &&
    Math.abs(best.logprob - info.logprob) < 1e-3 &&
    second !== undefined &&
    second.logprob <= best.logprob &&
    Math.exp(best.logprob) + Math.exp(second.logprob) < 1.001
  );
}

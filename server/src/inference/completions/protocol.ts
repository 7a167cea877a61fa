import { type Static, Type } from "typebox";
import type { EngineInput } from "../../engine/generation.ts";
import { textParameters } from "../text/parameters.ts";
import { createRequestParser } from "../text/request-parser.ts";

/** Most prompts in one request. */
const MAX_PROMPTS = 64;

const tokenId = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });

export const completionRequest = Type.Object(
  {
    ...textParameters,
    // A list of texts or of token lists is a batch: each prompt gets its own `n` choices.
    prompt: Type.Union([
      Type.String(),
      Type.Array(Type.String(), { minItems: 1, maxItems: MAX_PROMPTS }),
      Type.Array(tokenId, { minItems: 1 }),
      Type.Array(Type.Array(tokenId, { minItems: 1 }), { minItems: 1, maxItems: MAX_PROMPTS }),
    ]),
  },
  { additionalProperties: false },
);

export type CompletionRequest = Static<typeof completionRequest>;

/** @throws AppError BAD_REQUEST naming the field. */
export const parseCompletionRequest = createRequestParser(completionRequest);

/** The prompts of a batch, or the single prompt. */
export function toEngineInputs(prompt: CompletionRequest["prompt"]): EngineInput[] {
  if (typeof prompt === "string") return [{ kind: "text", text: prompt, addBos: true }];
  if (typeof prompt[0] === "number") return [{ kind: "tokens", tokens: prompt as number[] }];
  return (prompt as (string | number[])[]).map((entry) =>
    typeof entry === "string"
      ? { kind: "text", text: entry, addBos: true }
      : { kind: "tokens", tokens: entry },
  );
}

export function promptCount({ prompt }: CompletionRequest): number {
  return typeof prompt === "string" || typeof prompt[0] === "number" ? 1 : prompt.length;
}

/** The prompt; for a batch its first one. */
export function completionPromptPrefix({ prompt }: CompletionRequest): string | readonly number[] {
  if (typeof prompt === "string" || typeof prompt[0] === "number") return prompt as string | number[];
  return prompt[0] as string | number[];
}

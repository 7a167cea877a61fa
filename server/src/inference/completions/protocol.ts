import { type Static, Type } from "typebox";
import type { EngineInput } from "../../engine/generation.ts";
import { textParameters } from "../text/parameters.ts";
import { createRequestParser } from "../text/request-parser.ts";

/** Most prompts in one request. */
const MAX_PROMPTS = 64;

const tokenId = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });

const tokenList = Type.Array(tokenId, { minItems: 1 });
/** A text, or an object that holds one or tokens, as vLLM takes it. */
const singlePrompt = Type.Union([
  Type.String(),
  Type.Object({ prompt: Type.String() }, { additionalProperties: false }),
  Type.Object({ prompt_token_ids: tokenList }, { additionalProperties: false }),
]);

export const completionRequest = Type.Object(
  {
    ...textParameters,
    // A list of prompts is a batch, of texts and token lists also mixed: each prompt gets its own `n` choices.
    prompt: Type.Union([
      singlePrompt,
      tokenList,
      Type.Array(Type.Union([singlePrompt, tokenList]), { minItems: 1, maxItems: MAX_PROMPTS }),
    ]),
  },
  { additionalProperties: false },
);

export type CompletionRequest = Static<typeof completionRequest>;

/** @throws AppError BAD_REQUEST naming the field. */
export const parseCompletionRequest = createRequestParser(completionRequest);

type Prompt = CompletionRequest["prompt"];
type SinglePrompt = Static<typeof singlePrompt> | number[];

/** The prompts of a batch, or the single prompt. */
export function toEngineInputs(prompt: Prompt): EngineInput[] {
  return promptsOf(prompt).map((single): EngineInput => {
    const content = contentOf(single);
    return typeof content === "string"
      ? { kind: "text", text: content, addBos: true }
      : { kind: "tokens", tokens: content };
  });
}

export function promptCount({ prompt }: CompletionRequest): number {
  return promptsOf(prompt).length;
}

/** The prompt; for a batch its first one. */
export function completionPromptPrefix({ prompt }: CompletionRequest): string | readonly number[] {
  return contentOf(promptsOf(prompt)[0]!);
}

function promptsOf(prompt: Prompt): SinglePrompt[] {
  if (!Array.isArray(prompt)) return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as SinglePrompt[]);
}

function contentOf(prompt: SinglePrompt): string | number[] {
  if (typeof prompt === "string" || Array.isArray(prompt)) return prompt;
  return "prompt" in prompt ? prompt.prompt : prompt.prompt_token_ids;
}

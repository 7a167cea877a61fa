import { type Static, Type } from "typebox";
import type { EngineInput } from "../../engine/port.ts";
import { textParameters } from "../text/parameters.ts";
import { bodyParser } from "../text/validate.ts";

const tokenId = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });

export const completionRequest = Type.Object(
  {
    ...textParameters,
    // A list is a batch; one entry is the same as the entry alone.
    prompt: Type.Union([
      Type.String(),
      Type.Array(Type.String(), { minItems: 1, maxItems: 1 }),
      Type.Array(tokenId, { minItems: 1 }),
      Type.Array(Type.Array(tokenId, { minItems: 1 }), { minItems: 1, maxItems: 1 }),
    ]),
  },
  { additionalProperties: false },
);

export type CompletionRequest = Static<typeof completionRequest>;

/** @throws AppError BAD_REQUEST naming the field. */
export const parseCompletionRequest = bodyParser(completionRequest);

export function toEngineInput(prompt: CompletionRequest["prompt"]): EngineInput {
  if (typeof prompt === "string") return { kind: "text", text: prompt, addBos: true };
  const first = prompt[0];
  if (typeof first === "string") return { kind: "text", text: first, addBos: true };
  return { kind: "tokens", tokens: Array.isArray(first) ? first : (prompt as number[]) };
}

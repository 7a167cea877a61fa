import { type Static, Type } from "typebox";
import { badRequest } from "../../../lib/errors.ts";

/** Largest number for `reasoning_effort`: the reference says "integer < 20,000". */
const MAX_EFFORT_TOKENS = 19_999;
/** Smallest `thinking.budget_tokens`, by the contract. */
const MIN_BUDGET_TOKENS = 1024;

/** The request's fields about reasoning, for the endpoints' schemas. */
export const reasoningParameters = {
  reasoning_effort: Type.Optional(
    Type.Union([
      Type.Literal("none"),
      Type.Literal("low"),
      Type.Literal("medium"),
      Type.Literal("high"),
      Type.Literal("max"),
      Type.Integer({ minimum: 1, maximum: MAX_EFFORT_TOKENS }),
      Type.Boolean(),
      Type.Null(),
    ]),
  ),
  reasoning_history: Type.Optional(
    Type.Union([
      Type.Literal("disabled"),
      Type.Literal("interleaved"),
      Type.Literal("preserved"),
      Type.Null(),
    ]),
  ),
  thinking: Type.Optional(
    Type.Union([
      Type.Object(
        {
          type: Type.Union([Type.Literal("enabled"), Type.Literal("disabled")]),
          budget_tokens: Type.Optional(
            Type.Union([Type.Integer({ minimum: MIN_BUDGET_TOKENS, maximum: 2 ** 31 - 1 }), Type.Null()]),
          ),
        },
        { additionalProperties: false },
      ),
      Type.Null(),
    ]),
  ),
};

const reasoningParametersSchema = Type.Object(reasoningParameters);
export type ReasoningParameters = Static<typeof reasoningParametersSchema>;

export type ReasoningHistory = "disabled" | "interleaved" | "preserved";

export interface ReasoningSettings {
  /** False: the model answers without reasoning. */
  enabled: boolean;
  /** Most tokens of the think block, ≥ 1; the engine closes the block there. Null: no limit. */
  budgetTokens: number | null;
  /** Template variables, under the names that templates use; empty when the request asks for nothing. */
  templateVariables: Readonly<Record<string, string | number | boolean>>;
  /** The earlier reasoning that stays in the prompt; null: the template decides. */
  history: ReasoningHistory | null;
}

type EffortLevel = "low" | "medium" | "high" | "max";

/**
 * The share of full-length reasoning that a level allows. The reference gives one figure, 40 % for `low`; `high` and `max`
 * are full length, like no level at all, and `medium` is halfway between.
 */
const LEVEL_SHARE: Readonly<Record<EffortLevel, number>> = { low: 0.4, medium: 0.7, high: 1, max: 1 };

/**
 * Parses the request's reasoning parameters. The full length of reasoning is unknown in advance, so a level is a share of
 * its upper bound: the request's output cap, and at most 20,000 tokens.
 * @param model `reasons`: the model has a think block. `maxTokens`: the request's output cap.
 * @throws AppError BAD_REQUEST naming the field: both forms at once, or reasoning from a model that has none.
 */
export function parseReasoningSettings(
  p: ReasoningParameters,
  model: { reasons: boolean; maxTokens: number },
): ReasoningSettings {
  const { thinking, reasoning_effort: effort } = p;
  if (thinking != null && effort != null) {
    throw badRequest("thinking", "Set thinking or reasoning_effort, not both.");
  }
  if (thinking?.type === "disabled" && thinking.budget_tokens != null) {
    throw badRequest("thinking.budget_tokens", "thinking.budget_tokens needs thinking.type enabled.");
  }
  const history = p.reasoning_history ?? null;
  if (!model.reasons) {
    refuseReasoning(p);
    return { enabled: false, budgetTokens: null, templateVariables: {}, history: null };
  }
  if (thinking != null) {
    if (thinking.type === "disabled") return reasoningOff(history);
    return reasoningOn(thinking.budget_tokens ?? null, history);
  }
  if (effort == null) return { enabled: true, budgetTokens: null, templateVariables: {}, history };
  if (effort === "none" || effort === false) return reasoningOff(history);
  if (typeof effort === "number") return reasoningOn(effort, history);
  const level = effort === true ? "medium" : effort;
  return reasoningOn(levelBudget(level, model.maxTokens), history, level);
}

/** A model without a think block accepts only parameters that ask for no reasoning. */
function refuseReasoning({
  thinking,
  reasoning_effort: effort,
  reasoning_history: history,
}: ReasoningParameters): void {
  if (effort != null && effort !== "none" && effort !== false) refuse("reasoning_effort");
  if (thinking?.type === "enabled") refuse("thinking");
  if (history != null && history !== "disabled") refuse("reasoning_history");
}

function refuse(field: string): never {
  throw badRequest(field, `${field}: this model does not reason.`);
}

function levelBudget(level: EffortLevel, maxTokens: number): number | null {
  const share = LEVEL_SHARE[level];
  if (share === 1) return null;
  return Math.max(1, Math.floor(share * Math.min(maxTokens, MAX_EFFORT_TOKENS + 1)));
}

function reasoningOff(history: ReasoningHistory | null): ReasoningSettings {
  return {
    enabled: false,
    budgetTokens: null,
    templateVariables: { enable_thinking: false, thinking: false },
    history,
  };
}

function reasoningOn(
  budgetTokens: number | null,
  history: ReasoningHistory | null,
  level?: EffortLevel,
): ReasoningSettings {
  const variables: Record<string, string | number | boolean> = { enable_thinking: true, thinking: true };
  if (budgetTokens !== null) variables.thinking_budget = budgetTokens;
  // Templates have no level above high.
  if (level !== undefined) variables.reasoning_effort = level === "max" ? "high" : level;
  return { enabled: true, budgetTokens, templateVariables: variables, history };
}

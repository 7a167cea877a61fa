import { sanitizeForMessage } from "../../lib/field-names.ts";
import { fullModelName, parseModelName } from "../../lib/resource-names.ts";
import { notFound } from "../accounts/service.ts";

/** The identifiers that make up a model's name. Every `ModelRow` has them. */
export interface ModelRef {
  accountId: string;
  id: string;
}

/** The full name, `accounts/{account}/models/{model}`. */
export function modelName({ accountId, id }: ModelRef): string {
  return fullModelName({ accountId, modelId: id });
}

/** How error messages name a model. */
export function modelTitle(ref: ModelRef): string {
  return `Model ${modelName(ref)}`;
}

/** Parses a full or short name. @throws AppError NOT_FOUND for text that is not a model name: no model can have it. */
export function parseModelRef(name: string): ModelRef {
  const parsed = parseModelName(name);
  if (parsed === null) throw notFound(`Model ${sanitizeForMessage(name)}`);
  return { accountId: parsed.accountId, id: parsed.modelId };
}

import { sanitizeForMessage } from "../../lib/field-names.ts";
import { fullModelName, type ModelName, parseModelName } from "../../lib/resource-names.ts";
import { notFound } from "../accounts/service.ts";

/** What a refusal calls a model. */
export function modelTitle(accountId: string, id: string): string {
  return `Model ${fullModelName({ accountId, modelId: id })}`;
}

/** Reads a full or short name. @throws AppError NOT_FOUND: nothing has a name that is none. */
export function readModelName(name: string): ModelName {
  const read = parseModelName(name);
  if (read === null) throw notFound(`Model ${sanitizeForMessage(name)}`);
  return read;
}

/**
 * Names of models: full `accounts/{account}/models/{model}`, short `{account}/{model}`. Parsing is lenient, because
 * library names have capitals and dots and generated ids start with digits. `checkNewId` has the stricter rules for new
 * resources.
 */

export interface ModelName {
  accountId: string;
  modelId: string;
}

/** One segment: 1–63 ASCII letters, digits, `.`, `_`, `-`, with a letter or digit at both ends. */
const SEGMENT = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
/** Length of `accounts/` + 63 + `/models/` + 63. */
const MAX_NAME_LENGTH = 143;

/** Parses a full or short model name, case-sensitively; null: neither. */
export function parseModelName(text: string): ModelName | null {
  if (text.length > MAX_NAME_LENGTH) return null;
  const parts = text.split("/");
  const isFull = parts.length === 4 && parts[0] === "accounts" && parts[2] === "models";
  if (!isFull && parts.length !== 2) return null;
  const accountId = parts.at(isFull ? 1 : 0)!;
  const modelId = parts.at(-1)!;
  return SEGMENT.test(accountId) && SEGMENT.test(modelId) ? { accountId, modelId } : null;
}

export function fullModelName({ accountId, modelId }: ModelName): string {
  return `accounts/${accountId}/models/${modelId}`;
}

export function shortModelName({ accountId, modelId }: ModelName): string {
  return `${accountId}/${modelId}`;
}

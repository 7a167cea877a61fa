import { checkAnnotations, checkDisplayName } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { parseTimestamp } from "../../lib/timestamps.ts";
import type { ApiKeyBody } from "./schema.ts";
import type { ApiKeyRow } from "./store.ts";

const PREFIX_CHARS = 8;

/** What is stored of a new key. @throws AppError BAD_REQUEST naming the field. */
export function newKeyRow(
  key: { text: string; digest: string; accountId: string; userId: string },
  body: ApiKeyBody,
  nowMs: number,
): ApiKeyRow {
  const displayName = body.displayName || "default";
  const annotations = body.annotations ?? {};
  checkDisplayName("apiKey.displayName", displayName);
  checkAnnotations("apiKey.annotations", annotations);
  return {
    id: uuidv7Hex(nowMs),
    accountId: key.accountId,
    userId: key.userId,
    displayName,
    prefix: key.text.slice(0, PREFIX_CHARS),
    digest: key.digest,
    annotations,
    createTime: new Date(nowMs),
    expireTime: body.expireTime === undefined ? null : expireTimeOf(body.expireTime, nowMs),
    deleteTime: null,
    lastUsedTime: null,
  };
}

function expireTimeOf(text: string, nowMs: number): Date {
  const time = parseTimestamp(text);
  if (time === null) throw badRequest("apiKey.expireTime", "apiKey.expireTime must be an RFC 3339 time.");
  const date = new Date(time);
  if (date.getTime() > nowMs) return date;
  throw badRequest("apiKey.expireTime", "apiKey.expireTime must lie in the future.");
}

import { checkAnnotations, checkDisplayName } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { parseTimestamp } from "../../lib/timestamps.ts";
import { type ApiKeyBody, UpdateApiKeyBody } from "./schema.ts";
import type { ApiKeyRow } from "./store.ts";

const PREFIX_CHARS = 8;
const DEFAULT_NAME = "default";

/** What is stored of a new key. @throws AppError BAD_REQUEST naming the field. */
export function newKeyRow(
  key: { text: string; digest: string; accountId: string; userId: string },
  body: ApiKeyBody,
  nowMs: number,
): ApiKeyRow {
  return {
    id: uuidv7Hex(nowMs),
    accountId: key.accountId,
    userId: key.userId,
    ...parseFields(body, "apiKey.", nowMs),
    prefix: key.text.slice(0, PREFIX_CHARS),
    digest: key.digest,
    createTime: new Date(nowMs),
    deleteTime: null,
    lastUsedTime: null,
  };
}

/** What clients say of a key. @param at what the fields' names begin with in refusals */
function parseFields(body: UpdateApiKeyBody, at: string, nowMs: number) {
  const { annotations = {}, expireTime, disabled = false } = body;
  const displayName = body.displayName || DEFAULT_NAME;
  checkDisplayName(`${at}displayName`, displayName);
  checkAnnotations(`${at}annotations`, annotations);
  const expires = expireTime === undefined ? null : expireTimeOf(`${at}expireTime`, expireTime, nowMs);
  return { displayName, annotations, expireTime: expires, disabled };
}

/** The row as a PATCH makes it. @throws AppError BAD_REQUEST naming the field. */
export function applyPatch(
  row: ApiKeyRow,
  body: UpdateApiKeyBody,
  updateMask: string | undefined,
  nowMs: number,
): ApiKeyRow {
  const { displayName, annotations, expireTime, disabled } = row;
  const current: UpdateApiKeyBody = {
    ...{ displayName, annotations, disabled },
    ...(expireTime === null ? {} : { expireTime: expireTime.toISOString() }),
  };
  const next = mergePatch<UpdateApiKeyBody>(current, body, updatePaths(updateMask, body, UpdateApiKeyBody));
  if (next.expireTime !== current.expireTime) return { ...row, ...parseFields(next, "", nowMs) };
  // One that has expired can be renamed all the same.
  const { expireTime: _, ...others } = next;
  return { ...row, ...parseFields(others, "", nowMs), expireTime };
}

function expireTimeOf(field: string, text: string, nowMs: number): Date {
  const time = parseTimestamp(text);
  if (time === null) throw badRequest(field, `${field} must be an RFC 3339 time.`);
  const date = new Date(time);
  if (date.getTime() > nowMs) return date;
  throw badRequest(field, `${field} must lie in the future.`);
}

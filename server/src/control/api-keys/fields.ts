import { checkAnnotations, checkDisplayName } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { parseTimestamp } from "../../lib/timestamps.ts";
import { type ApiKeyBody, UpdateApiKeyBody } from "./schema.ts";
import type { ApiKeyRow } from "./store.ts";

const PREFIX_CHARS = 8;
const DEFAULT_NAME = "default";

/** The row of a new key. @throws AppError BAD_REQUEST naming the field. */
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

/** @param prefix prefix of field names in error messages. */
function parseFields(body: UpdateApiKeyBody, prefix: string, nowMs: number) {
  const { annotations = {}, expireTime, disabled = false } = body;
  const displayName = body.displayName || DEFAULT_NAME;
  checkDisplayName(`${prefix}displayName`, displayName);
  checkAnnotations(`${prefix}annotations`, annotations);
  return {
    displayName,
    annotations,
    expireTime: expireTime === undefined ? null : parseExpireTime(`${prefix}expireTime`, expireTime, nowMs),
    disabled,
  };
}

/** Applies a PATCH request to the row. @throws AppError BAD_REQUEST naming the field. */
export function applyPatch(
  row: ApiKeyRow,
  body: UpdateApiKeyBody,
  updateMask: string | undefined,
  nowMs: number,
): ApiKeyRow {
  const { displayName, annotations, expireTime, disabled } = row;
  const current: UpdateApiKeyBody = {
    displayName,
    annotations,
    disabled,
    ...(expireTime === null ? {} : { expireTime: expireTime.toISOString() }),
  };
  const next = mergePatch<UpdateApiKeyBody>(current, body, updatePaths(updateMask, body, UpdateApiKeyBody));
  if (next.expireTime !== current.expireTime) return { ...row, ...parseFields(next, "", nowMs) };
  // An unchanged expiry is not checked again, so that an expired key can still be renamed.
  const { expireTime: _, ...others } = next;
  return { ...row, ...parseFields(others, "", nowMs), expireTime };
}

function parseExpireTime(field: string, text: string, nowMs: number): Date {
  const time = parseTimestamp(text);
  if (time === null) throw badRequest(field, `${field} must be an RFC 3339 time.`);
  const date = new Date(time);
  if (date.getTime() > nowMs) return date;
  throw badRequest(field, `${field} must lie in the future.`);
}

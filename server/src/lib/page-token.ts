import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { badRequest } from "./errors.ts";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Longer tokens are refused unread. Leaves room for the longest values that lists are ordered by. */
const MAX_TOKEN_LENGTH = 8_192;

/**
 * Encrypts and authenticates the state that the next page needs (AES-256-GCM). Clients can neither read nor change the
 * token.
 * @param context the list with its filter and order; the token opens only in the same context.
 */
export function sealPageToken(secret: Buffer, context: string, payload: unknown): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(secret), nonce);
  cipher.setAAD(digest(context));
  const body = Buffer.concat([cipher.update(JSON.stringify(payload), "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url");
}

/** @throws AppError BAD_REQUEST naming pageToken for a token that was forged, altered or made in another context. */
export function openPageToken(secret: Buffer, context: string, token: string): unknown {
  if (token.length > MAX_TOKEN_LENGTH || !/^[A-Za-z0-9_-]+$/.test(token)) throw refused();
  const bytes = Buffer.from(token, "base64url");
  // Base64url can encode the same bytes in several ways; accept only the canonical one.
  if (bytes.length <= NONCE_BYTES + TAG_BYTES || bytes.toString("base64url") !== token) throw refused();
  const decipher = createDecipheriv(CIPHER, keyOf(secret), bytes.subarray(0, NONCE_BYTES));
  decipher.setAAD(digest(context));
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    const body = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw refused();
  }
}

function refused(): Error {
  return badRequest(
    "pageToken",
    "pageToken does not belong to this list with this filter and orderBy; start again without it.",
  );
}

/** Derives a key for page tokens, so that the secret may be used for other purposes too. */
function keyOf(secret: Buffer): Buffer {
  return createHmac("sha256", secret).update("hearth page token").digest();
}

function digest(context: string): Buffer {
  return createHash("sha256").update(context).digest();
}

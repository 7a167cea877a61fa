import { badRequest } from "../../lib/errors.ts";

const MAX_EMAIL_CHARS = 254;
/** Printable ASCII with one `@`; other scripts are refused, because they have look-alikes of ASCII letters. */
const EMAIL = /^[!-?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;

/** @throws AppError BAD_REQUEST naming the field. */
export function checkEmail(field: string, email: string): void {
  if (email.length <= MAX_EMAIL_CHARS && EMAIL.test(email)) return;
  throw badRequest(field, `${field} must be an email address of ASCII characters, name@domain.`);
}

/** An id derived from an address: `Alice.Cullen+x@example.com` → `alice-cullen-x`. At most 40 characters. */
export function idFromEmail(email: string): string {
  const local = email
    .slice(0, email.indexOf("@"))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 35)
    .replaceAll(/^-|-$/g, "");
  return /^[a-z]/.test(local) ? local : `user-${local}`.replace(/-$/, "");
}

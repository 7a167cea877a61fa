import { AppError } from "../../lib/errors.ts";

/** `custom` and what a role may do beyond this table: see `users`. */
export type Role = "admin" | "user" | "contributor" | "inference-user";

/** Who a request speaks for. */
export interface Principal {
  accountId: string;
  keyId: string;
  /** The last segment of the user's name. */
  userId: string;
  role: Role;
  /** Runs the platform: may act in every account, the library's included. */
  isOperator: boolean;
}

/** `read` and `write` resources, `admin`ister users and other people's keys, run `inference`. */
export type Right = "read" | "write" | "admin" | "inference";

const RIGHTS: Readonly<Record<Role, readonly Right[]>> = {
  admin: ["read", "write", "admin", "inference"],
  user: ["read", "write", "inference"],
  contributor: ["read", "write", "inference"],
  "inference-user": ["read", "inference"],
};

/**
 * Lets the principal act in an account, or not.
 * @param what what is asked for, as the message of a refusal names it: `Model accounts/a/models/m`.
 * @throws AppError NOT_FOUND for another account, the same as for what doesn't exist; FORBIDDEN when the role lacks the right.
 */
export function authorize(principal: Principal, accountId: string, right: Right, what: string): void {
  if (principal.isOperator) return;
  if (principal.accountId !== accountId) throw notFound(what);
  if (!RIGHTS[principal.role].includes(right)) {
    throw new AppError("FORBIDDEN", `The role ${principal.role} does not allow this.`);
  }
}

/** The one answer for what doesn't exist and for what may not be seen. */
export function notFound(what: string): AppError {
  return new AppError("NOT_FOUND", `${what} not found.`);
}

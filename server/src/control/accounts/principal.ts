import { AppError } from "../../lib/errors.ts";

/** The account of the public models; exists in every installation, and only the platform's operator changes it. */
export const LIBRARY_ACCOUNT = "fireworks";

export const ROLES = ["admin", "user", "contributor", "inference-user"] as const;
export type Role = (typeof ROLES)[number];

/** Every change of who may do what is announced here, in the same transaction, so that all processes hear of it. */
export const PRINCIPALS_CHANNEL = "hearth_principals";

/** Who a request speaks for. */
export interface Principal {
  accountId: string;
  keyId: string;
  /** The last segment of the user's name. */
  userId: string;
  role: Role;
  /** Runs the platform: may act in every account, the library's included. */
  isOperator: boolean;
  /** Full name of the one deployment that may be asked, on its direct route. */
  deployment?: string;
}

/** The principal of work that the platform does by itself, for no request. */
export const PLATFORM: Principal = Object.freeze({
  accountId: LIBRARY_ACCOUNT,
  keyId: "",
  userId: "",
  role: "admin",
  isOperator: true,
});

declare module "../../platform/http/request-principal.ts" {
  /** The routes of resources know who calls. */
  interface RequestPrincipal extends Principal {}
}

/** `read` and `write` resources, `admin`ister users and other people's keys, run `inference`. */
export type Permission = "read" | "write" | "admin" | "inference";

const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  admin: ["read", "write", "admin", "inference"],
  user: ["read", "write", "inference"],
  contributor: ["read", "write", "inference"],
  "inference-user": ["read", "inference"],
};

/**
 * Lets the principal act in an account, or not.
 * @param what what is asked for, as the message of a refusal names it: `Model accounts/a/models/m`.
 * @param createdBy who made the existing thing that is to change; null when nobody knows. A contributor changes only
 * their own. Left out when something new is made.
 * @throws AppError NOT_FOUND for another account, the same as for what doesn't exist; FORBIDDEN when the role lacks the
 * right, and for any change of the library account.
 */
export function authorize(
  principal: Principal,
  accountId: string,
  right: Permission,
  what: string,
  createdBy?: string | null,
): void {
  if (principal.isOperator) return;
  if (accountId === LIBRARY_ACCOUNT && (right === "write" || right === "admin")) {
    throw new AppError("FORBIDDEN", `The account ${LIBRARY_ACCOUNT} is read-only.`);
  }
  if (principal.accountId !== accountId) throw notFound(what);
  if (!ROLE_PERMISSIONS[principal.role].includes(right)) {
    throw new AppError("FORBIDDEN", `The role ${principal.role} does not allow this.`);
  }
  if (principal.role === "contributor" && createdBy !== undefined && createdBy !== principal.userId) {
    throw new AppError("FORBIDDEN", "A contributor changes only what they made.");
  }
}

/** Whether the principal may see a thing of the account: its own account's, what is public, everything as the operator. */
export function canSee(principal: Principal, accountId: string, isPublic: boolean): boolean {
  return isPublic || visibility(principal, accountId) === "all";
}

/** What of an account's things a list shows the principal. */
export function visibility(principal: Principal, accountId: string): "all" | "public" {
  return principal.isOperator || principal.accountId === accountId ? "all" : "public";
}

/** Administers users and keys, other people's included. */
export function isAdmin(principal: Principal): boolean {
  return principal.isOperator || ROLE_PERMISSIONS[principal.role].includes("admin");
}

/** The one answer for what doesn't exist and for what may not be seen. */
export function notFound(what: string): AppError {
  return new AppError("NOT_FOUND", `${what} not found.`);
}

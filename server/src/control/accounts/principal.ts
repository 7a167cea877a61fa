import { AppError } from "../../lib/errors.ts";

/**
 * The account that owns the public models. It exists in every installation, and only the platform's operator changes
 * it.
 */
export const LIBRARY_ACCOUNT = "fireworks";

export const ROLES = ["admin", "user", "contributor", "inference-user"] as const;
export type Role = (typeof ROLES)[number];

/** NOTIFY channel for changes of keys, users and roles. Notify in the transaction of the change. */
export const PRINCIPALS_CHANNEL = "hearth_principals";

/** The authenticated caller of a request. */
export interface Principal {
  accountId: string;
  keyId: string;
  /** The last segment of the user's name. */
  userId: string;
  role: Role;
  /** Operator of the platform: may act in every account, including the library account. */
  isOperator: boolean;
  /** Full name of the only deployment that the caller may use, by its direct route. Absent: no such restriction. */
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

/** `admin`: manage users and other users' keys. */
export type Permission = "read" | "write" | "admin" | "inference";

const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  admin: ["read", "write", "admin", "inference"],
  user: ["read", "write", "inference"],
  contributor: ["read", "write", "inference"],
  "inference-user": ["read", "inference"],
};

/**
 * Checks that the principal may act in an account.
 * @param resource the requested resource, as error messages name it: `Model accounts/a/models/m`.
 * @param createdBy creator of the existing resource that is to change; null: unknown. Contributors may change only
 * their own resources. Absent when a resource is created.
 * @throws AppError NOT_FOUND for another account, as for a resource that doesn't exist; FORBIDDEN when the role lacks
 * the permission, and for any change of the library account.
 */
export function authorize(
  principal: Principal,
  accountId: string,
  permission: Permission,
  resource: string,
  createdBy?: string | null,
): void {
  if (principal.isOperator) return;
  if (accountId === LIBRARY_ACCOUNT && (permission === "write" || permission === "admin")) {
    throw new AppError("FORBIDDEN", `The account ${LIBRARY_ACCOUNT} is read-only.`);
  }
  if (principal.accountId !== accountId) throw notFound(resource);
  if (!ROLE_PERMISSIONS[principal.role].includes(permission)) {
    throw new AppError("FORBIDDEN", `The role ${principal.role} does not allow this.`);
  }
  if (principal.role === "contributor" && createdBy !== undefined && createdBy !== principal.userId) {
    throw new AppError("FORBIDDEN", "Contributors may change only their own resources.");
  }
}

/** Whether the principal may see a resource: a public one, one of its own account, or as the operator any. */
export function canSee(principal: Principal, accountId: string, isPublic: boolean): boolean {
  return isPublic || visibility(principal, accountId) === "all";
}

/** The resources of an account that a list shows to the principal. */
export function visibility(principal: Principal, accountId: string): "all" | "public" {
  return principal.isOperator || principal.accountId === accountId ? "all" : "public";
}

/** Whether the principal may manage users and other users' keys. */
export function isAdmin(principal: Principal): boolean {
  return principal.isOperator || ROLE_PERMISSIONS[principal.role].includes("admin");
}

/** The error for a resource that doesn't exist or that the caller may not see. Both must look the same. */
export function notFound(resource: string): AppError {
  return new AppError("NOT_FOUND", `${resource} not found.`);
}

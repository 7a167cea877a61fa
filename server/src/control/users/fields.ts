import { checkDisplayName } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { mergePatch } from "../../lib/field-mask.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { checkEmail, idFromEmail, ROLES, type Role } from "../accounts/service.ts";
import type { UserBody } from "./schema.ts";

/** The fields of a user that requests may set. */
export interface UserFields {
  displayName: string;
  email: string;
  role: Role;
  serviceAccount: boolean;
}

/** The requested id, or one derived from the email address. @throws AppError BAD_REQUEST. */
export function newUserId(userId: string | undefined, body: UserBody): string {
  if (userId !== undefined) {
    checkNewId("userId", userId);
    return userId;
  }
  if (body.serviceAccount === true) throw badRequest("userId", "A service account needs a userId.");
  if (!body.email) throw badRequest("email", "email is required, or a userId in its place.");
  checkEmail("email", body.email);
  return idFromEmail(body.email);
}

/**
 * Parses the fields of a new user. A service account without an address gets one that receives no mail, because keys
 * are listed with the address of their user.
 * @throws AppError BAD_REQUEST.
 */
export function parseFields(accountId: string, userId: string, body: UserBody): UserFields {
  const fields = validatedFields(body);
  const needsAddress = fields.serviceAccount && fields.email === "";
  return needsAddress ? { ...fields, email: `${userId}@${accountId}.service-account.invalid` } : fields;
}

/** @throws AppError BAD_REQUEST. */
export function applyPatch(current: UserFields, body: UserBody, paths: readonly string[]): UserFields {
  const { displayName, email, role, serviceAccount } = current;
  return validatedFields(mergePatch<UserBody>({ displayName, email, role, serviceAccount }, body, paths));
}

function validatedFields(body: UserBody): UserFields {
  const { displayName = "", email = "", serviceAccount = false } = body;
  checkDisplayName("displayName", displayName);
  if (email !== "") checkEmail("email", email);
  if (body.permissionPreset) {
    throw badRequest("permissionPreset", "This platform has no permission presets.");
  }
  return { displayName, email, role: checkRole(body.role), serviceAccount };
}

function checkRole(role: string | undefined): Role {
  const knownRole = ROLES.find((name) => name === role);
  if (knownRole !== undefined) return knownRole;
  if (role === undefined) throw badRequest("role", "role is required.");
  const reason =
    role === "custom" ? "The role custom needs a permission preset, and this platform has none: " : "";
  throw badRequest("role", `${reason}role must be one of ${ROLES.join(", ")}.`);
}

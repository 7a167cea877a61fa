import { checkDisplayName } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { mergePatch } from "../../lib/field-mask.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { checkEmail, idFromEmail, ROLES, type Role } from "../accounts/service.ts";
import type { UserBody } from "./schema.ts";

/** What requests may set of a user. */
export interface UserFields {
  displayName: string;
  email: string;
  role: Role;
  serviceAccount: boolean;
}

/** The given id, or one that the email address suggests. @throws AppError BAD_REQUEST. */
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

/** A machine gets an address that no mail reaches, so that its keys can be told apart. @throws AppError BAD_REQUEST. */
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
  const known = ROLES.find((name) => name === role);
  if (known !== undefined) return known;
  if (role === undefined) throw badRequest("role", "role is required.");
  const why =
    role === "custom" ? "The role custom needs a permission preset, and this platform has none: " : "";
  throw badRequest("role", `${why}role must be one of ${ROLES.join(", ")}.`);
}

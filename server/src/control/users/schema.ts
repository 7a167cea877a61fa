import { type Static, Type } from "typebox";
import { type Role, Status } from "../accounts/service.ts";

const readOnly = { readOnly: true } as const;

export const UserBody = Type.Object({
  name: Type.Optional(Type.String(readOnly)),
  displayName: Type.Optional(Type.String()),
  serviceAccount: Type.Optional(Type.Boolean()),
  createTime: Type.Optional(Type.String(readOnly)),
  /** A plain string, because the role `custom` is refused with its own error message. */
  role: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  state: Type.Optional(Type.String(readOnly)),
  status: Type.Optional(Status),
  updateTime: Type.Optional(Type.String(readOnly)),
  permissionPreset: Type.Optional(Type.String()),
});
export type UserBody = Static<typeof UserBody>;

export const CreateUserQuery = Type.Object({ userId: Type.Optional(Type.String()) });
export const UpdateUserQuery = Type.Object({ updateMask: Type.Optional(Type.String()) });

/** A user in API responses. */
export interface User {
  /** `accounts/{account}/users/{user}`. */
  name: string;
  displayName: string;
  serviceAccount: boolean;
  createTime: string;
  role: Role;
  email: string;
  state: "READY";
  status: { code: "OK"; message: "" };
  updateTime: string;
  permissionPreset: "";
}

import { type Static, Type } from "typebox";
import { NotificationSettings } from "./notification-settings.ts";
import { ACCOUNT_TYPES, SUSPEND_STATES } from "./table.ts";

const readOnly = { readOnly: true } as const;

/** `{code: "OK", message: ""}`: the result of the latest operation on a resource. */
export const Status = Type.Object({ code: Type.String(), message: Type.String() }, readOnly);

export const AccountBody = Type.Object({
  name: Type.Optional(Type.String(readOnly)),
  displayName: Type.Optional(Type.String()),
  createTime: Type.Optional(Type.String(readOnly)),
  accountType: Type.Optional(Type.Enum(ACCOUNT_TYPES)),
  email: Type.Optional(Type.String()),
  state: Type.Optional(Type.String(readOnly)),
  status: Type.Optional(Status),
  suspendState: Type.Optional(Type.Enum(SUSPEND_STATES, readOnly)),
  updateTime: Type.Optional(Type.String(readOnly)),
  notificationSettings: Type.Optional(NotificationSettings),
});
export type AccountBody = Static<typeof AccountBody>;

export const CreateAccountQuery = Type.Object({ accountId: Type.Optional(Type.String()) });
export const UpdateAccountQuery = Type.Object({ updateMask: Type.Optional(Type.String()) });

/** An account in API responses. */
export interface Account {
  /** `accounts/{account}`. */
  name: string;
  displayName: string;
  createTime: string;
  accountType: (typeof ACCOUNT_TYPES)[number];
  email: string;
  state: "READY";
  status: { code: "OK"; message: "" };
  suspendState: (typeof SUSPEND_STATES)[number];
  updateTime: string;
  /** Absent: the account has no settings. */
  notificationSettings?: NotificationSettings;
}

import type { User } from "./schema.ts";
import type { UserRow } from "./store.ts";

export function toUser(row: UserRow): User {
  return {
    name: `accounts/${row.accountId}/users/${row.id}`,
    displayName: row.displayName,
    serviceAccount: row.serviceAccount,
    createTime: row.createTime.toISOString(),
    role: row.role,
    email: row.email,
    state: row.state,
    status: { code: "OK", message: "" },
    updateTime: row.updateTime.toISOString(),
    permissionPreset: "",
  };
}

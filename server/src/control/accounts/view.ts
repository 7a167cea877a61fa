import { formatThresholds } from "./notification-settings.ts";
import type { Account } from "./schema.ts";
import type { AccountRow } from "./store.ts";

export function toAccount(row: AccountRow): Account {
  return {
    name: `accounts/${row.id}`,
    displayName: row.displayName,
    createTime: row.createTime.toISOString(),
    accountType: row.accountType,
    email: row.email,
    state: row.state,
    status: { code: "OK", message: "" },
    suspendState: row.suspendState,
    updateTime: row.updateTime.toISOString(),
    ...(row.spendThresholdsMicros.length === 0
      ? {}
      : { notificationSettings: formatThresholds(row.spendThresholdsMicros) }),
  };
}

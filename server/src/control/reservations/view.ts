import type { ReservationBody } from "./schema.ts";
import type { ReservationRow } from "./store.ts";

export function toReservation(row: ReservationRow): ReservationBody {
  const { accountId, id, startTime, endTime, createTime, updateTime, ...rest } = row;
  return {
    name: nameOf(accountId, id),
    ...(rest as Omit<ReservationBody, "startTime">),
    startTime: startTime.toISOString(),
    endTime: endTime.toISOString(),
    createTime: createTime.toISOString(),
    updateTime: updateTime.toISOString(),
  };
}

export function nameOf(accountId: string, id: string): string {
  return `accounts/${accountId}/reservations/${id}`;
}

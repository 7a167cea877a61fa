import type { Clock } from "../../lib/clock.ts";
import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import { parseTimestamp } from "../../lib/timestamps.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { authorize, notFound, type Principal } from "../accounts/service.ts";
import type { ReservationBody } from "./schema.ts";
import { type ReservationRow, reservationStore } from "./store.ts";

/** Accelerators that an account pays for in a time, whether it uses them or not. */
export interface ReservedCapacity {
  accountId: string;
  /** Full name of the reservation. */
  name: string;
  acceleratorType: string;
  /** `REGION_UNSPECIFIED`: any. */
  region: string;
  count: number;
  /** Inclusive. */
  startTime: Date;
  /** Exclusive. */
  endTime: Date;
}

export interface Reservations {
  /**
   * For the operator alone.
   * @throws AppError FORBIDDEN, NOT_FOUND, BAD_REQUEST naming the field, ALREADY_EXISTS.
   */
  create(
    principal: Principal,
    accountId: string,
    id: string | undefined,
    body: ReservationBody,
  ): Promise<ReservationBody>;
  /** @throws AppError NOT_FOUND. */
  get(principal: Principal, accountId: string, id: string): Promise<ReservationBody>;
  /** @throws AppError NOT_FOUND for another account. */
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ reservations: ReservationBody[]; nextPageToken: string; totalSize: number }>;
  /** Of all accounts, those in force at any time within. */
  between(from: Date, to: Date): Promise<ReservedCapacity[]>;
}

export interface ReservationsDeps {
  database: Pick<Database, "db">;
  clock: Clock;
  tokenSecret: Buffer;
  accounts: { exists(accountId: string): Promise<boolean> };
  users: { emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> };
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_DESCRIPTION_CHARS = 999;

export function createReservations({
  database,
  clock,
  tokenSecret,
  accounts,
  users,
}: ReservationsDeps): Reservations {
  const store = reservationStore(database, tokenSecret);
  return {
    async create(principal, accountId, id = randomId(), body) {
      const account = `Account accounts/${accountId}`;
      authorize(principal, accountId, "read", account);
      if (!principal.isOperator) {
        throw new AppError("FORBIDDEN", "Only the operator of the platform makes reservations.");
      }
      if (!(await accounts.exists(accountId))) throw notFound(account);
      checkNewId("reservationId", id);
      // Whoever makes it is of another account than it.
      const emails = await users.emailsOf(principal.accountId, [principal.userId]);
      const row = newRow(accountId, id, body, emails.get(principal.userId) ?? "", clock.now());
      if (await store.insert(row)) return toReservation(row);
      throw new AppError("ALREADY_EXISTS", `${titleOf(accountId, id)} already exists.`, {
        param: "reservationId",
      });
    },
    async get(principal, accountId, id) {
      authorize(principal, accountId, "read", titleOf(accountId, id));
      const row = await store.get(accountId, id);
      if (row === null) throw notFound(titleOf(accountId, id));
      return toReservation(row);
    },
    async list(principal, accountId, query) {
      authorize(principal, accountId, "read", `Account accounts/${accountId}`);
      const { rows, nextPageToken, totalSize } = await store.list(query, accountId);
      return { reservations: rows.map(toReservation), nextPageToken, totalSize };
    },
    async between(from, to) {
      const rows = await store.between(from, to);
      return rows.map(({ accountId, id, acceleratorType, region, reservedCount, startTime, endTime }) => ({
        ...{ accountId, name: nameOf(accountId, id), acceleratorType, region },
        ...{ count: reservedCount, startTime, endTime },
      }));
    },
  };
}

/** @throws AppError BAD_REQUEST naming the field. */
function newRow(
  accountId: string,
  id: string,
  body: ReservationBody,
  createdBy: string,
  nowMs: number,
): ReservationRow {
  const { displayName = "", description = "", acceleratorType, reservedCount } = body;
  checkDisplayName("displayName", displayName);
  checkText("description", description, MAX_DESCRIPTION_CHARS);
  if (acceleratorType === undefined || acceleratorType === "ACCELERATOR_TYPE_UNSPECIFIED") {
    throw badRequest("acceleratorType", "acceleratorType is required.");
  }
  if (reservedCount === undefined) throw badRequest("reservedCount", "reservedCount is required.");
  const nextMidnight = new Date((Math.floor(nowMs / DAY_MS) + 1) * DAY_MS);
  const startTime = parseTime("startTime", body.startTime) ?? nextMidnight;
  const endTime = parseTime("endTime", body.endTime) ?? yearAfter(startTime);
  if (startTime.getTime() < Math.floor(nowMs / HOUR_MS) * HOUR_MS) {
    // What ran then is charged: it would be paid for twice.
    throw badRequest("startTime", "startTime must not be before this hour.");
  }
  if (endTime <= startTime) throw badRequest("endTime", "endTime must be after startTime.");
  const now = new Date(nowMs);
  return {
    ...{ accountId, id, displayName, description, acceleratorType, reservedCount, startTime, endTime },
    region: body.region ?? "REGION_UNSPECIFIED",
    multiRegion: body.multiRegion ?? "MULTI_REGION_UNSPECIFIED",
    ...{ createdBy, createTime: now, updateTime: now },
  };
}

function parseTime(field: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const utc = parseTimestamp(text);
  if (utc === null) throw badRequest(field, `${field} must be a time such as 2026-01-31T00:00:00Z.`);
  return new Date(utc);
}

function yearAfter(time: Date): Date {
  const later = new Date(time);
  later.setUTCFullYear(later.getUTCFullYear() + 1);
  return later;
}

function toReservation(row: ReservationRow): ReservationBody {
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

function nameOf(accountId: string, id: string): string {
  return `accounts/${accountId}/reservations/${id}`;
}

function titleOf(accountId: string, id: string): string {
  return `Reservation ${nameOf(accountId, id)}`;
}

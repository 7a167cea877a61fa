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
import { nameOf, toReservation } from "./view.ts";

/** Accelerators that an account pays for during a time, whether it uses them or not. */
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
   * For the operator only.
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
  /** Reservations of all accounts that are in force at any time in between. */
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
      // The operator's user belongs to another account than the reservation.
      const emails = await users.emailsOf(principal.accountId, [principal.userId]);
      const fields = parseFields(body, clock.now());
      const now = new Date(clock.now());
      const row: ReservationRow = {
        accountId,
        id,
        ...fields,
        createdBy: emails.get(principal.userId) ?? "",
        createTime: now,
        updateTime: now,
      };
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
        accountId,
        name: nameOf(accountId, id),
        acceleratorType,
        region,
        count: reservedCount,
        startTime,
        endTime,
      }));
    },
  };
}

/** The fields that requests may set. @throws AppError BAD_REQUEST naming the field. */
function parseFields(body: ReservationBody, nowMs: number) {
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
    // Usage of earlier hours is already charged, and would be paid for twice.
    throw badRequest("startTime", "startTime must not be before this hour.");
  }
  if (endTime <= startTime) throw badRequest("endTime", "endTime must be after startTime.");
  return {
    displayName,
    description,
    region: body.region ?? "REGION_UNSPECIFIED",
    multiRegion: body.multiRegion ?? "MULTI_REGION_UNSPECIFIED",
    acceleratorType,
    reservedCount,
    startTime,
    endTime,
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

function titleOf(accountId: string, id: string): string {
  return `Reservation ${nameOf(accountId, id)}`;
}

import { and, eq, gt, lt, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { ACCELERATOR_TYPES } from "../deployment-shapes/service.ts";
import { MULTI_REGIONS, REGIONS } from "../deployments/service.ts";
import { reservations } from "./table.ts";

export type ReservationRow = typeof reservations.$inferSelect;

export interface ReservationStore {
  /** @returns whether the row is new. */
  insert(row: ReservationRow): Promise<boolean>;
  get(accountId: string, id: string): Promise<ReservationRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<ReservationRow>>;
  /** Reservations of all accounts that are in force at any time in between. */
  between(from: Date, to: Date): Promise<ReservationRow[]>;
}

export function reservationStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): ReservationStore {
  const r = reservations;
  const list = createListing({
    db,
    table: reservations,
    fields: {
      name: {
        sql: sql`('accounts/' || ${r.accountId} || '/reservations/' || ${r.id})`,
        type: "string",
        orderBy: r.id,
      },
      displayName: { sql: sql`${r.displayName}`, type: "string" },
      description: { sql: sql`${r.description}`, type: "string" },
      region: { sql: sql`${r.region}`, type: "enum", values: REGIONS },
      multiRegion: { sql: sql`${r.multiRegion}`, type: "enum", values: MULTI_REGIONS },
      acceleratorType: { sql: sql`${r.acceleratorType}`, type: "enum", values: ACCELERATOR_TYPES },
      reservedCount: { sql: sql`${r.reservedCount}`, type: "int" },
      startTime: { sql: sql`${r.startTime}`, type: "timestamp" },
      endTime: { sql: sql`${r.endTime}`, type: "timestamp" },
      createTime: { sql: sql`${r.createTime}`, type: "timestamp" },
      updateTime: { sql: sql`${r.updateTime}`, type: "timestamp" },
    },
    defaultOrder: "createTime desc",
    key: r.id,
    tokenSecret,
  });
  return {
    async insert(row) {
      const inserted = await db.insert(r).values(row).onConflictDoNothing().returning({ id: r.id });
      return inserted.length === 1;
    },
    async get(accountId, id) {
      const [row] = await db
        .select()
        .from(r)
        .where(and(eq(r.accountId, accountId), eq(r.id, id)));
      return row ?? null;
    },
    list: (query, accountId) => list(query, eq(r.accountId, accountId), accountId),
    between: (from, to) =>
      db
        .select()
        .from(r)
        .where(and(lt(r.startTime, to), gt(r.endTime, from))),
  };
}

import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import type { DatasetRef } from "./names.ts";
import { DATASET_FORMATS, DATASET_STATES, datasetGarbage, datasets } from "./table.ts";

export type DatasetRow = typeof datasets.$inferSelect;
export type GarbageRow = typeof datasetGarbage.$inferSelect;

/** Kind of the background work that checks rows. Its key is the dataset's uid. */
export const CHECK_WORK = "dataset-check";

const UNIQUE_VIOLATION = "23505";

export interface DatasetStore {
  /** Inserts all rows and removes them from the garbage. False, with nothing stored, when one of the ids is taken. */
  insert(rows: readonly DatasetRow[]): Promise<boolean>;
  get(ref: DatasetRef): Promise<DatasetRow | null>;
  /** The ids among `ids` that are in use. */
  taken(accountId: string, ids: readonly string[]): Promise<string[]>;
  getByUid(uid: string): Promise<DatasetRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<DatasetRow>>;
  /**
   * Locks the row, replaces it by the result of `change` and returns the new row; null when there is no such dataset.
   * A new `checkId` schedules a check of the rows. An error of `change` rolls the transaction back.
   */
  change(
    ref: DatasetRef,
    change: (row: DatasetRow) => Omit<DatasetRow, "revision">,
  ): Promise<DatasetRow | null>;
  /**
   * Like `change`. When `change` returns null, nothing happens and the result is the current row.
   */
  changeIf(ref: DatasetRef, change: (row: DatasetRow) => DatasetRow | null): Promise<DatasetRow | null>;
  /**
   * Deletes the row, unless `check` throws, and adds the dataset to the garbage.
   * @returns the deleted row; null when there is no such dataset
   */
  delete(ref: DatasetRef, since: Date, check: (row: DatasetRow) => Promise<void>): Promise<DatasetRow | null>;
  addGarbage(rows: readonly GarbageRow[]): Promise<void>;
  /** Up to 100 rows of garbage from before `time`. */
  garbageBefore(time: Date): Promise<GarbageRow[]>;
  deleteGarbage(uids: readonly string[]): Promise<void>;
}

/** Rows in one INSERT: each has about 20 parameters, and PostgreSQL accepts 65,535 in a statement. */
const INSERT_BATCH = 500;
const GARBAGE_BATCH = 100;

export function datasetStore(
  { db }: Pick<Database, "db">,
  tokenSecret: Buffer,
  now: () => number,
): DatasetStore {
  const list = datasetListing(db, tokenSecret);
  const is = ({ accountId, id }: DatasetRef) => and(eq(datasets.accountId, accountId), eq(datasets.id, id));

  /** Replaces a row that the transaction has locked. */
  async function replace(
    tx: Transaction,
    row: DatasetRow,
    changed: Omit<DatasetRow, "revision">,
  ): Promise<DatasetRow> {
    const next = { ...changed, revision: row.revision + 1 };
    await tx.update(datasets).set(next).where(is(row));
    const startsCheck = next.checkId !== null && next.checkId !== row.checkId;
    if (startsCheck) await addWork(tx, CHECK_WORK, [next.uid], now());
    return next;
  }

  return {
    async insert(rows) {
      try {
        await db.transaction(async (tx) => {
          for (let at = 0; at < rows.length; at += INSERT_BATCH) {
            const batch = rows.slice(at, at + INSERT_BATCH);
            await tx.insert(datasets).values(batch);
            const uids = batch.map(({ uid }) => uid);
            await tx.delete(datasetGarbage).where(inArray(datasetGarbage.uid, uids));
          }
        });
        return true;
      } catch (error) {
        if (codeOf(error) === UNIQUE_VIOLATION) return false;
        throw error;
      }
    },
    async get(ref) {
      const [row] = await db.select().from(datasets).where(is(ref));
      return row ?? null;
    },
    async taken(accountId, ids) {
      const rows = await db
        .select({ id: datasets.id })
        .from(datasets)
        .where(and(eq(datasets.accountId, accountId), inArray(datasets.id, [...ids])));
      return rows.map(({ id }) => id);
    },
    async getByUid(uid) {
      const [row] = await db.select().from(datasets).where(eq(datasets.uid, uid));
      return row ?? null;
    },
    list: (query, accountId) =>
      list(query, eq(datasets.accountId, accountId), `datasets ${accountId}`, accountId),
    change: (ref, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(datasets).where(is(ref)).for("update");
        return row === undefined ? null : replace(tx, row, change(row));
      }),
    changeIf: (ref, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(datasets).where(is(ref)).for("update");
        if (row === undefined) return null;
        const changed = change(row);
        return changed === null ? row : replace(tx, row, changed);
      }),
    delete: (ref, since, check) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(datasets).where(is(ref)).for("update");
        if (row === undefined) return null;
        await check(row);
        await tx.delete(datasets).where(is(ref));
        await tx.insert(datasetGarbage).values({ uid: row.uid, accountId: row.accountId, since });
        return row;
      }),
    async addGarbage(rows) {
      await db.insert(datasetGarbage).values([...rows]);
    },
    garbageBefore: (time) =>
      db.select().from(datasetGarbage).where(lt(datasetGarbage.since, time)).limit(GARBAGE_BATCH),
    async deleteGarbage(uids) {
      await db.delete(datasetGarbage).where(inArray(datasetGarbage.uid, [...uids]));
    },
  };
}

function datasetListing(db: Database["db"], tokenSecret: Buffer) {
  const origin = (kind: string, field: string) =>
    sql`(${datasets.origin} -> ${kind}::text ->> ${field}::text)`;
  return createListing({
    db,
    table: datasets,
    fields: {
      name: {
        sql: sql`('accounts/' || ${datasets.accountId} || '/datasets/' || ${datasets.id})`,
        type: "string",
        orderBy: datasets.id,
      },
      displayName: { sql: datasets.displayName, type: "string" },
      state: { sql: datasets.state, type: "enum", values: DATASET_STATES },
      format: { sql: datasets.format, type: "enum", values: DATASET_FORMATS },
      exampleCount: { sql: datasets.exampleCount, type: "int" },
      estimatedTokenCount: { sql: datasets.estimatedTokenCount, type: "int" },
      averageTurnCount: { sql: datasets.averageTurnCount, type: "number" },
      sourceJobName: { sql: datasets.sourceJobName, type: "string" },
      "status.code": { sql: datasets.statusCode, type: "string" },
      "evaluationResult.evaluationJobId": {
        sql: origin("evaluationResult", "evaluationJobId"),
        type: "string",
      },
      "transformed.sourceDatasetId": { sql: origin("transformed", "sourceDatasetId"), type: "string" },
      "splitted.sourceDatasetId": { sql: origin("splitted", "sourceDatasetId"), type: "string" },
      createTime: { sql: datasets.createTime, type: "timestamp" },
      updateTime: { sql: datasets.updateTime, type: "timestamp" },
    },
    defaultOrder: "createTime desc",
    key: datasets.id,
    tokenSecret,
  });
}

function codeOf(error: unknown): unknown {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code ?? cause?.code;
}

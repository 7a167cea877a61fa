import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import { DATASET_FORMATS, DATASET_STATES, datasetRemains, datasets } from "./table.ts";

export type DatasetRow = typeof datasets.$inferSelect;
export type GarbageRow = typeof datasetRemains.$inferSelect;

/** Checks of rows, by the dataset's uid. */
export const CHECK_WORK = "dataset-check";

const UNIQUE_VIOLATION = "23505";

export interface DatasetStore {
  /** False when one of the names is taken; then none is stored. Their entries among the remains go. */
  insert(rows: readonly DatasetRow[]): Promise<boolean>;
  get(accountId: string, id: string): Promise<DatasetRow | null>;
  /** Which of the ids are in use. */
  taken(accountId: string, ids: readonly string[]): Promise<string[]>;
  getByUid(uid: string): Promise<DatasetRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<DatasetRow>>;
  /**
   * Puts what `change` makes of the row in its place, as its next revision. No other change comes in between.
   * Null when there is no such dataset; `change` may throw.
   */
  change(
    accountId: string,
    id: string,
    change: (row: DatasetRow) => Omit<DatasetRow, "revision">,
  ): Promise<DatasetRow | null>;
  /** Like `change`, with a check of the rows begun. Where `begin` gives null, nothing happens. */
  beginCheck(
    accountId: string,
    id: string,
    begin: (row: DatasetRow) => DatasetRow | null,
  ): Promise<DatasetRow | null>;
  /** Makes remains of the dataset, unless `check` throws. Null when there is no such dataset. */
  delete(
    accountId: string,
    id: string,
    since: Date,
    check: (row: DatasetRow) => Promise<void>,
  ): Promise<DatasetRow | null>;
  addGarbage(rows: readonly GarbageRow[]): Promise<void>;
  /** Some of those from before `time`. */
  garbageBefore(time: Date): Promise<GarbageRow[]>;
  deleteGarbage(uids: readonly string[]): Promise<void>;
}

/** How many rows one statement takes: each has more than a dozen parameters. */
const INSERT_BATCH = 500;
const GARBAGE_BATCH = 100;

export function datasetStore(
  { db }: Pick<Database, "db">,
  tokenSecret: Buffer,
  now: () => number,
): DatasetStore {
  const list = datasetListing(db, tokenSecret);
  const is = (accountId: string, id: string) => and(eq(datasets.accountId, accountId), eq(datasets.id, id));

  return {
    ...garbageStore(db),
    async insert(rows) {
      try {
        await db.transaction(async (tx) => {
          for (let at = 0; at < rows.length; at += INSERT_BATCH) {
            const batch = rows.slice(at, at + INSERT_BATCH);
            await tx.insert(datasets).values(batch);
            const uids = batch.map(({ uid }) => uid);
            await tx.delete(datasetRemains).where(inArray(datasetRemains.uid, uids));
          }
        });
        return true;
      } catch (error) {
        if (codeOf(error) === UNIQUE_VIOLATION) return false;
        throw error;
      }
    },
    async get(accountId, id) {
      const [row] = await db.select().from(datasets).where(is(accountId, id));
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
    change: (accountId, id, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(datasets).where(is(accountId, id)).for("update");
        if (row === undefined) return null;
        const next = { ...change(row), revision: row.revision + 1 };
        await tx.update(datasets).set(next).where(is(accountId, id));
        return next;
      }),
    beginCheck: (accountId, id, begin) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(datasets).where(is(accountId, id)).for("update");
        const begun = row === undefined ? null : begin(row);
        if (begun === null) return row ?? null;
        const next = { ...begun, revision: begun.revision + 1 };
        await tx.update(datasets).set(next).where(is(accountId, id));
        await addWork(tx, CHECK_WORK, [next.uid], now());
        return next;
      }),
    delete: (accountId, id, since, check) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(datasets).where(is(accountId, id)).for("update");
        if (row === undefined) return null;
        await check(row);
        await tx.delete(datasets).where(is(accountId, id));
        await tx.insert(datasetRemains).values({ uid: row.uid, accountId, since });
        return row;
      }),
  };
}

function garbageStore(
  db: Database["db"],
): Pick<DatasetStore, "addGarbage" | "garbageBefore" | "deleteGarbage"> {
  return {
    async addGarbage(rows) {
      await db.insert(datasetRemains).values([...rows]);
    },
    garbageBefore: (time) =>
      db.select().from(datasetRemains).where(lt(datasetRemains.since, time)).limit(GARBAGE_BATCH),
    async deleteGarbage(uids) {
      await db.delete(datasetRemains).where(inArray(datasetRemains.uid, [...uids]));
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

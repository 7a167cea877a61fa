import { and, eq, isNotNull, ne, notInArray, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListField, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import type { ModelRef } from "./names.ts";
import { CHECKPOINT_FORMATS, MODEL_KINDS, MODEL_STATES } from "./schema.ts";
import { models, modelVersions } from "./table.ts";

export type ModelRow = typeof models.$inferSelect;
export type VersionRow = typeof modelVersions.$inferSelect;

/**
 * Kinds of background work on model files. The key of `prepare` and `import` is the model's uid, of `remove`
 * `{account}/{uid}`.
 */
export const FILE_WORK = {
  prepare: "model-prepare",
  import: "model-import",
  remove: "model-remove",
} as const;
export type FileWork = keyof typeof FILE_WORK;

/**
 * Twice the lifetime of an upload URL: an upload may start just before its URL expires and then run for a long time.
 */
const REMOVE_AFTER_MS = 48 * 3_600_000;

export interface ModelStore {
  /** False when the id is taken. */
  insert(row: ModelRow): Promise<boolean>;
  get(ref: ModelRef): Promise<ModelRow | null>;
  getByUid(uid: string): Promise<ModelRow | null>;
  list(query: ListQuery, accountId: string, visibility: "all" | "public"): Promise<Page<ModelRow>>;
  /**
   * Locks the row, replaces it by the result of `change` and returns the new row; null when there is no such model. An
   * error of `change` rolls the transaction back.
   * @param work background work to schedule in the same transaction
   */
  change(ref: ModelRef, change: (row: ModelRow) => ModelRow, work?: FileWork): Promise<ModelRow | null>;
  /**
   * Deletes the row, unless `check` throws, and schedules the removal of its files for when all upload URLs have
   * expired.
   * @returns the deleted row; null when there is no such model
   */
  delete(ref: ModelRef, check: (row: ModelRow) => Promise<void>): Promise<ModelRow | null>;
  /** False when the id is taken. */
  insertVersion(row: VersionRow): Promise<boolean>;
  hasVersion(uid: string, id: string): Promise<boolean>;
  countVersions(uid: string): Promise<number>;
  /**
   * Upserts the models of the catalog and of attached engines, and deletes the rows of those that are no longer among
   * them. Models that users created stay, also when a catalog model has the same name.
   */
  syncCatalog(rows: readonly ModelRow[]): Promise<void>;
}

export function modelStore({ db }: Pick<Database, "db">, tokenSecret: Buffer, now: () => number): ModelStore {
  const list = modelListing(db, tokenSecret);
  const is = ({ accountId, id }: ModelRef) => and(eq(models.accountId, accountId), eq(models.id, id));

  return {
    async insert(row) {
      const inserted = await db.insert(models).values(row).onConflictDoNothing().returning({ id: models.id });
      return inserted.length === 1;
    },
    async get(ref) {
      const [row] = await db.select().from(models).where(is(ref));
      return row ?? null;
    },
    async getByUid(uid) {
      const [row] = await db.select().from(models).where(eq(models.uid, uid));
      return row ?? null;
    },
    list(query, accountId, visibility) {
      const inAccount = eq(models.accountId, accountId);
      if (visibility === "all") return list(query, inAccount, `models ${accountId}`, accountId);
      return list(query, and(inAccount, models.public), `public models ${accountId}`);
    },
    change: (ref, change, work) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(models).where(is(ref)).for("update");
        if (row === undefined) return null;
        const next = { ...change(row), revision: row.revision + 1 };
        await tx.update(models).set(next).where(is(ref));
        if (work !== undefined) await addWork(tx, FILE_WORK[work], [row.uid], now());
        return next;
      }),
    delete: (ref, check) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(models).where(is(ref)).for("update");
        if (row === undefined) return null;
        await check(row);
        await tx.delete(models).where(is(ref));
        await addWork(tx, FILE_WORK.remove, [`${row.accountId}/${row.uid}`], now() + REMOVE_AFTER_MS);
        return row;
      }),
    async insertVersion(row) {
      const inserted = await db
        .insert(modelVersions)
        .values(row)
        .onConflictDoNothing()
        .returning({ id: modelVersions.id });
      return inserted.length === 1;
    },
    hasVersion: async (uid, id) =>
      (await db.$count(modelVersions, and(eq(modelVersions.modelUid, uid), eq(modelVersions.id, id)))) > 0,
    countVersions: (uid) => db.$count(modelVersions, eq(modelVersions.modelUid, uid)),
    syncCatalog: (rows) =>
      db.transaction(async (tx) => {
        const names = rows.map(({ accountId, id }) => `${accountId}/${id}`);
        const name = sql`(${models.accountId} || '/' || ${models.id})`;
        const isGone = names.length === 0 ? undefined : notInArray(name, names);
        await tx.delete(models).where(and(isNotNull(models.catalogDigest), isGone));
        for (const row of rows) {
          // An existing row keeps its creation time, and the visibility that the operator chose.
          const { createTime: _, public: _public, createdBy: _createdBy, ...columns } = row;
          await tx
            .insert(models)
            .values(row)
            .onConflictDoUpdate({
              target: [models.accountId, models.id],
              set: { ...columns, revision: sql`${models.revision} + 1` },
              setWhere: and(
                isNotNull(models.catalogDigest),
                ne(models.catalogDigest, row.catalogDigest ?? ""),
              ) as SQL,
            });
        }
      }),
  };
}

function modelListing(db: Database["db"], tokenSecret: Buffer) {
  const at = (...path: string[]): SQL => sql`(${models.spec} #>> ${`{${path.join(",")}}`}::text[])`;
  const text = (...path: string[]): ListField => ({ sql: at(...path), type: "string" });
  const int = (...path: string[]): ListField => ({ sql: sql`${at(...path)}::bigint`, type: "int" });
  const flag = (...path: string[]): ListField => ({ sql: sql`${at(...path)}::boolean`, type: "boolean" });
  const fact = (name: string): ListField => ({
    sql: sql`(${models.facts} ->> ${name}::text)::boolean`,
    type: "boolean",
  });
  return createListing({
    db,
    table: models,
    fields: {
      name: {
        sql: sql`('accounts/' || ${models.accountId} || '/models/' || ${models.id})`,
        type: "string",
        orderBy: models.id,
      },
      displayName: { sql: models.displayName, type: "string" },
      description: text("description"),
      kind: { sql: models.kind, type: "enum", values: MODEL_KINDS },
      state: { sql: models.state, type: "enum", values: MODEL_STATES },
      "status.code": { sql: models.statusCode, type: "string" },
      "status.message": { sql: models.statusMessage, type: "string" },
      public: { sql: models.public, type: "boolean" },
      githubUrl: text("githubUrl"),
      huggingFaceUrl: text("huggingFaceUrl"),
      "baseModelDetails.worldSize": int("baseModelDetails", "worldSize"),
      "baseModelDetails.checkpointFormat": {
        sql: at("baseModelDetails", "checkpointFormat"),
        type: "enum",
        values: CHECKPOINT_FORMATS,
      },
      "baseModelDetails.parameterCount": int("baseModelDetails", "parameterCount"),
      "baseModelDetails.moe": flag("baseModelDetails", "moe"),
      "baseModelDetails.tunable": flag("baseModelDetails", "tunable"),
      "baseModelDetails.modelType": text("baseModelDetails", "modelType"),
      "peftDetails.baseModel": text("peftDetails", "baseModel"),
      "peftDetails.r": int("peftDetails", "r"),
      "peftDetails.targetModules": {
        sql: sql`(${models.spec} #> '{peftDetails,targetModules}')`,
        type: "strings",
      },
      "peftDetails.baseModelType": text("peftDetails", "baseModelType"),
      "conversationConfig.style": text("conversationConfig", "style"),
      contextLength: int("contextLength"),
      trainingContextLength: int("trainingContextLength"),
      supportsImageInput: flag("supportsImageInput"),
      supportsTools: flag("supportsTools"),
      supportsLora: flag("supportsLora"),
      useHfApplyChatTemplate: flag("useHfApplyChatTemplate"),
      supportsServerless: fact("serverless"),
      tunable: fact("tunable"),
      importedFrom: { sql: models.importedFrom, type: "string" },
      defaultDraftModel: text("defaultDraftModel"),
      defaultDraftTokenCount: int("defaultDraftTokenCount"),
      precisions: { sql: models.precisions, type: "strings" },
      createTime: { sql: models.createTime, type: "timestamp" },
      updateTime: { sql: models.updateTime, type: "timestamp" },
    },
    defaultOrder: "createTime desc",
    key: models.id,
    tokenSecret,
  });
}

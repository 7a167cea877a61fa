import { and, eq, isNotNull, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery, Page } from "../../platform/db/listing.ts";
import { shapeListing } from "./listing-store.ts";
import type { ShapeSpec } from "./schema.ts";
import { deploymentShapes as shapes, deploymentShapeVersions as versions } from "./table.ts";
import { updateNewest, type VersionStore, type Visibility, versionStore } from "./version-store.ts";

export type ShapeRow = typeof shapes.$inferSelect;

export interface ShapeStore extends VersionStore {
  get(accountId: string, id: string): Promise<ShapeRow | null>;
  /** @param target lists only the shapes of that base model; with `takesAddons`, only those that take addons. Null: all. */
  list(
    query: ListQuery,
    accountId: string,
    view: Visibility,
    target: { baseModel: string; takesAddons: boolean } | null,
  ): Promise<Page<ShapeRow>>;
  /** Inserts the shape and its first, validated version. Returns false when the id is taken. */
  insertIfAbsent(row: Omit<ShapeRow, "version" | "publicSpec">, isPublic: boolean): Promise<boolean>;
  /** Adds a validated version. Returns false when `row.version` is no longer the newest version. */
  addVersion(
    row: ShapeRow,
    next: { spec: ShapeSpec; isPublic: boolean; catalogDigest: string | null; now: Date },
  ): Promise<boolean>;
  /** Returns false when the shape doesn't exist. */
  delete(accountId: string, id: string): Promise<boolean>;
}

export function shapeStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): ShapeStore {
  const lists = {
    all: shapeListing(db, tokenSecret, shapes.spec),
    public: shapeListing(db, tokenSecret, shapes.publicSpec),
  };
  const isShape = (accountId: string, id: string) => and(eq(shapes.accountId, accountId), eq(shapes.id, id));
  return {
    ...versionStore(db, tokenSecret),
    async get(accountId, id) {
      const [row] = await db.select().from(shapes).where(isShape(accountId, id));
      return row ?? null;
    },
    list(query, accountId, view, target) {
      const spec = view === "all" ? shapes.spec : shapes.publicSpec;
      const fits = target === null ? undefined : eq(sql`${spec}->>'baseModel'`, target.baseModel);
      const takesAddons = target?.takesAddons
        ? sql`coalesce((${spec}->>'enableAddons')::boolean, false)`
        : undefined;
      const where = and(eq(shapes.accountId, accountId), isNotNull(spec), fits, takesAddons);
      return lists[view](query, where, JSON.stringify([accountId, view, target]));
    },
    insertIfAbsent: (row, isPublic) =>
      db.transaction(async (tx) => {
        const inserted = await tx
          .insert(shapes)
          .values({ ...row, version: 1, publicSpec: isPublic ? row.spec : null })
          .onConflictDoNothing()
          .returning({ id: shapes.id });
        if (inserted.length === 0) return false;
        await tx.insert(versions).values(newVersion(row, 1, row.spec, isPublic, row.createTime));
        return true;
      }),
    addVersion: (row, next) =>
      db.transaction(async (tx) => {
        const version = row.version + 1;
        const changed = await tx
          .update(shapes)
          .set({ version, spec: next.spec, updateTime: next.now, catalogDigest: next.catalogDigest })
          .where(and(isShape(row.accountId, row.id), eq(shapes.version, row.version)))
          .returning({ id: shapes.id });
        if (changed.length === 0) return false;
        await tx.insert(versions).values(newVersion(row, version, next.spec, next.isPublic, next.now));
        await updateNewest(tx, row.accountId, row.id);
        return true;
      }),
    async delete(accountId, id) {
      const deleted = await db.delete(shapes).where(isShape(accountId, id)).returning({ id: shapes.id });
      return deleted.length === 1;
    },
  };
}

function newVersion(
  shape: Pick<ShapeRow, "accountId" | "id">,
  version: number,
  spec: ShapeSpec,
  isPublic: boolean,
  createTime: Date,
): typeof versions.$inferInsert {
  const { accountId, id: shapeId } = shape;
  return {
    accountId,
    shapeId,
    version,
    spec,
    validated: true,
    public: isPublic,
    latestValidated: true,
    createTime,
  };
}

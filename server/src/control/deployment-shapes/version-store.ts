import { and, desc, eq, or, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery, Page } from "../../platform/db/listing.ts";
import { versionListing } from "./listing-store.ts";
import { deploymentShapes as shapes, deploymentShapeVersions as versions } from "./table.ts";

export type VersionRow = typeof versions.$inferSelect;

/** The versions that a reader may see: all for the account itself, the validated and public ones for others. */
export type Visibility = "all" | "public";

export interface VersionStore {
  getVersion(accountId: string, shapeId: string, version: number): Promise<VersionRow | null>;
  /** The newest validated version that the view includes. */
  latestValidated(accountId: string, shapeId: string, view: Visibility): Promise<VersionRow | null>;
  /**
   * @param parent null in it: any
   * @param readerId account that sees all of its own versions, and of others the validated and public ones; null: all
   */
  listVersions(
    query: ListQuery,
    parent: { accountId: string | null; shapeId: string | null },
    readerId: string | null,
  ): Promise<Page<VersionRow>>;
  /** Returns false when the version doesn't exist. */
  setFlags(
    accountId: string,
    shapeId: string,
    version: number,
    marks: { validated: boolean; public: boolean },
  ): Promise<boolean>;
}

export function versionStore(db: Database["db"], tokenSecret: Buffer): VersionStore {
  const listVersions = versionListing(db, tokenSecret);
  const isVersionOf = (accountId: string, shapeId: string) =>
    and(eq(versions.accountId, accountId), eq(versions.shapeId, shapeId));

  return {
    async getVersion(accountId, shapeId, version) {
      const [row] = await db
        .select()
        .from(versions)
        .where(and(isVersionOf(accountId, shapeId), eq(versions.version, version)));
      return row ?? null;
    },
    async latestValidated(accountId, shapeId, view) {
      const [row] = await db
        .select()
        .from(versions)
        .where(
          and(
            isVersionOf(accountId, shapeId),
            versions.validated,
            view === "all" ? undefined : versions.public,
          ),
        )
        .orderBy(desc(versions.version))
        .limit(1);
      return row ?? null;
    },
    listVersions(query, { accountId, shapeId }, readerId) {
      const where = and(
        accountId === null ? undefined : eq(versions.accountId, accountId),
        shapeId === null ? undefined : eq(versions.shapeId, shapeId),
        readerId === null
          ? undefined
          : or(eq(versions.accountId, readerId), and(versions.validated, versions.public)),
      );
      return listVersions(query, where, JSON.stringify([accountId, shapeId, readerId]));
    },
    setFlags: (accountId, shapeId, version, marks) =>
      db.transaction(async (tx) => {
        // Locks the shape first, as all changes do, so that changes of one shape don't deadlock.
        await tx
          .select({ id: shapes.id })
          .from(shapes)
          .where(and(eq(shapes.accountId, accountId), eq(shapes.id, shapeId)))
          .for("update");
        const changed = await tx
          .update(versions)
          .set(marks)
          .where(and(isVersionOf(accountId, shapeId), eq(versions.version, version)))
          .returning({ version: versions.version });
        if (changed.length === 0) return false;
        await updateNewest(tx, accountId, shapeId);
        return true;
      }),
  };
}

/** Updates the columns that are derived from all versions of a shape: latestValidated and publicSpec. */
export async function updateNewest(
  tx: Pick<Database["db"], "execute">,
  accountId: string,
  shapeId: string,
): Promise<void> {
  const ofShape = sql`v.account_id = ${accountId} and v.shape_id = ${shapeId}`;
  await tx.execute(sql`
    update ${versions} as v set latest_validated = (v.version = newest.version)
    from (select coalesce(max(v.version), 0) as version from ${versions} as v where ${ofShape} and v.validated) as newest
    where ${ofShape} and v.latest_validated <> (v.version = newest.version)`);
  await tx.execute(sql`
    update ${shapes} as s set public_spec = (
      select v.spec from ${versions} as v where ${ofShape} and v.validated and v.public
      order by v.version desc limit 1)
    where s.account_id = ${accountId} and s.id = ${shapeId}`);
}

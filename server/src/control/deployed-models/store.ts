import { and, asc, eq, inArray, lt, not, or, type SQL, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import { DEPLOYMENT_CHANGES_CHANNEL } from "../deployments/service.ts";
import { STATES } from "./schema.ts";
import { deployedModels } from "./table.ts";

export type DeployedModelRow = typeof deployedModels.$inferSelect;

/** The reconciler's kind of work; keys are `{account}/{deployed model}`. */
export const DEPLOYED_MODEL_WORK = "deployed-model";

export type InsertResult = "done" | "taken" | "account full" | "deployment full";

export interface AddonLimits {
  addonsPerAccount: number;
  addonsPerDeployment: number;
}

/** Gives the changed row; null changes nothing. May throw. @param others further deployed models of the account for the model. */
export type DeployedModelChange = (row: DeployedModelRow, others: number) => DeployedModelRow | null;

export interface DeployedModelStore {
  get(accountId: string, id: string): Promise<DeployedModelRow | null>;
  /** Without hidden rows. */
  list(query: ListQuery, accountId: string, publicOnly: boolean): Promise<Page<DeployedModelRow>>;
  /** All rows of these accounts that are not hidden. Default: of all accounts. */
  live(accounts?: ReadonlySet<string>): Promise<DeployedModelRow[]>;
  /** Oldest first, without hidden rows. */
  ofModel(model: string): Promise<DeployedModelRow[]>;
  /** Oldest first, without hidden rows. */
  ofDeployment(deployment: string): Promise<DeployedModelRow[]>;
  /** The first row of an account and model becomes the default. "taken": the deployment has the model already. */
  insert(row: DeployedModelRow, limits: AddonLimits | null): Promise<InsertResult>;
  /** Locks the row and replaces it, see DeploymentStore.change. A new default replaces the previous one. */
  change(
    accountId: string,
    id: string,
    now: Date,
    change: DeployedModelChange,
  ): Promise<DeployedModelRow | null>;
  /** Deletes the row for good. */
  remove(accountId: string, id: string): Promise<void>;
  touch(accountId: string, id: string, usedAt: Date): Promise<void>;
  /** Wakes the reconciler for the row. */
  enqueue(accountId: string, id: string, atMs: number): Promise<void>;
  /** Inserts and deletes rows so that the account's serverless models are exactly these. */
  syncServerless(accountId: string, rows: readonly DeployedModelRow[]): Promise<void>;
}

export function deployedModelStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): DeployedModelStore {
  const list = createListing({
    db,
    table: deployedModels,
    fields: listFields(),
    defaultOrder: "createTime desc",
    key: deployedModels.id,
    tokenSecret,
  });
  const shown = (where: SQL): Promise<DeployedModelRow[]> =>
    db
      .select()
      .from(deployedModels)
      .where(and(where, not(deployedModels.isHidden)))
      .orderBy(asc(deployedModels.createTime), asc(deployedModels.id));

  return {
    async get(accountId, id) {
      const [row] = await db.select().from(deployedModels).where(isOne(accountId, id));
      return row ?? null;
    },
    list(query, accountId, publicOnly) {
      const where = and(
        eq(deployedModels.accountId, accountId),
        not(deployedModels.isHidden),
        publicOnly ? deployedModels.isPublic : undefined,
      );
      return list(query, where, `deployedModels ${accountId} ${publicOnly}`);
    },
    live: (accounts) =>
      db
        .select()
        .from(deployedModels)
        .where(
          and(
            not(deployedModels.isHidden),
            accounts === undefined ? undefined : inArray(deployedModels.accountId, [...accounts]),
          ),
        ),
    ofModel: (model) => shown(eq(deployedModels.model, model)),
    ofDeployment: (deployment) => shown(eq(deployedModels.deployment, deployment)),
    insert: (row, limits) => db.transaction((tx) => insertRow(tx, row, limits)),
    change: (accountId, id, now, change) => db.transaction((tx) => changeRow(tx, accountId, id, now, change)),
    remove: (accountId, id) =>
      db.transaction(async (tx) => {
        await tx.delete(deployedModels).where(isOne(accountId, id));
        await tx.execute(sql`select pg_notify(${DEPLOYMENT_CHANGES_CHANNEL}, ${accountId})`);
      }),
    async touch(accountId, id, usedAt) {
      await db
        .update(deployedModels)
        .set({ lastUsedTime: usedAt })
        .where(and(isOne(accountId, id), lt(deployedModels.lastUsedTime, usedAt)));
    },
    enqueue: (accountId, id, atMs) => addWork(db, DEPLOYED_MODEL_WORK, [`${accountId}/${id}`], atMs),
    syncServerless: (accountId, rows) =>
      db.transaction(async (tx) => {
        await lockAccount(tx, accountId);
        const ids = rows.map(({ id }) => id);
        const stale = and(
          eq(deployedModels.accountId, accountId),
          deployedModels.serverless,
          not(deployedModels.isAddon),
          ids.length > 0 ? not(inArray(deployedModels.id, ids)) : undefined,
        );
        await tx.delete(deployedModels).where(stale);
        if (rows.length > 0)
          await tx
            .insert(deployedModels)
            .values([...rows])
            .onConflictDoNothing();
      }),
  };
}

function isOne(accountId: string, id: string): SQL | undefined {
  return and(eq(deployedModels.accountId, accountId), eq(deployedModels.id, id));
}

export async function insertRow(
  tx: Transaction,
  row: DeployedModelRow,
  limits: AddonLimits | null,
): Promise<InsertResult> {
  await lockAccount(tx, row.accountId);
  if (limits !== null) {
    const { accountCount, deploymentCount } = await countAddons(tx, row);
    if (accountCount >= limits.addonsPerAccount) return "account full";
    if (deploymentCount >= limits.addonsPerDeployment) return "deployment full";
  }
  const inserted = await tx
    .insert(deployedModels)
    .values({ ...row, isDefault: false })
    .onConflictDoNothing()
    .returning({ id: deployedModels.id });
  if (inserted.length === 0) return "taken";
  if (row.isDefault) {
    await dropDefault(tx, row);
    await tx.update(deployedModels).set({ isDefault: true }).where(isOne(row.accountId, row.id));
  } else await passDefault(tx, row);
  await enqueueAndNotify(tx, row, row.createTime);
  return "done";
}

async function changeRow(
  tx: Transaction,
  accountId: string,
  id: string,
  now: Date,
  change: DeployedModelChange,
): Promise<DeployedModelRow | null> {
  await lockAccount(tx, accountId);
  const [row] = await tx.select().from(deployedModels).where(isOne(accountId, id)).for("update");
  if (row === undefined) return null;
  const next = change(row, await countOthers(tx, row));
  if (next === null) return row;
  if (next.isDefault && !row.isDefault) await dropDefault(tx, row);
  await tx.update(deployedModels).set(next).where(isOne(accountId, id));
  if (row.isDefault && !next.isDefault) await passDefault(tx, row);
  await enqueueAndNotify(tx, next, now);
  return next;
}

/** Serialises the transactions that decide about an account's defaults, by an advisory lock. */
export async function lockAccount(tx: Transaction, accountId: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`deployed models ${accountId}`}, 0))`);
}

async function countAddons(
  tx: Transaction,
  row: DeployedModelRow,
): Promise<{ accountCount: number; deploymentCount: number }> {
  const ofAccount = eq(deployedModels.accountId, row.accountId);
  const ofDeployment = and(eq(deployedModels.deployment, row.deployment), not(deployedModels.serverless));
  const [counts] = await tx
    .select({
      accountCount: sql<string>`count(*) filter (where ${ofAccount})`.mapWith(Number),
      deploymentCount: sql<string>`count(*) filter (where ${ofDeployment})`.mapWith(Number),
    })
    .from(deployedModels)
    .where(and(deployedModels.isAddon, not(deployedModels.isHidden), or(ofAccount, ofDeployment)));
  return counts ?? { accountCount: 0, deploymentCount: 0 };
}

/** Number of further deployed models of the account for the model. */
async function countOthers(tx: Transaction, row: DeployedModelRow): Promise<number> {
  const [counted] = await tx
    .select({ count: sql<string>`count(*)`.mapWith(Number) })
    .from(deployedModels)
    .where(and(isSibling(row), not(eq(deployedModels.id, row.id))));
  return counted?.count ?? 0;
}

/** Selects the rows of the account that can be the default of the model. */
function isSibling({ accountId, model }: Pick<DeployedModelRow, "accountId" | "model">): SQL | undefined {
  return and(
    eq(deployedModels.accountId, accountId),
    eq(deployedModels.model, model),
    not(deployedModels.isHidden),
    not(eq(deployedModels.state, "UNDEPLOYING")),
  );
}

async function dropDefault(tx: Transaction, { accountId, model }: DeployedModelRow): Promise<void> {
  await tx
    .update(deployedModels)
    .set({ isDefault: false })
    .where(
      and(eq(deployedModels.accountId, accountId), eq(deployedModels.model, model), deployedModels.isDefault),
    );
}

/** Makes the oldest row of an account and model the default, when there is none. */
export async function passDefault(
  tx: Transaction,
  row: Pick<DeployedModelRow, "accountId" | "model">,
): Promise<void> {
  const siblings = await tx
    .select({ id: deployedModels.id, isDefault: deployedModels.isDefault })
    .from(deployedModels)
    .where(isSibling(row))
    .orderBy(asc(deployedModels.createTime), asc(deployedModels.id));
  const [oldest] = siblings;
  if (oldest === undefined || siblings.some(({ isDefault }) => isDefault)) return;
  await tx.update(deployedModels).set({ isDefault: true }).where(isOne(row.accountId, oldest.id));
}

async function enqueueAndNotify(tx: Transaction, row: DeployedModelRow, now: Date): Promise<void> {
  await addWork(tx, DEPLOYED_MODEL_WORK, [`${row.accountId}/${row.id}`], now.getTime());
  await tx.execute(sql`select pg_notify(${DEPLOYMENT_CHANGES_CHANNEL}, ${row.accountId})`);
}

function listFields() {
  const t = deployedModels;
  return {
    name: { sql: sql`('accounts/' || ${t.accountId} || '/deployedModels/' || ${t.id})`, type: "string" },
    displayName: { sql: sql`${t.displayName}`, type: "string" },
    description: { sql: sql`${t.description}`, type: "string" },
    createTime: { sql: sql`${t.createTime}`, type: "timestamp" },
    updateTime: { sql: sql`${t.updateTime}`, type: "timestamp" },
    model: { sql: sql`${t.model}`, type: "string" },
    deployment: { sql: sql`${t.deployment}`, type: "string" },
    default: { sql: sql`${t.isDefault}`, type: "boolean" },
    public: { sql: sql`${t.isPublic}`, type: "boolean" },
    serverless: { sql: sql`${t.serverless}`, type: "boolean" },
    state: { sql: sql`${t.state}`, type: "enum", values: STATES },
  } as const satisfies Parameters<typeof createListing>[0]["fields"];
}

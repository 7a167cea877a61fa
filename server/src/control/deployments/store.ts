import { and, desc, eq, inArray, lt, ne, or, type SQL, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import { ACCELERATOR_TYPES } from "../deployment-shapes/service.ts";
import { PRECISIONS } from "../models/service.ts";
import { REGIONS, STATES } from "./schema.ts";
import { deploymentEvents, deployments } from "./table.ts";

export type DeploymentRow = typeof deployments.$inferSelect;

/** Every change of a deployment or deployed model is announced here, in the same transaction. */
export const DEPLOYMENT_CHANGES_CHANNEL = "hearth_serving";
/** The reconciler's kind of work; keys are `{account}/{deployment}`. */
export const DEPLOYMENT_WORK = "deployment";

export interface DeploymentEvent {
  time: Date;
  type: string;
  message: string;
}

/** Keeps the deployed models of a deployment in step with it, in the same transaction. */
export interface DeploymentHooks {
  onCreated(tx: Transaction, row: DeploymentRow): Promise<void>;
  /** Called when the state or the status message has changed. */
  onStateChanged(tx: Transaction, row: DeploymentRow): Promise<void>;
  /** @throws AppError FAILED_PRECONDITION when the deployment is the default of a model that others serve too. */
  checkDeletable(tx: Transaction, row: DeploymentRow): Promise<void>;
  onPurged(tx: Transaction, row: DeploymentRow): Promise<void>;
}

export interface DeploymentChange {
  row: DeploymentRow;
  events?: readonly Omit<DeploymentEvent, "time">[];
  /** Whether `DeploymentHooks.checkDeletable` may refuse the change. */
  checkDeletable?: boolean;
  /** Wakes no reconciler and notifies no process. Not for changes of the state or the spec. */
  quiet?: boolean;
}

export interface DeploymentStore {
  get(accountId: string, id: string): Promise<DeploymentRow | null>;
  list(query: ListQuery, accountId: string, showDeleted: boolean): Promise<Page<DeploymentRow>>;
  /** All deployments of these accounts that are not DELETED. Default: of all accounts. */
  live(accounts?: ReadonlySet<string>): Promise<DeploymentRow[]>;
  /** False when the id is taken. */
  insert(row: DeploymentRow, events: DeploymentChange["events"]): Promise<boolean>;
  /**
   * Locks the row and replaces it by the result of `change`. A result of null changes nothing. `change` may throw.
   * @returns the row after the change; null when it doesn't exist.
   */
  change(
    accountId: string,
    id: string,
    now: Date,
    change: (row: DeploymentRow) => DeploymentChange | null,
  ): Promise<DeploymentRow | null>;
  /** Deletes the row for good. */
  purge(accountId: string, id: string): Promise<void>;
  touch(accountId: string, id: string, usedAt: Date): Promise<void>;
  events(accountId: string, id: string, limit: number): Promise<DeploymentEvent[]>;
  /** Whether a deployment that is not DELETED serves the model, loads its weights, or drafts with it. */
  isUsed(model: string): Promise<boolean>;
}

/** Events kept for each deployment; older ones are deleted. */
const MAX_EVENTS = 1_000;

export function deploymentStore(
  { db }: Pick<Database, "db">,
  tokenSecret: Buffer,
  loaded: DeploymentHooks,
): DeploymentStore {
  const list = createListing({
    db,
    table: deployments,
    fields: listFields(),
    defaultOrder: "createTime desc",
    key: deployments.id,
    tokenSecret,
  });

  return {
    async get(accountId, id) {
      const [row] = await db.select().from(deployments).where(isOne(accountId, id));
      return row ?? null;
    },
    list(query, accountId, showDeleted) {
      const inAccount = eq(deployments.accountId, accountId);
      const scope = `deployments ${accountId} ${showDeleted}`;
      return list(query, showDeleted ? inAccount : and(inAccount, ne(deployments.state, "DELETED")), scope);
    },
    live: (accounts) =>
      db
        .select()
        .from(deployments)
        .where(
          and(
            ne(deployments.state, "DELETED"),
            accounts === undefined ? undefined : inArray(deployments.accountId, [...accounts]),
          ),
        ),
    insert: (row, events) => db.transaction((tx) => insertRow(tx, loaded, row, events)),
    change: (accountId, id, now, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(deployments).where(isOne(accountId, id)).for("update");
        return row === undefined ? null : changeRow(tx, loaded, row, now, change(row));
      }),
    purge: (accountId, id) =>
      db.transaction(async (tx) => {
        const [row] = await tx.delete(deployments).where(isOne(accountId, id)).returning();
        if (row === undefined) return;
        await tx.delete(deploymentEvents).where(ofDeployment(accountId, id));
        await loaded.onPurged(tx, row);
        await tx.execute(sql`select pg_notify(${DEPLOYMENT_CHANGES_CHANNEL}, ${accountId})`);
      }),
    async touch(accountId, id, usedAt) {
      await db
        .update(deployments)
        .set({ lastUsedTime: usedAt })
        .where(and(isOne(accountId, id), lt(deployments.lastUsedTime, usedAt)));
    },
    async events(accountId, id, limit) {
      const { time, type, message } = deploymentEvents;
      const rows = await db
        .select({ time, type, message })
        .from(deploymentEvents)
        .where(ofDeployment(accountId, id))
        .orderBy(desc(deploymentEvents.seq))
        .limit(limit);
      return rows.reverse();
    },
    async isUsed(model) {
      const { baseModel, servedModel, spec, state } = deployments;
      const needsIt = or(
        eq(baseModel, model),
        eq(servedModel, model),
        sql`(${spec} ? 'draftModel' and ${spec}->>'draftModel' = ${model})`,
      );
      const rows = await db
        .select({ id: deployments.id })
        .from(deployments)
        .where(and(needsIt, ne(state, "DELETED")))
        .limit(1);
      return rows.length > 0;
    },
  };
}

async function insertRow(
  tx: Transaction,
  loaded: DeploymentHooks,
  row: DeploymentRow,
  events: DeploymentChange["events"],
): Promise<boolean> {
  const inserted = await tx
    .insert(deployments)
    .values(row)
    .onConflictDoNothing()
    .returning({ id: deployments.id });
  if (inserted.length === 0) return false;
  await loaded.onCreated(tx, row);
  await insertEvents(tx, row, row.createTime, events);
  await enqueueAndNotify(tx, row, row.createTime);
  return true;
}

async function changeRow(
  tx: Transaction,
  loaded: DeploymentHooks,
  row: DeploymentRow,
  now: Date,
  change: DeploymentChange | null,
): Promise<DeploymentRow> {
  if (change === null) return row;
  if (change.checkDeletable) await loaded.checkDeletable(tx, row);
  const next = change.row;
  await tx.update(deployments).set(next).where(isOne(row.accountId, row.id));
  if (next.state !== row.state || next.statusMessage !== row.statusMessage)
    await loaded.onStateChanged(tx, next);
  await insertEvents(tx, next, now, change.events);
  if (!change.quiet) await enqueueAndNotify(tx, next, now);
  return next;
}

function isOne(accountId: string, id: string): SQL | undefined {
  return and(eq(deployments.accountId, accountId), eq(deployments.id, id));
}

function ofDeployment(accountId: string, id: string): SQL | undefined {
  return and(eq(deploymentEvents.accountId, accountId), eq(deploymentEvents.deploymentId, id));
}

async function insertEvents(
  tx: Transaction,
  { accountId, id }: DeploymentRow,
  time: Date,
  events: DeploymentChange["events"] = [],
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({ ...event, accountId, deploymentId: id, time }));
  await tx.insert(deploymentEvents).values(rows);
  await tx.execute(sql`
    delete from deployment_events where account_id = ${accountId} and deployment_id = ${id} and seq <= (
      select seq from deployment_events where account_id = ${accountId} and deployment_id = ${id}
      order by seq desc offset ${MAX_EVENTS} limit 1)`);
}

/** Notifies all processes and wakes the reconciler for the deployment. */
async function enqueueAndNotify(tx: Transaction, { accountId, id }: DeploymentRow, now: Date): Promise<void> {
  await addWork(tx, DEPLOYMENT_WORK, [`${accountId}/${id}`], now.getTime());
  await tx.execute(sql`select pg_notify(${DEPLOYMENT_CHANGES_CHANNEL}, ${accountId})`);
}

function listFields() {
  const t = deployments;
  const inSpec = (field: string): SQL => sql`(${t.spec}->>${sql.raw(`'${field}'`)})`;
  const countOf = (field: string, otherwise: SQL): SQL =>
    sql`coalesce(${inSpec(field)}::integer, ${otherwise})`;
  const min = countOf("minReplicaCount", sql`0`);
  return {
    name: { sql: sql`('accounts/' || ${t.accountId} || '/deployments/' || ${t.id})`, type: "string" },
    displayName: { sql: sql`coalesce(${inSpec("displayName")}, '')`, type: "string" },
    description: { sql: sql`coalesce(${inSpec("description")}, '')`, type: "string" },
    createTime: { sql: sql`${t.createTime}`, type: "timestamp" },
    updateTime: { sql: sql`${t.updateTime}`, type: "timestamp" },
    deleteTime: { sql: sql`${t.deleteTime}`, type: "timestamp" },
    purgeTime: { sql: sql`${t.purgeTime}`, type: "timestamp" },
    state: { sql: sql`${t.state}`, type: "enum", values: STATES },
    baseModel: { sql: sql`${t.baseModel}`, type: "string" },
    annotations: { sql: sql`(${t.spec}->'annotations')`, type: "map" },
    minReplicaCount: { sql: min, type: "int" },
    maxReplicaCount: { sql: countOf("maxReplicaCount", sql`greatest(${min}, 1)`), type: "int" },
    replicaCount: { sql: sql`(${t.observed}->>'ready')::integer`, type: "int" },
    desiredReplicaCount: { sql: sql`(${t.observed}->>'desiredReplicas')::integer`, type: "int" },
    acceleratorType: {
      sql: sql`coalesce(${inSpec("acceleratorType")}, 'ACCELERATOR_TYPE_UNSPECIFIED')`,
      type: "enum",
      values: ACCELERATOR_TYPES,
    },
    acceleratorCount: { sql: countOf("acceleratorCount", sql`0`), type: "int" },
    precision: {
      sql: sql`coalesce(${inSpec("precision")}, 'PRECISION_UNSPECIFIED')`,
      type: "enum",
      values: PRECISIONS,
    },
    enableAddons: { sql: sql`coalesce(${inSpec("enableAddons")}::boolean, false)`, type: "boolean" },
    draftModel: { sql: sql`coalesce(${inSpec("draftModel")}, '')`, type: "string" },
    deploymentShape: { sql: sql`coalesce(${inSpec("deploymentShape")}, '')`, type: "string" },
    draftTokenCount: { sql: countOf("draftTokenCount", sql`0`), type: "int" },
    ngramSpeculationLength: { sql: countOf("ngramSpeculationLength", sql`0`), type: "int" },
    maxContextLength: { sql: countOf("maxContextLength", sql`0`), type: "int" },
    enableSessionAffinity: {
      sql: sql`coalesce(${inSpec("enableSessionAffinity")}::boolean, false)`,
      type: "boolean",
    },
    "placement.region": { sql: sql`(${t.spec} #>> '{placement,region}')`, type: "enum", values: REGIONS },
    "status.code": { sql: sql`${t.statusCode}`, type: "string" },
    directRouteType: { sql: sql`coalesce(${inSpec("directRouteType")}, '')`, type: "string" },
  } as const satisfies Parameters<typeof createListing>[0]["fields"];
}

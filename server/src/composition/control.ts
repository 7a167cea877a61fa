import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../config.ts";
import {
  type Accounts,
  createAccounts,
  LIBRARY_ACCOUNT,
  type Principal,
} from "../control/accounts/service.ts";
import { type ApiKeys, createApiKeys } from "../control/api-keys/service.ts";
import { type Audit, createAudit } from "../control/audit/service.ts";
import { refuseSuspended } from "../control/billing/routes.ts";
import { BillingService, spendQuota } from "../control/billing/service.ts";
import { createDatasets } from "../control/datasets/service.ts";
import {
  createDeployedModels,
  type DeployedModels,
  deployedModelHooks,
  nameServerlessDeployments,
} from "../control/deployed-models/service.ts";
import { checkDeploymentSize, createDeploymentShapes } from "../control/deployment-shapes/service.ts";
import { createDeployments, type FetchFile, type FleetSpecDeps } from "../control/deployments/service.ts";
import {
  type AttachedModel,
  type CatalogWeights,
  createModelsService,
  type ModelCatalog,
  type ModelsService,
} from "../control/models/service.ts";
import { createQuotas, type Quotas } from "../control/quotas/service.ts";
import { createReservations, type Reservations } from "../control/reservations/service.ts";
import { createUsage } from "../control/usage/service.ts";
import { createUsers } from "../control/users/service.ts";
import { type DeploymentSpec, ensureWeights, type Fleet } from "../fleet/service.ts";
import type { Clock } from "../lib/clock.ts";
import { type Billing, createBilling } from "../metering/billing/service.ts";
import type { Prices } from "../metering/money/service.ts";
import { acceleratorTime, type UsageLedger, usageReports } from "../metering/usage/service.ts";
import { Orchestrator } from "../orchestration/service.ts";
import { type BlobStore, openBlobStore } from "../platform/blobs/blob-store.ts";
import { s3ServerFromEnv } from "../platform/blobs/s3-server.ts";
import type { Database } from "../platform/db/database.ts";
import { platformSecret } from "../platform/db/secrets.ts";
import type { ResourceRoute } from "../platform/http/resources.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { controlRoutes } from "./control-routes.ts";
import { engineFor, weightsFormatFor } from "./engines.ts";

const CATALOG_DIR = fileURLToPath(new URL("../../../catalog", import.meta.url));

/** The platform itself, where nobody asks. */
const PLATFORM_PRINCIPAL: Principal = {
  accountId: LIBRARY_ACCOUNT,
  keyId: "",
  userId: "",
  role: "admin",
  isOperator: true,
};

export interface ControlPlane {
  apiKeys: ApiKeys;
  blobStore: BlobStore;
  orchestrator: Orchestrator;
  quotas: Quotas;
  billing: Billing;
  audit: Audit;
  routes: readonly ResourceRoute[];
  /** Begins the work that is done for resources: what should run is brought up. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface ControlPlaneDeps {
  config: Config;
  database: Database;
  clock: Clock;
  log: Log;
  fleet: Fleet;
  ledger: UsageLedger;
  prices: Prices;
  /** What the platform runs for everybody. */
  served: readonly DeploymentSpec[];
  library: ModelCatalog;
  attached: readonly AttachedModel[];
  /** Where this server listens, as `http://host:port`. */
  ownUrl(): string;
}

/** Puts the resources together, in the order in which they need each other. */
export async function createControlPlane(deps: ControlPlaneDeps): Promise<ControlPlane> {
  const { config, database, clock, log, fleet, ledger, served, library } = deps;
  const tokenSecret = await platformSecret(database, "page-token");
  const accounts = createAccounts({ database, clock, tokenSecret });
  const users = createUsers({ database, accounts, clock, tokenSecret });
  const apiKeys = await createApiKeys({ database, users, clock, log, tokenSecret });
  const blobStore = await openBlobs(deps);
  const audit = createAudit({ database, clock, log, tokenSecret, retentionDays: config.auditRetentionDays });
  const reservations = createReservations({ database, clock, tokenSecret, accounts, users });
  const billing = openBilling(deps, { accounts, reservations, tokenSecret });
  const quotas = await createQuotas({
    ...{ database, clock, log, tokenSecret, accounts, existingKeys: apiKeys.existing },
    ...{ requestsPerMinute: config.requestsPerMinute, region: config.region },
    sources: {
      models: {
        usageOf: async (id) => (await models.list(PLATFORM_PRINCIPAL, id, { pageSize: 1 })).totalSize,
      },
      loras: { usageOf: (id) => countAddons(deployedModels, id) },
      ...quotaSources(deps, billing),
    },
    acceleratorsOf: (accountId) => deployments.acceleratorsOf(accountId),
  });
  const datasets = openDatasets(deps, { blobs: blobStore.blobs, tokenSecret, users });
  const models = await openModels(deps, {
    ...{ blobs: blobStore.blobs, tokenSecret, accounts, users },
    modelRefs: (principal, name) => deployedModels.refs(principal, name),
    inUse: (name) => deployedModels.inUse(name),
    withinQuota: (accountId, make) => quotas.within(accountId, "models", 1, make),
  });
  const shapes = createDeploymentShapes({ database, accounts, models, clock, log, tokenSecret });
  await shapes.importCatalog(join(CATALOG_DIR, "shapes"));
  const addonsPerAccount = (accountId: string): number => quotas.valueOf(accountId, "loras");
  const deployments = createDeployments({
    ...{ database, clock, tokenSecret, accounts, users, models, shapes },
    keySecret: await platformSecret(database, "direct-route-keys"),
    checkSize: checkDeploymentSize,
    weightsFormatFor: (acceleratorType) => weightsFormatFor(config, acceleratorType),
    hooks: deployedModelHooks(addonsPerAccount),
    hostRegion: config.region,
    observe: (name) => fleet.observe(name),
    requestMetrics: (replicaPrefix, sinceMs) => ledger.summarize(replicaPrefix, sinceMs),
    acceleratorQuota: (...args) => quotas.withinAccelerators(...args),
    checkGrowth: billing.check,
  });
  const deployedModels = createDeployedModels({
    ...{ database, clock, tokenSecret, users, models, deployments },
    serverless: nameServerlessDeployments(served.map(({ id }) => id)),
    addonsPerAccount,
  });
  const orchestrator = new Orchestrator({
    ...{ database, clock, log, fleet, deployments, deployedModels, library, serverless: served },
    describe: (principal, name) => models.describe(principal, name),
    ...fleetSpecDeps(config, models),
    isSuspended: billing.isSuspended,
  });
  return {
    apiKeys,
    blobStore,
    orchestrator,
    quotas,
    billing,
    audit,
    routes: refuseSuspended(
      controlRoutes({
        ...{ accounts, users, apiKeys, datasets, models, shapes },
        ...{ deployments, deployedModels, quotas, reservations },
        ...{ billing: new BillingService({ billing, accounts }), audit },
        usage: createUsage({ reports: usageReports(database), clock, tokenSecret }),
      }),
      billing.check,
    ),
    async start() {
      await Promise.all([datasets.start(), models.start()]);
      await billing.start();
      await orchestrator.start();
      billing.onSuspension(() => void orchestrator.refresh().catch(() => {}));
    },
    async close() {
      await Promise.all([orchestrator.close(), audit.close()]);
      await Promise.all([apiKeys.close(), billing.close(), quotas.close(), datasets.close(), models.close()]);
    },
  };
}

function openBilling(
  { config, database, clock, log, ledger, prices }: ControlPlaneDeps,
  more: { accounts: Accounts; reservations: Reservations; tokenSecret: Buffer },
): Billing {
  const { accounts, reservations, tokenSecret } = more;
  const reports = usageReports(database);
  return createBilling({
    ...{ database, clock, log, tokenSecret, enabled: config.billing },
    ...{ suspensions: accounts.suspensions, spendThresholds: accounts.spendThresholds },
    usage: { ...reports, onClosed: (listener) => ledger.onClosed(listener), flush: () => ledger.flush() },
    reservations: {
      prices,
      async between(from, to) {
        const all = await reservations.between(from, to);
        return all.filter(({ region }) => [config.region ?? region, "REGION_UNSPECIFIED"].includes(region));
      },
      acceleratorTime: (accountIds, from, to) => acceleratorTime(database, accountIds, from, to),
    },
  });
}

async function openBlobs({ config, database, clock, ownUrl }: ControlPlaneDeps): Promise<BlobStore> {
  return openBlobStore({
    folder: join(config.dataDir, "blobs"),
    s3: config.blobStore,
    env: config.env,
    secret: await platformSecret(database, "signed-url"),
    publicUrl: config.publicUrl,
    ownUrl,
    clock,
  });
}

function openModels(
  deps: ControlPlaneDeps,
  more: Pick<
    Parameters<typeof createModelsService>[0],
    "blobs" | "tokenSecret" | "accounts" | "users" | "modelRefs" | "inUse" | "withinQuota"
  >,
): Promise<ModelsService> {
  const { config, database, clock, log, attached } = deps;
  return createModelsService({
    ...{ database, clock, log, attached, ...more },
    catalogDir: CATALOG_DIR,
    folder: join(config.dataDir, "models"),
    fetchWeights: (weights, signal, onPhase) => fetchWeights(deps, weights, signal, onPhase),
    s3: config.blobStore ?? s3ServerFromEnv(config.env),
  });
}

function openDatasets(
  { database, clock, log }: ControlPlaneDeps,
  more: Pick<Parameters<typeof createDatasets>[0], "blobs" | "tokenSecret" | "users">,
) {
  return createDatasets({
    ...{ database, clock, log, ...more },
    onSweepFailure: (error) => log.warn({ err: error }, "Files of deleted datasets can't be removed yet"),
  });
}

function fleetSpecDeps(config: Config, models: ModelsService): FleetSpecDeps {
  return {
    engineFor: (workload) => engineFor(config, workload),
    fetchModel: (name, precision) => modelFetcher(models, name, precision === null ? {} : { precision }),
    fetchUpload: (name) => modelFetcher(models, name, { asUploaded: true }),
  };
}

function modelFetcher(
  models: ModelsService,
  name: string,
  how: { precision?: string; asUploaded?: boolean },
): FetchFile {
  return async (signal, onPhase) => {
    const model = await models.deployable(PLATFORM_PRINCIPAL, name);
    return model.fetch({ signal, onPhase, ...how });
  };
}

function quotaSources(deps: ControlPlaneDeps, billing: Billing) {
  return {
    // Nothing of the kind is served yet, so that there are none.
    "concurrent-streaming-connections": { usageOf: async () => 0 },
    "gpu-hours-per-month": { usageOf: (accountId: string) => gpuHours(deps, accountId) },
    "monthly-spend-usd": spendQuota(billing),
  };
}

/** Of an account's accelerators, in this month of UTC; what is not in the database yet is missing. */
async function gpuHours({ database, clock }: ControlPlaneDeps, accountId: string): Promise<number> {
  const now = new Date(clock.now());
  const [fromMs, toMs] = [0, 1].map((more) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + more));
  const month = { accountId, fromMs: fromMs!, toMs: toMs!, groupBy: [], filter: null };
  return Number((await usageReports(database).total(month)).gpuMs) / 3_600_000;
}

async function countAddons({ store }: DeployedModels, accountId: string): Promise<number> {
  return (await store.live(new Set([accountId]))).filter((row) => row.isAddon).length;
}

async function fetchWeights(
  { config, clock, log }: ControlPlaneDeps,
  weights: CatalogWeights,
  signal: AbortSignal,
  onPhase: (message: string) => void,
): Promise<string> {
  const { cacheDir, hubEndpoint, env } = config;
  const { path } = await ensureWeights(weights, {
    ...{ cacheDir, hubEndpoint, env, clock, log, signal },
    onProgress({ receivedBytes, totalBytes }) {
      onPhase(
        `The model's weights are being fetched: ${Math.floor((receivedBytes / totalBytes) * 100)} % so far.`,
      );
    },
  });
  return path;
}

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../config.ts";
import { accountRoutes } from "../control/accounts/routes.ts";
import { createAccounts, PLATFORM } from "../control/accounts/service.ts";
import { apiKeyRoutes } from "../control/api-keys/routes.ts";
import { type ApiKeys, createApiKeys } from "../control/api-keys/service.ts";
import { auditRoutes } from "../control/audit/routes.ts";
import { type Audit, createAudit } from "../control/audit/service.ts";
import { billingRoutes } from "../control/billing/routes.ts";
import { BillingService, spendQuota } from "../control/billing/service.ts";
import { datasetRoutes } from "../control/datasets/routes.ts";
import { createDatasets } from "../control/datasets/service.ts";
import { deployedModelRoutes } from "../control/deployed-models/routes.ts";
import {
  createDeployedModels,
  deployedModelHooks,
  nameServerlessDeployments,
} from "../control/deployed-models/service.ts";
import { deploymentShapeRoutes } from "../control/deployment-shapes/routes.ts";
import { checkDeploymentSize, createDeploymentShapes } from "../control/deployment-shapes/service.ts";
import { deploymentRoutes } from "../control/deployments/routes.ts";
import { createDeployments, type FetchFile, type FleetSpecDeps } from "../control/deployments/service.ts";
import { modelResourceRoutes } from "../control/models/routes.ts";
import {
  type AttachedModel,
  type CatalogWeights,
  createModelsService,
  type ModelCatalog,
  type ModelsService,
} from "../control/models/service.ts";
import { quotaRoutes } from "../control/quotas/routes.ts";
import { createQuotas, type Quotas } from "../control/quotas/service.ts";
import { reservationRoutes } from "../control/reservations/routes.ts";
import { createReservations, type Reservations } from "../control/reservations/service.ts";
import { usageRoutes } from "../control/usage/routes.ts";
import { createUsage } from "../control/usage/service.ts";
import { userRoutes } from "../control/users/routes.ts";
import { createUsers } from "../control/users/service.ts";
import { type DeploymentSpec, ensureWeights, type Fleet } from "../fleet/service.ts";
import type { Clock } from "../lib/clock.ts";
import { type Billing, type BillingDeps, createBilling } from "../metering/billing/service.ts";
import type { Prices } from "../metering/money/service.ts";
import { acceleratorTime, type UsageLedger, usageReports } from "../metering/usage/service.ts";
import { Orchestrator } from "../orchestration/service.ts";
import { type BlobStore, openBlobStore } from "../platform/blobs/blob-store.ts";
import { s3ServerFromEnv } from "../platform/blobs/s3-server.ts";
import type { Database } from "../platform/db/database.ts";
import { platformSecret } from "../platform/db/secrets.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { engineFor, weightsFormatFor } from "./engines.ts";
import type { Lifecycle } from "./lifecycle.ts";

const CATALOG_DIR = fileURLToPath(new URL("../../../catalog", import.meta.url));

/** The parts of the control plane that the rest of the platform uses. */
export interface ControlPlane {
  apiKeys: ApiKeys;
  blobStore: BlobStore;
  orchestrator: Orchestrator;
  quotas: Quotas;
  billing: Billing;
  audit: Audit;
}

export interface ControlPlaneDeps {
  /** Takes every part, with its routes, its start and its close. */
  lifecycle: Lifecycle;
  config: Config;
  database: Database;
  clock: Clock;
  log: Log;
  fleet: Fleet;
  ledger: UsageLedger;
  prices: Prices;
  /** Serverless deployments, which the platform runs for all accounts. */
  served: readonly DeploymentSpec[];
  library: ModelCatalog;
  attached: readonly AttachedModel[];
  /** Where this server listens, as `http://host:port`; empty before it listens. */
  ownUrl(): string;
}

/** The parts that every resource is created with. */
interface ControlBase {
  database: Database;
  clock: Clock;
  log: Log;
  /** Seals page tokens. */
  tokenSecret: Buffer;
}

/**
 * Creates the resources, each after those that it needs. A part that is needed by earlier ones registers with them.
 */
export async function createControlPlane(deps: ControlPlaneDeps): Promise<ControlPlane> {
  const { lifecycle, config, database, clock, log, fleet, ledger, served, library } = deps;
  const base: ControlBase = {
    database,
    clock,
    log,
    tokenSecret: await platformSecret(database, "page-token"),
  };
  const accounts = lifecycle.addResource(createAccounts(base), accountRoutes);
  const users = lifecycle.addResource(createUsers({ ...base, accounts }), userRoutes);
  const apiKeys = lifecycle.addResource(await createApiKeys({ ...base, users }), apiKeyRoutes);
  const blobStore = await openBlobStore({
    folder: join(config.dataDir, "blobs"),
    s3: config.blobStore,
    env: config.env,
    secret: await platformSecret(database, "signed-url"),
    publicUrl: config.publicUrl,
    ownUrl: deps.ownUrl,
    clock,
  });
  const { blobs } = blobStore;
  const audit = lifecycle.addResource(
    createAudit({ ...base, retentionDays: config.auditRetentionDays }),
    auditRoutes,
  );
  const reservations = lifecycle.addResource(
    createReservations({ ...base, accounts, users }),
    reservationRoutes,
  );
  const billing = lifecycle.add(
    createBilling({
      ...base,
      enabled: config.billing,
      suspensions: accounts.suspensions,
      spendThresholds: accounts.spendThresholds,
      usage: {
        ...usageReports(database),
        onClosed: (listener) => ledger.onClosed(listener),
        flush: () => ledger.flush(),
      },
      reservations: reservedCapacity(deps, reservations),
    }),
  );
  lifecycle.addResource(new BillingService({ billing, accounts }), billingRoutes);
  lifecycle.addResource(createUsage({ ...base, reports: usageReports(database) }), usageRoutes);
  const quotas = lifecycle.addResource(
    await createQuotas({
      ...base,
      accounts,
      existingKeys: apiKeys.existing,
      requestsPerMinute: config.requestsPerMinute,
      region: config.region,
    }),
    quotaRoutes,
  );
  quotas.register("monthly-spend-usd", spendQuota(billing));
  quotas.register("gpu-hours-per-month", { usageOf: (accountId) => gpuHoursOf(deps, accountId) });
  // Nothing is served over such connections yet.
  quotas.register("concurrent-streaming-connections", { usageOf: async () => 0 });
  lifecycle.addResource(
    createDatasets({
      ...base,
      blobs,
      users,
      onSweepFailure: (error) => log.warn({ err: error }, "Files of deleted datasets can't be removed yet"),
    }),
    datasetRoutes,
  );
  const models = lifecycle.addResource(
    await createModelsService({
      ...base,
      accounts,
      users,
      blobs,
      attached: deps.attached,
      catalogDir: CATALOG_DIR,
      folder: join(config.dataDir, "models"),
      fetchWeights: (weights, signal, onPhase) => fetchCatalogWeights(deps, weights, signal, onPhase),
      s3: config.blobStore ?? s3ServerFromEnv(config.env),
      withinQuota: (accountId, make) => quotas.within(accountId, "models", 1, make),
    }),
    modelResourceRoutes,
  );
  quotas.register("models", {
    usageOf: async (accountId) => (await models.list(PLATFORM, accountId, { pageSize: 1 })).totalSize,
  });
  const shapes = lifecycle.addResource(
    createDeploymentShapes({ ...base, accounts, models }),
    deploymentShapeRoutes,
  );
  await shapes.importCatalog(join(CATALOG_DIR, "shapes"));
  const addonsPerAccount = (accountId: string): number => quotas.valueOf(accountId, "loras");
  const deployments = lifecycle.addResource(
    createDeployments({
      ...base,
      accounts,
      users,
      models,
      shapes,
      keySecret: await platformSecret(database, "direct-route-keys"),
      checkSize: checkDeploymentSize,
      weightsFormatFor: (acceleratorType) => weightsFormatFor(config, acceleratorType),
      hooks: deployedModelHooks(addonsPerAccount),
      hostRegion: config.region,
      observe: (name) => fleet.observe(name),
      requestMetrics: (replicaPrefix, sinceMs) => ledger.summarize(replicaPrefix, sinceMs),
      acceleratorQuota: quotas.withinAccelerators,
      checkGrowth: billing.check,
    }),
    deploymentRoutes,
  );
  quotas.registerAccelerators(deployments.acceleratorsOf);
  const deployedModels = lifecycle.addResource(
    createDeployedModels({
      ...base,
      users,
      models,
      deployments,
      serverless: nameServerlessDeployments(served.map(({ id }) => id)),
      addonsPerAccount,
    }),
    deployedModelRoutes,
  );
  models.registerReferences({ modelRefs: deployedModels.refs, inUse: deployedModels.inUse });
  quotas.register("loras", {
    async usageOf(accountId) {
      const rows = await deployedModels.store.live(new Set([accountId]));
      return rows.filter(({ isAddon }) => isAddon).length;
    },
  });
  // `npm run new:resource` adds new resources above this line.
  const orchestrator = lifecycle.add(
    new Orchestrator({
      ...base,
      fleet,
      deployments,
      deployedModels,
      library,
      serverless: served,
      describe: models.describe,
      ...fleetSpecDeps(config, models),
      isSuspended: billing.isSuspended,
    }),
  );
  lifecycle.add({
    start: () => billing.onSuspension(() => void orchestrator.refresh().catch(() => {})),
  });
  return { apiKeys, blobStore, orchestrator, quotas, billing, audit };
}

/** The reserved accelerators that this installation bills: those of its region, or all where it has none. */
function reservedCapacity(
  { config, database, prices }: ControlPlaneDeps,
  reservations: Reservations,
): NonNullable<BillingDeps["reservations"]> {
  return {
    prices,
    async between(from, to) {
      const all = await reservations.between(from, to);
      return all.filter(({ region }) => [config.region ?? region, "REGION_UNSPECIFIED"].includes(region));
    },
    acceleratorTime: (accountIds, from, to) => acceleratorTime(database, accountIds, from, to),
  };
}

/** Accelerator hours of the account in this month of UTC, without usage that has not reached the database yet. */
async function gpuHoursOf({ database, clock }: ControlPlaneDeps, accountId: string): Promise<number> {
  const now = new Date(clock.now());
  const month = {
    accountId,
    fromMs: Date.UTC(now.getUTCFullYear(), now.getUTCMonth()),
    toMs: Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1),
    groupBy: [],
    filter: null,
  };
  return Number((await usageReports(database).total(month)).gpuMs) / 3_600_000;
}

function fleetSpecDeps(config: Config, models: ModelsService): FleetSpecDeps {
  const fetcher =
    (name: string, how: { precision?: string; asUploaded?: boolean }): FetchFile =>
    async (signal, onPhase) => {
      const model = await models.deployable(PLATFORM, name);
      return model.fetch({ signal, onPhase, ...how });
    };
  return {
    engineFor: (workload) => engineFor(config, workload),
    fetchModel: (name, precision) => fetcher(name, precision === null ? {} : { precision }),
    fetchUpload: (name) => fetcher(name, { asUploaded: true }),
  };
}

/** Downloads weights of the catalog to this host. Resolves with their path. */
async function fetchCatalogWeights(
  { config, clock, log }: ControlPlaneDeps,
  weights: CatalogWeights,
  signal: AbortSignal,
  onPhase: (message: string) => void,
): Promise<string> {
  const { path } = await ensureWeights(weights, {
    cacheDir: config.cacheDir,
    hubEndpoint: config.hubEndpoint,
    env: config.env,
    clock,
    log,
    signal,
    onProgress({ receivedBytes, totalBytes }) {
      onPhase(
        `The model's weights are being fetched: ${Math.floor((receivedBytes / totalBytes) * 100)} % so far.`,
      );
    },
  });
  return path;
}

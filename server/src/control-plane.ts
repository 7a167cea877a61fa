import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.ts";
import { accountRoutes } from "./control/accounts/routes.ts";
import { createAccounts, LIBRARY_ACCOUNT, type Principal } from "./control/accounts/service.ts";
import { apiKeyRoutes } from "./control/api-keys/routes.ts";
import { type ApiKeys, createApiKeys } from "./control/api-keys/service.ts";
import { datasetRoutes } from "./control/datasets/routes.ts";
import { createDatasets } from "./control/datasets/service.ts";
import { deployedModelRoutes } from "./control/deployed-models/routes.ts";
import {
  createDeployedModels,
  type DeployedModels,
  loadedModels,
  nameServerless,
} from "./control/deployed-models/service.ts";
import { deploymentShapeRoutes } from "./control/deployment-shapes/routes.ts";
import { checkDeploymentSize, createDeploymentShapes } from "./control/deployment-shapes/service.ts";
import { deploymentRoutes } from "./control/deployments/routes.ts";
import { createDeployments, type FetchFile } from "./control/deployments/service.ts";
import { modelResourceRoutes } from "./control/models/routes.ts";
import {
  type AttachedModel,
  type CatalogWeights,
  createModels,
  type ModelService,
  type Models,
} from "./control/models/service.ts";
import { quotaRoutes } from "./control/quotas/routes.ts";
import { createQuotas, type Quotas } from "./control/quotas/service.ts";
import { reservationRoutes } from "./control/reservations/routes.ts";
import { createReservations } from "./control/reservations/service.ts";
import { Serving } from "./control/serving/service.ts";
import { userRoutes } from "./control/users/routes.ts";
import { createUsers } from "./control/users/service.ts";
import { type DeploymentSpec, ensureWeights, type Fleet } from "./fleet/service.ts";
import { engineFor } from "./fleet-setup.ts";
import type { Clock } from "./lib/clock.ts";
import type { UsageLedger } from "./metering/usage/service.ts";
import { type BlobStore, openBlobStore } from "./platform/blobs/open.ts";
import { s3ServerOf } from "./platform/blobs/s3-server.ts";
import type { Database } from "./platform/db/database.ts";
import { platformSecret } from "./platform/db/secrets.ts";
import type { ResourceRoute } from "./platform/http/resources.ts";
import type { Log } from "./platform/telemetry/log.ts";

const CATALOG_DIR = fileURLToPath(new URL("../../catalog", import.meta.url));

/** The platform itself, where nobody asks. */
const PLATFORM: Principal = {
  accountId: LIBRARY_ACCOUNT,
  keyId: "",
  userId: "",
  role: "admin",
  isOperator: true,
};

export interface ControlPlane {
  apiKeys: ApiKeys;
  blobStore: BlobStore;
  serving: Serving;
  quotas: Quotas;
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
  /** What the platform runs for everybody. */
  served: readonly DeploymentSpec[];
  library: ModelService;
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
  const quotas = await createQuotas({
    ...{ database, clock, log, tokenSecret, accounts },
    ...{ requestsPerMinute: config.requestsPerMinute, region: config.region },
    sources: {
      models: { usageOf: async (id) => (await models.list(PLATFORM, id, { pageSize: 1 })).totalSize },
      loras: { usageOf: (id) => countAddons(deployedModels, id) },
    },
    acceleratorsOf: (accountId) => deployments.acceleratorsOf(accountId),
  });
  const reservations = createReservations({ database, clock, tokenSecret, accounts, users });
  const datasets = openDatasets(deps, { blobs: blobStore.blobs, tokenSecret, users });
  datasets.start();
  const models = await createModels({
    ...{ database, clock, log, blobs: blobStore.blobs, tokenSecret, accounts, users },
    catalogDir: CATALOG_DIR,
    attached: deps.attached,
    folder: join(config.dataDir, "models"),
    fetchWeights: (weights, signal, onPhase) => fetchWeights(deps, weights, signal, onPhase),
    s3: config.blobStore ?? s3ServerOf(config.env),
    modelRefs: (principal, name) => deployedModels.refs(principal, name),
    inUse: (name) => deployedModels.inUse(name),
    withinQuota: (accountId, make) => quotas.within(accountId, "models", 1, make),
  });
  const shapes = createDeploymentShapes({ database, accounts, models, clock, log, tokenSecret });
  await shapes.importLibrary(join(CATALOG_DIR, "shapes"));
  const deployments = createDeployments({
    ...{ database, clock, tokenSecret, accounts, users, models, shapes },
    keySecret: await platformSecret(database, "direct-route-keys"),
    checkSize: checkDeploymentSize,
    loaded: loadedModels,
    hostRegion: config.region,
    observe: (name) => fleet.observe(name),
    requestFigures: (replicaPrefix, sinceMs) => ledger.figures(replicaPrefix, sinceMs),
    acceleratorQuota: (...args) => quotas.withinAccelerators(...args),
  });
  const deployedModels = createDeployedModels({
    ...{ database, clock, tokenSecret, users, models, deployments },
    serverless: nameServerless(served.map(({ id }) => id)),
    addonsPerAccount: (accountId) => quotas.valueOf(accountId, "loras"),
  });
  const serving = new Serving({
    ...{ database, clock, log, fleet, deployments, deployedModels, library, serverless: served },
    describe: (principal, name) => models.describe(principal, name),
    engineFor: (workload, slots) => engineFor(config, workload, slots),
    fetchModel: (name, precision) => fetcherOf(models, name, precision),
  });
  return {
    apiKeys,
    blobStore,
    serving,
    quotas,
    routes: [
      ...accountRoutes(accounts),
      ...userRoutes(users),
      ...apiKeyRoutes(apiKeys),
      ...datasetRoutes(datasets),
      ...modelResourceRoutes(models),
      ...deploymentShapeRoutes(shapes),
      ...deploymentRoutes(deployments),
      ...deployedModelRoutes(deployedModels),
      ...quotaRoutes(quotas),
      ...reservationRoutes(reservations),
    ],
    async start() {
      await models.start();
      await serving.start();
    },
    async close() {
      await serving.close();
      await Promise.all([apiKeys.close(), quotas.close(), datasets.close(), models.close()]);
    },
  };
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

function openDatasets(
  { database, clock, log }: ControlPlaneDeps,
  more: Pick<Parameters<typeof createDatasets>[0], "blobs" | "tokenSecret" | "users">,
) {
  return createDatasets({
    ...{ database, clock, ...more },
    onSweepFailure: (error) => log.warn({ err: error }, "Files of deleted datasets can't be removed yet"),
  });
}

function fetcherOf(models: Models, name: string, precision: string | null): FetchFile {
  return async (signal, onPhase) => {
    const model = await models.deployable(PLATFORM, name);
    return model.fetch({ signal, onPhase, ...(precision === null ? {} : { precision }) });
  };
}

async function countAddons({ store }: DeployedModels, accountId: string): Promise<number> {
  const loaded = await store.live();
  return loaded.filter((row) => row.isAddon && row.accountId === accountId).length;
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

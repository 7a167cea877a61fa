import { join } from "node:path";
import type { Config } from "./config.ts";
import { accountRoutes } from "./control/accounts/routes.ts";
import { createAccounts } from "./control/accounts/service.ts";
import { apiKeyRoutes } from "./control/api-keys/routes.ts";
import { type ApiKeys, createApiKeys } from "./control/api-keys/service.ts";
import { datasetRoutes } from "./control/datasets/routes.ts";
import { createDatasets } from "./control/datasets/service.ts";
import { userRoutes } from "./control/users/routes.ts";
import { createUsers } from "./control/users/service.ts";
import type { Clock } from "./lib/clock.ts";
import { type BlobStore, openBlobStore } from "./platform/blobs/open.ts";
import type { Database } from "./platform/db/database.ts";
import { platformSecret } from "./platform/db/secrets.ts";
import type { ResourceRoute } from "./platform/http/resources.ts";
import type { Log } from "./platform/telemetry/log.ts";

export interface ControlPlane {
  apiKeys: ApiKeys;
  blobStore: BlobStore;
  routes: readonly ResourceRoute[];
  close(): Promise<void>;
}

export interface ControlPlaneDeps {
  config: Config;
  database: Database;
  clock: Clock;
  log: Log;
  /** Where this server listens, as `http://host:port`. */
  ownUrl(): string;
}

/** Puts the resources together, in the order in which they need each other. */
export async function createControlPlane(deps: ControlPlaneDeps): Promise<ControlPlane> {
  const { config, database, clock, log } = deps;
  const tokenSecret = await platformSecret(database, "page-token");
  const accounts = createAccounts({ database, clock, tokenSecret });
  const users = createUsers({ database, accounts, clock, tokenSecret });
  const apiKeys = await createApiKeys({ database, users, clock, log, tokenSecret });
  const blobStore = await openBlobStore({
    folder: join(config.dataDir, "blobs"),
    s3: config.blobStore,
    env: config.env,
    secret: await platformSecret(database, "signed-url"),
    publicUrl: config.publicUrl,
    ownUrl: deps.ownUrl,
    clock,
  });
  const datasets = createDatasets({
    database,
    clock,
    blobs: blobStore.blobs,
    tokenSecret,
    users,
    onSweepFailure: (error) => log.warn({ err: error }, "Files of deleted datasets can't be removed yet"),
  });
  datasets.start();
  return {
    apiKeys,
    blobStore,
    routes: [
      ...accountRoutes(accounts),
      ...userRoutes(users),
      ...apiKeyRoutes(apiKeys),
      ...datasetRoutes(datasets),
    ],
    async close() {
      await Promise.all([apiKeys.close(), datasets.close()]);
    },
  };
}

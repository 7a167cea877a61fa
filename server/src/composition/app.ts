import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Config, ConfigError } from "../config.ts";
import { suspensionCheck } from "../control/billing/service.ts";
import { createModelCatalog, type ModelCatalog } from "../control/models/service.ts";
import type { DeploymentSpec, Fleet } from "../fleet/service.ts";
import { modelOperations } from "../inference/models/protocol.ts";
import { modelRoutes } from "../inference/models/routes.ts";
import type { InferenceDeps } from "../inference/pipeline/pipeline.ts";
import { startTemplateRenderer } from "../inference/text/template/chat-template.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { createUsageLedger } from "../metering/usage/service.ts";
import { blobRoutes } from "../platform/blobs/routes.ts";
import { type Database, openDatabase } from "../platform/db/database.ts";
import { startEmbeddedPostgres } from "../platform/db/embedded-postgres.ts";
import { registerResources } from "../platform/http/resources.ts";
import { createHttpServer, type HttpServer } from "../platform/http/server.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { createMetrics } from "../platform/telemetry/metrics.ts";
import { startGrammarCompiler } from "../structured-output/grammar-compiler.ts";
import { createControlPlane } from "./control.ts";
import { attachedModels, createHostFleet, serverlessSpecs } from "./engines.ts";
import { registerGauges } from "./gauges.ts";
import { createInferenceServices, rawInferenceRoutes } from "./inference.ts";
import { Lifecycle } from "./lifecycle.ts";
import { loadConfiguredPrices, meterDeployments } from "./metering.ts";
import type { Terminal } from "./progress-bar.ts";
import { registerSystemRoutes } from "./system-routes.ts";
import { findContractOperation } from "./unbuilt-operations.ts";

export interface App {
  port: number;
  /** The operator's key if this start generated it; null if it existed before or comes from the settings. */
  apiKey: string | null;
  keyFile: string;
  /** Full names of the served models. */
  models: string[];
  /** Lets running requests finish for up to `graceMs`, then closes every part. Idempotent. */
  close(graceMs: number): Promise<void>;
}

export interface AppDeps {
  log: Log;
  terminal: Terminal;
  /** Aborts a start that takes long, as it downloads weights for example. */
  signal: AbortSignal;
  clock?: Clock;
  /** Replaces dependencies of the inference endpoints. The benchmark removes metering with it, to measure its cost. */
  overrideInferenceDeps?: (deps: InferenceDeps) => InferenceDeps;
}

const CATALOG_DIR = fileURLToPath(new URL("../../../catalog", import.meta.url));

/** How often the start checks whether the models are ready. */
const POLL_MS = 50;

/** Creates and starts every part of the platform. If one fails, the parts that exist are closed again. */
export async function startApp(config: Config, deps: AppDeps): Promise<App> {
  const lifecycle = new Lifecycle();
  try {
    return await startParts(lifecycle, config, deps);
  } catch (error) {
    await lifecycle.close(0).catch((err) => deps.log.error({ err }, "A part could not be closed"));
    throw error;
  }
}

async function startParts(lifecycle: Lifecycle, config: Config, deps: AppDeps): Promise<App> {
  const { log, clock = systemClock } = deps;
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const library = openModelCatalog(config);
  const prices = loadConfiguredPrices(config.pricesFile, library);
  startGrammarCompiler();
  startTemplateRenderer();
  // Models load while the database starts.
  const fleet = lifecycle.add(createHostFleet(config, { log, terminal: deps.terminal, clock }));
  const served = serverlessSpecs(config, library);
  for (const spec of served) fleet.apply(spec);

  const database = await openConfiguredDatabase(lifecycle, config, log);
  const spoolDir = join(config.dataDir, "usage-spool");
  const ledger = createUsageLedger({ database, clock, log, folder: spoolDir, prices });
  lifecycle.add({ close: () => ledger.shutDown() });
  const meter = meterDeployments(ledger, fleet, { clock, log });
  lifecycle.add({ close: () => meter.stop() });

  // The port is known once the server listens, which is the last thing that starts.
  let port = 0;
  const control = await createControlPlane({
    lifecycle,
    config,
    database,
    clock,
    log,
    fleet,
    ledger,
    prices,
    served,
    library,
    attached: attachedModels(config),
    ownUrl: () => (port === 0 ? "" : `http://${config.host}:${port}`),
  });
  const { apiKeys, orchestrator } = control;
  const keyFile = join(config.dataDir, "api-key");
  const { apiKey } = await apiKeys.bootstrap({
    accountId: config.accountId,
    apiKey: config.apiKey,
    keyFile,
  });
  const embedded = served.filter(({ engine }) => "kind" in engine);
  lifecycle.add({ start: () => waitForServerlessModels(fleet, embedded, clock, deps.signal) });

  const metrics = createMetrics();
  registerGauges(metrics, ledger, fleet);
  const services = await createInferenceServices({ lifecycle, config, clock, log, database, fleet, control });
  const configuredDeps: InferenceDeps = { clock, log, metrics, ledger, services };
  const inferenceDeps = deps.overrideInferenceDeps?.(configuredDeps) ?? configuredDeps;
  const rawRoutes = rawInferenceRoutes(inferenceDeps);
  const resourceRoutes = lifecycle.routes();
  let isDraining = false;
  const http = await createHttpServer({
    clock,
    log,
    authenticate: apiKeys.authenticate,
    rawRoutes,
    corsOrigins: config.corsOrigins ?? undefined,
    findUnbuilt: findContractOperation(),
    resolveDirectRoute: (path, authorization) => orchestrator.resolveDirectRoute(path, authorization),
    register(app) {
      registerSystemRoutes(app, {
        metrics,
        isDraining: () => isDraining,
        described: [
          ...resourceRoutes,
          ...rawRoutes.flatMap(({ description }) => description ?? []),
          ...modelOperations,
        ],
      });
      modelRoutes(app, orchestrator);
      blobRoutes(app, control.blobStore);
      registerResources(app, resourceRoutes, {
        audit: control.audit.record,
        refuseSuspended: suspensionCheck(control.billing.check),
      });
    },
  });
  lifecycle.add({
    async start() {
      port = await listen(http, config);
    },
    close(graceMs) {
      isDraining = true;
      return http.close(graceMs);
    },
  });

  await lifecycle.start();
  return {
    port,
    apiKey,
    keyFile,
    models: library.list().map(({ id }) => id),
    close: (graceMs) => lifecycle.close(graceMs),
  };
}

function openModelCatalog(config: Config): ModelCatalog {
  return createModelCatalog({
    catalogDir: CATALOG_DIR,
    aliases: Object.fromEntries(config.modelAliases),
    fallbackModel: config.fallbackModel ?? undefined,
    isFallbackLenient: config.isFallbackLenient,
    attachedModels: attachedModels(config),
  });
}

/** Opens the configured database, or starts the embedded PostgreSQL, and applies the migrations. */
async function openConfiguredDatabase(lifecycle: Lifecycle, config: Config, log: Log): Promise<Database> {
  let url = config.databaseUrl;
  if (url === null) {
    const server = await startEmbeddedPostgres({ dataDir: join(config.dataDir, "postgres"), log });
    lifecycle.add({ close: () => server.stop() });
    url = server.url;
  }
  const database = await openDatabase({ url, log });
  lifecycle.add({ close: () => database.close() });
  await database.migrate();
  return database;
}

/**
 * Waits until every serverless model of the embedded engine is ready or has failed. A model that fails doesn't keep the
 * platform down. Nobody waits for users' deployments, nor for other servers, which may load for minutes: requests for their
 * models wait.
 */
async function waitForServerlessModels(
  fleet: Fleet,
  served: readonly DeploymentSpec[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const ids = new Set(served.map(({ id }) => id));
  while (fleet.status().some(({ deployment, state }) => ids.has(deployment) && state === "starting")) {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
  }
}

/** @throws ConfigError naming the setting when the address can't be used. */
async function listen(http: HttpServer, config: Config): Promise<number> {
  try {
    return await http.listen(config.port, config.host);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new ConfigError("HEARTH_PORT", `port ${config.port} is taken by another program`);
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new ConfigError("HEARTH_HOST", `${config.host} is no address of this machine`);
    }
    if (code === "EACCES") throw new ConfigError("HEARTH_PORT", `port ${config.port} needs more rights`);
    throw error;
  }
}

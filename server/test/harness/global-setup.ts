import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../../src/config.ts";
import { createModelCatalog } from "../../src/control/models/service.ts";
import { ensureWeights } from "../../src/fleet/weights/ensure-weights.ts";
import { startEmbeddedPostgres } from "../../src/platform/db/embedded-postgres.ts";
import { createLog } from "../../src/platform/telemetry/log.ts";
import { createTemplateDatabase, dropTemplateDatabase } from "./database.ts";

type Teardown = () => Promise<void>;

/**
 * Runs before the tests of each project that needs a PostgreSQL or a model; the first project starts both for all of them.
 * Test files read `HEARTH_TEST_DATABASE_URL` and `HEARTH_TEST_TEMPLATE_DATABASE` (through `testDatabase()`) and
 * `HEARTH_TEST_MODEL`. A URL that is set already is used instead of a server of the run's own.
 */
export default async function setup(): Promise<Teardown> {
  process.env["HEARTH_TEST_MODEL"] ??= await defaultModelPath();
  if (process.env["HEARTH_TEST_TEMPLATE_DATABASE"] !== undefined) return async () => {};

  const givenUrl = process.env["HEARTH_TEST_DATABASE_URL"];
  const { url, stop } =
    givenUrl === undefined ? await startServer() : { url: givenUrl, stop: async () => {} };
  const template = await createTemplateDatabase(url);
  process.env["HEARTH_TEST_DATABASE_URL"] = url;
  process.env["HEARTH_TEST_TEMPLATE_DATABASE"] = template;
  return async () => {
    await dropTemplateDatabase(url, template);
    await stop();
  };
}

async function startServer(): Promise<{ url: string; stop: Teardown }> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-test-"));
  // PostgreSQL refuses to run as root; the user it runs as instead must be able to enter the folder.
  chmodSync(folder, 0o711);
  const server = await startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    systemFolder: join(tmpdir(), "hearth-test-system"),
    log: {
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: (...args: unknown[]) => console.error(...args),
    },
    // The data is thrown away, so durability would only cost time. Tests of durability start a server of their own.
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off" },
  });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The default model's weights, fetched as the platform fetches them and kept in the user's cache for the next run. */
async function defaultModelPath(): Promise<string> {
  const models = createModelCatalog({
    catalogDir: fileURLToPath(new URL("../../../catalog", import.meta.url)),
  });
  const weights = models.serverless().find((model) => model.engine === "llama-cpp")?.weights;
  if (weights === undefined) throw new Error("the catalog has no default model");
  const { cacheDir, hubEndpoint } = readConfig();
  const { path } = await ensureWeights(weights, {
    cacheDir,
    hubEndpoint,
    env: process.env,
    log: createLog("warn"),
  });
  return path;
}

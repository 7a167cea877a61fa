import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../../src/config.ts";
import { createModelCatalog } from "../../src/control/models/service.ts";
import { ensureWeights } from "../../src/fleet/weights/ensure-weights.ts";
import { startEmbeddedPostgres } from "../../src/platform/db/embedded-postgres.ts";
import { createLog } from "../../src/platform/telemetry/log.ts";

/**
 * Runs once before all test files: one real PostgreSQL for the whole run, and the default model's weights.
 * Test files read `HEARTH_TEST_DATABASE_URL` (through `testDatabase()`) and `HEARTH_TEST_MODEL`.
 */
export default async function setup(): Promise<() => Promise<void>> {
  process.env["HEARTH_TEST_MODEL"] ??= await defaultModelPath();
  if (process.env["HEARTH_TEST_DATABASE_URL"] !== undefined) return async () => {};

  const folder = mkdtempSync(join(tmpdir(), "hearth-test-"));
  // Root can't run PostgreSQL: another user does, and has to pass.
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
    // Thrown away afterwards: durability would only cost time. Tests of durability start a server of their own.
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off" },
  });
  process.env["HEARTH_TEST_DATABASE_URL"] = server.url;
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** The default model's weights, fetched like the platform fetches them; kept in the user's cache for the next run. */
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

import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/platform/db/embedded.ts";

/**
 * Runs once before all test files: one real PostgreSQL for the whole run, and the default model's weights.
 * Test files read `HEARTH_TEST_DATABASE_URL` (through `testDatabase()`) and `HEARTH_TEST_MODEL`.
 */
export default async function setup(): Promise<() => Promise<void>> {
  process.env["HEARTH_TEST_MODEL"] ??= defaultModelPath();
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

/** The default model's GGUF in the weights cache. The one place to call the weights' own loader from. */
function defaultModelPath(): string {
  const cache = join(homedir(), ".cache", "hearth", "weights");
  try {
    for (const digest of readdirSync(cache)) {
      const name = readdirSync(join(cache, digest)).find((file) => /^SmolLM2.*\.gguf$/.test(file));
      if (name !== undefined) return join(cache, digest, name);
    }
  } catch {
    // No cache yet: the tests that need the model say so themselves.
  }
  return "";
}

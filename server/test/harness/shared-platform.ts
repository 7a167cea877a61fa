import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testDatabase } from "./database.ts";
import { spawnPlatform } from "./platform-process.ts";

/** The response to the request that `sharedHearth()` sends. */
export interface SharedPlatform {
  baseUrl: string;
  /** The operator's key. */
  apiKey: string;
}

/**
 * Global set-up of the end-to-end project. Serves one endpoint to the test files' processes and starts the shared platform at
 * the first request, so that a run that needs no shared platform starts none. Needs the databases of `global-setup.ts`.
 */
export default async function setup(): Promise<() => Promise<void>> {
  let started: Promise<Started> | null = null;
  const server = http.createServer((_request, response) => {
    started ??= start();
    started
      .then((shared) => shared.platform)
      .then(
        (platform) => response.end(JSON.stringify(platform)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env["HEARTH_TEST_SHARED_PLATFORM_URL"] =
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return async () => {
    server.closeAllConnections();
    server.close();
    await started?.then(
      ({ stop }) => stop(),
      () => {},
    );
  };
}

interface Started {
  platform: SharedPlatform;
  stop(): Promise<void>;
}

async function start(): Promise<Started> {
  const dataDir = mkdtempSync(join(tmpdir(), "hearth-shared-"));
  chmodSync(dataDir, 0o711);
  const database = await testDatabase();
  const platform = spawnPlatform({ dataDir, databaseUrl: database.url });
  const stop = async (): Promise<void> => {
    await platform.stop();
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return { platform: { baseUrl: await platform.ready, apiKey: platform.apiKey }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

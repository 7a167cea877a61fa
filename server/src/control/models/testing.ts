import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { HttpResponse, Json } from "../../../test/harness/http.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { createLocalBlobs } from "../../platform/blobs/local.ts";
import { blobRoutes } from "../../platform/blobs/routes.ts";
import { SignedUrls } from "../../platform/blobs/signed-urls.ts";
import { createHttpServer } from "../../platform/http/server.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { modelResourceRoutes } from "./routes.ts";
import { createModelsService, type ModelsService, type ModelsServiceDeps } from "./service.ts";

export const MODELS = "/v1/accounts/acme/models";
/** A catalog model that has weights. */
export const DEFAULT_MODEL = "accounts/fireworks/models/smollm2-135m-instruct";

export interface ModelsSetup extends Tenants {
  models: ModelsService;
  blobs: Blobs;
  /** A user of acme. */
  alice: TestUser;
  /** An admin of another account. */
  mallory: TestUser;
  /** The folder of converted weights. */
  folder: string;
  /** Creates a folder that `close` removes. */
  newFolder(): string;
  deps: ModelsServiceDeps;
  /** Sends a request as Alice, asserts status 200 and returns the JSON of the response. */
  succeed(method: string, path: string, body?: unknown): Promise<Json>;
  /** Creates a model and uploads all files of a folder to it. */
  upload(id: string, folder: string, model?: object): Promise<void>;
}

/** Starts the models service on a real database and real files, behind an HTTP server. */
export async function startModels(overrides: Partial<ModelsServiceDeps> = {}): Promise<ModelsSetup> {
  const top = mkdtempSync(join(tmpdir(), "hearth-models-"));
  let deps!: ModelsServiceDeps;
  let models!: ModelsService;
  let origin = "";
  let blobServer!: Awaited<ReturnType<typeof createHttpServer>>;
  const tenants = await startTenants(async ({ database, clock, tokenSecret, accounts, users }) => {
    const log = createLog("silent");
    const urls = new SignedUrls(Buffer.alloc(32, 1), clock);
    const local = createLocalBlobs({ folder: join(top, "blobs"), clock, urls, origin: () => origin });
    blobServer = await createHttpServer({
      clock,
      log,
      authenticate: () => ({}),
      rawRoutes: [],
      register: (app) => blobRoutes(app, { ...local, urls }),
    });
    origin = `http://127.0.0.1:${await blobServer.listen(0, "127.0.0.1")}`;
    deps = {
      database,
      clock,
      log,
      tokenSecret,
      accounts,
      users,
      blobs: local.blobs,
      catalogDir: fileURLToPath(new URL("../../../../catalog", import.meta.url)),
      attached: [],
      folder: join(top, "models"),
      fetchWeights: async () => process.env["HEARTH_TEST_MODEL"] as string,
      s3: { endpoint: null, region: "us-east-1" },
      ...overrides,
    };
    models = await createModelsService(deps);
    return modelResourceRoutes(models);
  });
  const alice = await tenants.addUser("acme", "alice", "user");
  const mallory = await tenants.addUser("evil", "mallory", "admin");

  async function succeed(method: string, path: string, body?: unknown): Promise<Json> {
    const response = await tenants.call(alice.key, method, path, body);
    expect(response.status, response.text).toBe(200);
    return response.json;
  }

  return {
    ...tenants,
    models,
    blobs: deps.blobs,
    deps,
    alice,
    mallory,
    folder: deps.folder,
    newFolder() {
      mkdirSync(join(top, "folders"), { recursive: true });
      return mkdtempSync(join(top, "folders", "f-"));
    },
    succeed,
    async upload(id, folder, model = { kind: "HF_BASE_MODEL" }) {
      await succeed("POST", MODELS, { modelId: id, model });
      await sendFiles(succeed, `${MODELS}/${id}`, folder);
    },
    async close() {
      await models.close();
      await blobServer.close(0);
      await tenants.close();
      rmSync(top, { recursive: true, force: true });
    },
  };
}

/** Uploads all files of a folder by signed URLs. */
export async function sendFiles(
  succeed: ModelsSetup["succeed"],
  path: string,
  folder: string,
): Promise<void> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const names = files.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const filenameToSize = Object.fromEntries(
    names.map((name) => [name, String(statSync(join(folder, name)).size)]),
  );
  const { filenameToSignedUrls } = await succeed("POST", `${path}:getUploadEndpoint`, { filenameToSize });
  for (const [name, url] of Object.entries<string>(filenameToSignedUrls)) {
    expect(await put(url, readFileSync(join(folder, name)))).toBe(200);
  }
}

/** Uploads to a signed URL and returns the status of the response. */
export async function put(url: string, body: Buffer | string): Promise<number> {
  const response = await fetch(url, {
    method: "PUT",
    body: body as never,
    headers: { "content-type": "application/octet-stream" },
  });
  await response.arrayBuffer();
  return response.status;
}

/** The field that an error response names; null when it names none. */
export function fieldOf(response: HttpResponse): string | null {
  return response.json.details?.[0]?.fieldViolations?.[0]?.field ?? null;
}

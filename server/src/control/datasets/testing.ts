import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { createLocalBlobs } from "../../platform/blobs/local.ts";
import { blobRoutes } from "../../platform/blobs/routes.ts";
import { SignedUrls } from "../../platform/blobs/signed-urls.ts";
import { registerResources } from "../../platform/http/resources.ts";
import { createHttpServer } from "../../platform/http/server.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import type { Principal, Role } from "../accounts/service.ts";
import { datasetRoutes } from "./routes.ts";
import { createDatasets, type Datasets } from "./service.ts";

export interface TestResponse {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read responses of every shape
  body: any;
}

/** The datasets service behind a real HTTP server, on a real database and real files. */
export interface DatasetsSetup {
  database: TestDatabase;
  clock: FakeClock;
  blobs: Blobs;
  datasets: Datasets;
  /** Name of the job that needs a dataset, by the dataset's name. */
  jobs: Map<string, string>;
  origin: string;
  /** A service of another process on the same database and files; not started. @param wrap replaces its `Blobs` */
  anotherProcess(ownClock: FakeClock, wrap?: (blobs: Blobs) => Blobs): Datasets;
  /** @param key `<account>/<user>/<role>`; null for no key. Default: a user of acme. */
  call(method: string, path: string, body?: unknown, key?: string | null): Promise<TestResponse>;
  /** Uploads a file in a multipart form. */
  upload(id: string, content: string | Blob, filename?: string, key?: string): Promise<TestResponse>;
  put(url: string, content: string): Promise<number>;
  /** Creates an UPLOADING dataset with one file of these rows. */
  uploaded(id: string, rows: readonly unknown[]): Promise<void>;
  /** Creates a READY dataset of these rows. */
  ready(id: string, rows: readonly unknown[]): Promise<void>;
  close(): Promise<void>;
}

export const ACME = "acme/alice/user";
export const ROOT = "/v1/accounts/acme/datasets";

export function chatRow(n: number, fields: object = {}): object {
  return {
    messages: [
      { role: "user", content: `q${n}` },
      { role: "assistant", content: "a" },
    ],
    ...fields,
  };
}

export function chatRows(count: number): object[] {
  return Array.from({ length: count }, (_, i) => chatRow(i));
}

export function jsonl(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

export async function startDatasets(
  wrap: (blobs: Blobs) => Blobs = (blobs) => blobs,
): Promise<DatasetsSetup> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-datasets-"));
  const database = await testDatabase();
  const clock = new FakeClock();
  const urls = new SignedUrls(Buffer.alloc(32, 1), clock);
  let origin = "";
  const local = createLocalBlobs({ folder, clock, urls, origin: () => origin });
  const blobs = wrap(local.blobs);
  const jobs = new Map<string, string>();
  const open = (ownClock: FakeClock, ownBlobs: Blobs): Datasets =>
    createDatasets({
      database,
      clock: ownClock,
      log: createLog("silent"),
      blobs: ownBlobs,
      tokenSecret: Buffer.alloc(32, 2),
      users: { emailsOf: async (_account, ids) => new Map(ids.map((id) => [id, `${id}@example.com`])) },
      usedBy: async (name) => jobs.get(name) ?? null,
      onSweepFailure: (error) => {
        throw error;
      },
    });
  const datasets = open(clock, blobs);
  await datasets.start();
  const server = await createHttpServer<Principal>({
    clock,
    log: createLog("silent"),
    authenticate: principalOf,
    rawRoutes: [],
    register(app) {
      blobRoutes(app, { blobs: local.blobs, uploads: local.uploads, urls });
      registerResources(app, datasetRoutes(datasets));
    },
  });
  origin = `http://127.0.0.1:${await server.listen(0, "127.0.0.1")}`;
  const requests = requestsTo(origin);
  return {
    database,
    clock,
    blobs,
    datasets,
    jobs,
    origin,
    anotherProcess: (ownClock, wrapBlobs = (unwrapped) => unwrapped) =>
      open(ownClock, wrapBlobs(local.blobs)),
    ...requests,
    async close() {
      await server.close(0);
      await datasets.close();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function principalOf(authorization: string | undefined): Principal {
  const [, accountId, userId, role] = /^Bearer (.+)\/(.+)\/(.+)$/.exec(authorization ?? "") ?? [];
  if (accountId === undefined) throw new AppError("UNAUTHORIZED", "No key.");
  return { accountId, userId: userId!, keyId: "k", role: role as Role, isOperator: userId === "operator" };
}

type Requests = Pick<DatasetsSetup, "call" | "upload" | "put" | "uploaded" | "ready">;

function requestsTo(origin: string): Requests {
  async function send(path: string, key: string | null, init: RequestInit): Promise<TestResponse> {
    const headers = new Headers(init.headers);
    if (key !== null) headers.set("authorization", `Bearer ${key}`);
    const response = await fetch(origin + path, { ...init, headers });
    return { status: response.status, body: await response.json() };
  }

  const requests: Requests = {
    call: (method, path, body, key = ACME) =>
      send(path, key, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      }),
    upload(id, content, filename = "train.jsonl", key = ACME) {
      const form = new FormData();
      form.append("file", typeof content === "string" ? new Blob([content]) : content, filename);
      return send(`${ROOT}/${id}:upload`, key, { method: "POST", body: form });
    },
    async put(url, content) {
      const response = await fetch(url, { method: "PUT", body: content });
      await response.arrayBuffer();
      return response.status;
    },
    async uploaded(id, rows) {
      requireOk(await requests.call("POST", ROOT, { datasetId: id, dataset: {} }));
      requireOk(await requests.upload(id, jsonl(rows)));
    },
    async ready(id, rows) {
      await requests.uploaded(id, rows);
      requireOk(await requests.call("POST", `${ROOT}/${id}:validateUpload`, {}));
    },
  };
  return requests;
}

function requireOk({ status, body }: TestResponse): void {
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
}

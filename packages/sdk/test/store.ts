import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../server/src/lib/clock.ts";
import type { Blobs } from "../../../server/src/platform/blobs/blobs.ts";
import { createLocalBlobs } from "../../../server/src/platform/blobs/local.ts";
import { blobRoutes } from "../../../server/src/platform/blobs/routes.ts";
import { SignedUrls } from "../../../server/src/platform/blobs/signed-urls.ts";
import { createHttpServer } from "../../../server/src/platform/http/server.ts";
import { createLog } from "../../../server/src/platform/telemetry/log.ts";

export interface Store {
  port: number;
  /** A signed URL for an upload of this size. */
  uploadUrl(key: string, sizeBytes: number): Promise<string>;
  downloadUrl(key: string): Promise<string>;
  /** The content of a file; null when there is none. */
  content(key: string): Promise<Buffer | null>;
  write(key: string, content: Buffer): Promise<void>;
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;

/** Starts the platform's file store with its signed URLs, without the platform. @param origin the beginning of its URLs */
export async function startStore(origin: () => string): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), "sdk-store-"));
  mkdirSync(join(folder, "objects"));
  const urls = new SignedUrls(Buffer.alloc(32, 7), systemClock);
  const { blobs, uploads } = createLocalBlobs({
    folder,
    clock: systemClock,
    urls,
    origin,
  });
  const server = await createHttpServer({
    clock: systemClock,
    log: createLog("silent"),
    headersTimeoutMs: 60_000,
    requestTimeoutMs: 60_000,
    authenticate() {
      throw new Error("the store takes no keys");
    },
    rawRoutes: [],
    register(app) {
      blobRoutes(app, { blobs, uploads, urls });
    },
  });
  const port = await server.listen(0, "127.0.0.1");
  return {
    port,
    uploadUrl: (key, sizeBytes) => blobs.uploadUrl(key, { sizeBytes, expiresInMs: HOUR_MS, resumable: true }),
    downloadUrl: (key) => blobs.downloadUrl(key, { expiresInMs: HOUR_MS }),
    content: (key) => contentOf(blobs, key),
    async write(key, content) {
      await blobs.write(
        key,
        (async function* () {
          yield content;
        })(),
        { maxBytes: content.length },
      );
    },
    async close() {
      await server.close(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function contentOf(blobs: Blobs, key: string): Promise<Buffer | null> {
  if ((await blobs.stat(key)) === null) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of await blobs.read(key)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

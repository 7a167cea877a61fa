import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The package has no types. */
const S3rver = createRequire(import.meta.url)("s3rver") as new (
  options: object,
) => { run(): Promise<{ port: number }>; close(): Promise<void> };

export interface TestS3 {
  endpoint: string;
  /** The name of an empty bucket. */
  bucket: string;
  /** AWS's standard environment variables. */
  env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts a server with S3's protocol in this process. It accepts any signature. */
export async function testS3(): Promise<TestS3> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-s3-"));
  const server = new S3rver({
    port: 0,
    address: "127.0.0.1",
    silent: true,
    directory: folder,
    configureBuckets: [{ name: "bucket", configs: [] }],
  });
  const { port } = await server.run();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket: "bucket",
    env: { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" },
    async stop() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

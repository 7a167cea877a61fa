import type { Readable } from "node:stream";
import { AppError } from "../../lib/errors.ts";
import { listObjects, readObject } from "./s3.ts";
import { createS3Client, type S3Credentials } from "./s3-client.ts";
import type { S3Server } from "./s3-server.ts";

export interface S3SourceOptions {
  server: S3Server;
  bucket: string;
  /** Folder in the bucket; empty: the whole bucket. */
  path: string;
  /** Null: access without credentials, to a public bucket. The platform's own credentials are never used. */
  credentials: S3Credentials | null;
}

/** A user's folder in a bucket, for reading. */
export interface S3Source {
  /**
   * Names are relative to the folder.
   * @throws AppError FAILED_PRECONDITION when the bucket can't be read; BAD_REQUEST when there are more than `limit`
   * files.
   */
  list(limit: number): Promise<{ name: string; sizeBytes: number }[]>;
  read(name: string, signal: AbortSignal): Promise<Readable>;
  close(): void;
}

export function openS3Source({ server, bucket, path, credentials }: S3SourceOptions): S3Source {
  const client = createS3Client(server, credentials ?? "none");
  const prefix = path.replace(/^\/+|\/+$/g, "");
  const folder = { client, bucket, prefix: prefix === "" ? "" : `${prefix}/` };
  return {
    async list(limit) {
      const objects = await listObjects(folder, "", limit).catch(toAccessError);
      return objects.map(({ key, sizeBytes }) => ({ name: key, sizeBytes }));
    },
    read: (name, signal) =>
      readObject(client, { Bucket: bucket, Key: folder.prefix + name }, undefined, signal).catch(
        toAccessError,
      ),
    close: () => client.destroy(),
  };
}

/** Converts an error that the user has to fix to one that doesn't contain the server's message. */
function toAccessError(error: unknown): never {
  const { cause } = error as { cause?: { name?: string; $metadata?: { httpStatusCode?: number } } };
  const status = cause?.$metadata?.httpStatusCode ?? 0;
  if (cause === undefined || status === 0 || status >= 500) throw error;
  const reason = status === 404 ? "there is no such bucket" : "S3 refused the access";
  throw new AppError("FAILED_PRECONDITION", `The bucket can't be read: ${reason}.`, { cause: error });
}

import type { Readable } from "node:stream";
import { AppError } from "../../lib/errors.ts";
import { listObjects, readObject } from "./s3.ts";
import { createS3Client, type S3Credentials } from "./s3-client.ts";
import type { S3Server } from "./s3-server.ts";

export interface S3SourceOptions {
  server: S3Server;
  bucket: string;
  /** Folder in the bucket; empty: all of it. */
  path: string;
  /** Null: the bucket is public. The platform's own rights are never lent. */
  credentials: S3Credentials | null;
}

/** Somebody's folder in a bucket, to be read from. */
export interface S3Source {
  /** Names relative to the folder. @throws AppError FAILED_PRECONDITION when it can't be read or holds more than `limit`. */
  list(limit: number): Promise<{ name: string; sizeBytes: number }[]>;
  read(name: string, signal: AbortSignal): Promise<Readable>;
  close(): void;
}

export function openS3Source({ server, bucket, path, credentials }: S3SourceOptions): S3Source {
  const client = createS3Client(server, credentials ?? "none");
  const prefix = path.replace(/^\/+|\/+$/g, "");
  const place = { client, bucket, prefix: prefix === "" ? "" : `${prefix}/` };
  return {
    async list(limit) {
      const objects = await listObjects(place, "", limit).catch(toAccessError);
      return objects.map(({ key, sizeBytes }) => ({ name: key, sizeBytes }));
    },
    read: (name, signal) =>
      readObject(client, { Bucket: bucket, Key: place.prefix + name }, undefined, signal).catch(
        toAccessError,
      ),
    close: () => client.destroy(),
  };
}

/** Whose fault it is, without what the server wrote. */
function toAccessError(error: unknown): never {
  const { cause } = error as { cause?: { name?: string; $metadata?: { httpStatusCode?: number } } };
  const status = cause?.$metadata?.httpStatusCode ?? 0;
  if (cause === undefined || status === 0 || status >= 500) throw error;
  const why = status === 404 ? "there is no such bucket" : "S3 refused the access";
  throw new AppError("FAILED_PRECONDITION", `The bucket can't be read: ${why}.`, { cause: error });
}

import { createHash, randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { AppError } from "../../lib/errors.ts";
import { Singleflight } from "../../lib/singleflight.ts";
import { type Blobs, checkKey, checkPrefix, type UploadUrlOptions } from "./blobs.ts";
import { measureStream, renameDurably, toDiskFullError } from "./disk.ts";
import { blobNotFound, nullIfMissing, withS3Errors } from "./s3-errors.ts";
import { uploadStream } from "./s3-multipart-upload.ts";

export interface S3BucketFolder {
  client: S3Client;
  bucket: string;
  /** Empty, or ends with a slash. */
  prefix: string;
}

export interface S3Options extends S3BucketFolder {
  /** A signed URL to this server, for uploads that S3's signed URLs don't support. */
  ownUploadUrl(key: string, options: UploadUrlOptions): string;
  /** Size of the parts of large objects, 5 MiB to 5 GiB. Default 16 MiB. */
  partBytes?: number;
}

/** S3's limit on the upload or copy of an object in one request. */
const MAX_SINGLE_BYTES = 5 * 1024 ** 3;
const DEFAULT_PART_BYTES = 16 * 1024 ** 2;
/** Most concurrent deletions. */
const MAX_PARALLEL_DELETES = 8;

/** Stores blobs in a bucket of S3 or of a server that speaks its protocol. */
export function createS3Blobs(options: S3Options): Blobs {
  const { client, bucket, prefix } = options;
  const partBytes = options.partBytes ?? DEFAULT_PART_BYTES;
  const locationOf = (key: string): { Bucket: string; Key: string } => {
    checkKey(key);
    return { Bucket: bucket, Key: prefix + key };
  };
  const fetchObject = createObjectFetcher(options);

  const blobs: Blobs = {
    async write(key, source, limits) {
      const location = locationOf(key);
      const measured = measureStream(source, limits);
      await uploadStream({ client, location, source: measured.chunks, partBytes });
      return measured.result();
    },
    read: async (key, range) => readObject(client, locationOf(key), range),
    async stat(key) {
      const head = await withS3Errors(client.send(new HeadObjectCommand(locationOf(key)))).catch(
        nullIfMissing,
      );
      return head === null ? null : { sizeBytes: head.ContentLength ?? 0 };
    },
    list: async (below) =>
      (await listObjects(options, below)).map(({ key, sizeBytes }) => ({ key, sizeBytes })),
    async move(from, to) {
      const source = locationOf(from);
      const blob = await blobs.stat(from);
      if (blob === null) throw blobNotFound();
      if (blob.sizeBytes <= MAX_SINGLE_BYTES) {
        const CopySource = `${bucket}/${source.Key.split("/").map(encodeURIComponent).join("/")}`;
        await withS3Errors(client.send(new CopyObjectCommand({ ...locationOf(to), CopySource })));
      } else {
        await blobs.write(to, await blobs.read(from), { maxBytes: blob.sizeBytes });
      }
      await blobs.delete(from);
    },
    async delete(key) {
      await withS3Errors(client.send(new DeleteObjectCommand(locationOf(key))));
    },
    async deletePrefix(below) {
      const keys = (await listObjects(options, below)).map(({ key }) => key);
      for (let i = 0; i < keys.length; i += MAX_PARALLEL_DELETES)
        await Promise.all(keys.slice(i, i + MAX_PARALLEL_DELETES).map((key) => blobs.delete(key)));
    },
    async localPath(key, cacheDir, signal) {
      const head = await withS3Errors(client.send(new HeadObjectCommand(locationOf(key))));
      const object = { key, sizeBytes: head.ContentLength ?? 0, etag: head.ETag ?? "" };
      const path = join(cacheDir, "blobs", fingerprint(options, [object]), basename(key));
      await fetchObject(object, path, signal);
      return path;
    },
    async localFolder(below, cacheDir, signal) {
      const objects = await listObjects(options, below);
      const folder = join(cacheDir, "blobs", fingerprint(options, objects));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const object of objects)
        await fetchObject(object, join(folder, object.key.slice(below.length)), signal);
      return folder;
    },
    async uploadUrl(key, urlOptions) {
      const { sizeBytes, expiresInMs, resumable } = urlOptions;
      if (resumable || sizeBytes > MAX_SINGLE_BYTES) return options.ownUploadUrl(key, urlOptions);
      const command = new PutObjectCommand({ ...locationOf(key), ContentLength: sizeBytes });
      return getSignedUrl(client, command, {
        expiresIn: Math.ceil(expiresInMs / 1_000),
        // Sign the size, so that S3 refuses files of another size.
        signableHeaders: new Set(["host", "content-length"]),
      });
    },
    async downloadUrl(key, { expiresInMs, filename }) {
      const name = (filename ?? basename(key)).replaceAll(/[^\w.+=@-]/g, "_");
      const command = new GetObjectCommand({
        ...locationOf(key),
        ResponseContentDisposition: `attachment; filename="${name}"`,
        ResponseContentType: "application/octet-stream",
      });
      return getSignedUrl(client, command, { expiresIn: Math.ceil(expiresInMs / 1_000) });
    },
  };
  return blobs;
}

export interface S3Object {
  /** Without the prefix of the `S3BucketFolder`. */
  key: string;
  sizeBytes: number;
  etag: string;
}

/** All objects below a prefix, sorted by key. @throws AppError BAD_REQUEST when there are more than `limit`. */
export async function listObjects(
  { client, bucket, prefix }: S3BucketFolder,
  below: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<S3Object[]> {
  checkPrefix(below);
  const objects: S3Object[] = [];
  let next: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: prefix + below,
      ...(next === undefined ? {} : { ContinuationToken: next }),
    });
    const page = await withS3Errors(client.send(command));
    for (const { Key = "", Size = 0, ETag = "" } of page.Contents ?? []) {
      // S3 consoles create empty objects that stand for folders.
      if (!Key.endsWith("/")) objects.push({ key: Key.slice(prefix.length), sizeBytes: Size, etag: ETag });
    }
    if (objects.length > limit)
      throw new AppError("BAD_REQUEST", `There are more than ${limit} files in the bucket's folder.`);
    next = page.NextContinuationToken;
  } while (next !== undefined);
  return objects.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** @throws AppError NOT_FOUND. */
export async function readObject(
  client: S3Client,
  location: { Bucket: string; Key: string },
  range?: { start: number; end: number },
  signal?: AbortSignal,
): Promise<Readable> {
  const Range = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` };
  const options = signal === undefined ? {} : { abortSignal: signal };
  const { Body } = await withS3Errors(client.send(new GetObjectCommand({ ...location, ...Range }), options));
  if (Body instanceof Readable) return Body;
  throw blobNotFound();
}

/** Creates a function that downloads an object to a file, atomically and once for all concurrent callers. */
function createObjectFetcher(
  options: S3Options,
): (object: S3Object, path: string, signal: AbortSignal) => Promise<void> {
  const fetches = new Singleflight<void>();
  return (object, path, signal) =>
    fetches.run(path, signal, async (shared) => {
      const existing = await stat(path).catch(() => null);
      if (existing?.size === object.sizeBytes) return;
      const partial = `${path}.${randomBytes(6).toString("hex")}`;
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        const location = { Bucket: options.bucket, Key: options.prefix + object.key };
        const body = await readObject(options.client, location, undefined, shared);
        await pipeline(body, createWriteStream(partial, { mode: 0o600, flush: true }), { signal: shared });
        await renameDurably(partial, path);
      } catch (error) {
        throw toDiskFullError(error);
      } finally {
        await rm(partial, { force: true });
      }
    });
}

/** Identifies the contents of the objects; a new upload to the same key changes it. */
function fingerprint({ bucket, prefix }: S3BucketFolder, objects: readonly S3Object[]): string {
  return createHash("sha256")
    .update(JSON.stringify([bucket, prefix, objects]))
    .digest("hex");
}

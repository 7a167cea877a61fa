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
  /** A URL of our own, for uploads that S3's signed URLs can't take. */
  ownUploadUrl(key: string, options: UploadUrlOptions): string;
  /** Bytes of one part of a large object, 5 MiB to 5 GiB. Default 16 MiB. */
  partBytes?: number;
}

/** What S3 takes or copies in one request. */
const MAX_SINGLE_BYTES = 5 * 1024 ** 3;
const DEFAULT_PART_BYTES = 16 * 1024 ** 2;
/** Deletions under way at once. */
const PARALLEL = 8;

/** Blobs in a bucket of S3 or of a server that speaks its protocol. */
export function createS3Blobs(options: S3Options): Blobs {
  const { client, bucket, prefix } = options;
  const partBytes = options.partBytes ?? DEFAULT_PART_BYTES;
  const at = (key: string): { Bucket: string; Key: string } => {
    checkKey(key);
    return { Bucket: bucket, Key: prefix + key };
  };
  const lend = createObjectFetcher(options);

  const blobs: Blobs = {
    async write(key, source, limits) {
      const place = at(key);
      const measured = measureStream(source, limits);
      await uploadStream(client, place, measured.chunks, partBytes);
      return measured.result();
    },
    read: async (key, range) => readObject(client, at(key), range),
    async stat(key) {
      const head = await withS3Errors(client.send(new HeadObjectCommand(at(key)))).catch(nullIfMissing);
      return head === null ? null : { sizeBytes: head.ContentLength ?? 0 };
    },
    list: async (below) =>
      (await listObjects(options, below)).map(({ key, sizeBytes }) => ({ key, sizeBytes })),
    async move(from, to) {
      const source = at(from);
      const found = await blobs.stat(from);
      if (found === null) throw blobNotFound();
      if (found.sizeBytes <= MAX_SINGLE_BYTES) {
        const CopySource = `${bucket}/${source.Key.split("/").map(encodeURIComponent).join("/")}`;
        await withS3Errors(client.send(new CopyObjectCommand({ ...at(to), CopySource })));
      } else {
        await blobs.write(to, await blobs.read(from), { maxBytes: found.sizeBytes });
      }
      await blobs.delete(from);
    },
    async delete(key) {
      await withS3Errors(client.send(new DeleteObjectCommand(at(key))));
    },
    async deletePrefix(below) {
      const keys = (await listObjects(options, below)).map(({ key }) => key);
      for (let i = 0; i < keys.length; i += PARALLEL)
        await Promise.all(keys.slice(i, i + PARALLEL).map((key) => blobs.delete(key)));
    },
    async localPath(key, cacheDir, signal) {
      const head = await withS3Errors(client.send(new HeadObjectCommand(at(key))));
      const object = { key, sizeBytes: head.ContentLength ?? 0, etag: head.ETag ?? "" };
      const path = join(cacheDir, "blobs", fingerprint(options, [object]), basename(key));
      await lend(object, path, signal);
      return path;
    },
    async localFolder(below, cacheDir, signal) {
      const objects = await listObjects(options, below);
      const folder = join(cacheDir, "blobs", fingerprint(options, objects));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const object of objects) await lend(object, join(folder, object.key.slice(below.length)), signal);
      return folder;
    },
    async uploadUrl(key, wanted) {
      const { sizeBytes, expiresInMs, resumable } = wanted;
      if (resumable || sizeBytes > MAX_SINGLE_BYTES) return options.ownUploadUrl(key, wanted);
      const command = new PutObjectCommand({ ...at(key), ContentLength: sizeBytes });
      return getSignedUrl(client, command, {
        expiresIn: Math.ceil(expiresInMs / 1_000),
        // What is signed has to be sent as it is: S3 refuses another size.
        signableHeaders: new Set(["host", "content-length"]),
      });
    },
    async downloadUrl(key, { expiresInMs, filename }) {
      const name = (filename ?? basename(key)).replaceAll(/[^\w.+=@-]/g, "_");
      const command = new GetObjectCommand({
        ...at(key),
        ResponseContentDisposition: `attachment; filename="${name}"`,
        ResponseContentType: "application/octet-stream",
      });
      return getSignedUrl(client, command, { expiresIn: Math.ceil(expiresInMs / 1_000) });
    },
  };
  return blobs;
}

export interface S3Object {
  /** Without the place's prefix. */
  key: string;
  sizeBytes: number;
  etag: string;
}

/** All objects below a prefix, by key. @param limit above so many it throws. */
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
      // Consoles make empty objects to show folders.
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
  place: { Bucket: string; Key: string },
  range?: { start: number; end: number },
  signal?: AbortSignal,
): Promise<Readable> {
  const Range = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` };
  const options = signal === undefined ? {} : { abortSignal: signal };
  const { Body } = await withS3Errors(client.send(new GetObjectCommand({ ...place, ...Range }), options));
  if (Body instanceof Readable) return Body;
  throw blobNotFound();
}

/** Fetches objects to files, each once however many want it, whole or not at all. */
function createObjectFetcher(
  options: S3Options,
): (object: S3Object, path: string, signal: AbortSignal) => Promise<void> {
  const fetches = new Singleflight<void>();
  return (object, path, signal) =>
    fetches.run(path, signal, async (shared) => {
      const there = await stat(path).catch(() => null);
      if (there?.size === object.sizeBytes) return;
      const partial = `${path}.${randomBytes(6).toString("hex")}`;
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        const place = { Bucket: options.bucket, Key: options.prefix + object.key };
        const body = await readObject(options.client, place, undefined, shared);
        await pipeline(body, createWriteStream(partial, { mode: 0o600, flush: true }), { signal: shared });
        await renameDurably(partial, path);
      } catch (error) {
        throw toDiskFullError(error);
      } finally {
        await rm(partial, { force: true });
      }
    });
}

/** Of these contents: another upload to the same key has another. */
function fingerprint({ bucket, prefix }: S3BucketFolder, objects: readonly S3Object[]): string {
  return createHash("sha256")
    .update(JSON.stringify([bucket, prefix, objects]))
    .digest("hex");
}

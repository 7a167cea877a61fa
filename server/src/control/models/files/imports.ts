import { AppError, badRequest, toAppError } from "../../../lib/errors.ts";
import { fullModelName } from "../../../lib/resource-names.ts";
import type { Blobs } from "../../../platform/blobs/blobs.ts";
import type { S3Server } from "../../../platform/blobs/s3-server.ts";
import type { ImportModelRequest } from "../schema.ts";
import type { ModelRow } from "../store.ts";
import { filePrefix, MAX_FILES, withFiles } from "./declared-files.ts";

/** A folder of a bucket, and the keys to it; null: it is public. */
export interface S3ImportSource {
  bucket: string;
  path: string;
  credentials: { accessKeyId: string; secretAccessKey: string } | null;
}

const MAX_PATH_CHARS = 500;
const MAX_WAITING = 100;

/** @throws AppError BAD_REQUEST naming the field. */
export function parseS3ImportSource(source: NonNullable<ImportModelRequest["awsS3Source"]>): S3ImportSource {
  const { s3Bucket = "", s3Path = "", roleArn = "", accessKeyId = "", accessSecret = "" } = source;
  const fail = (field: string, why: string): never => {
    throw badRequest(`awsS3Source.${field}`, `awsS3Source.${field} ${why}`);
  };
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(s3Bucket)) fail("s3Bucket", "must be the name of a bucket.");
  const isPath = s3Path.length <= MAX_PATH_CHARS && !/\p{C}/u.test(s3Path) && s3Path.isWellFormed();
  if (!isPath) fail("s3Path", `must be a folder of the bucket, at most ${MAX_PATH_CHARS} characters.`);
  if (roleArn !== "") fail("roleArn", "can't be assumed here: give an accessKeyId and accessSecret.");
  for (const [field, text] of Object.entries({ accessKeyId, accessSecret })) {
    if (!/^[\x21-\x7e]{0,256}$/.test(text)) fail(field, "must be at most 256 printable characters.");
  }
  if ((accessKeyId === "") !== (accessSecret === "")) {
    fail(accessKeyId === "" ? "accessKeyId" : "accessSecret", "is required when the other one is given.");
  }
  const credentials = accessKeyId === "" ? null : { accessKeyId, secretAccessKey: accessSecret };
  return { bucket: s3Bucket, path: s3Path, credentials };
}

/** Imports under way in this process. Keys to buckets are in memory alone: an import does not outlive its process. */
export class S3Imports {
  readonly #sources = new Map<string, S3ImportSource>();
  readonly #deps: { blobs: Blobs; server: S3Server };

  constructor(deps: { blobs: Blobs; server: S3Server }) {
    this.#deps = deps;
  }

  /** What is being imported into the model. */
  sourceOf(uid: string): S3ImportSource | undefined {
    return this.#sources.get(uid);
  }

  /** @throws AppError UNAVAILABLE when too many wait. */
  add(uid: string, wish: S3ImportSource): void {
    if (this.#sources.size >= MAX_WAITING) {
      throw new AppError("UNAVAILABLE", "Too many imports are waiting.", { retryAfterS: 60 });
    }
    this.#sources.set(uid, wish);
  }

  forget(uid: string): void {
    this.#sources.delete(uid);
  }

  /**
   * Copies the files to the model, and gives them with their sizes.
   * @throws AppError that tells the client what is wrong.
   */
  async run(row: ModelRow, signal: AbortSignal): Promise<Record<string, number>> {
    const wish = this.#sources.get(row.uid);
    if (wish === undefined) throw new AppError("ABORTED", "The import was interrupted: start it again.");
    const { openS3Source } = await import("../../../platform/blobs/s3-source.ts");
    const source = openS3Source({ server: this.#deps.server, ...wish });
    try {
      const found = await source.list(MAX_FILES);
      if (found.length === 0)
        throw new AppError("FAILED_PRECONDITION", "There are no files in the bucket's folder.");
      const sizes = Object.fromEntries(found.map(({ name, sizeBytes }) => [name, sizeBytes]));
      const files = withFiles("awsS3Source.s3Path", {}, sizes);
      for (const { name, sizeBytes } of found) {
        const limits = { maxBytes: sizeBytes, exactBytes: sizeBytes };
        await this.#deps.blobs.write(filePrefix(row) + name, await source.read(name, signal), limits);
      }
      return files;
    } catch (error) {
      signal.throwIfAborted();
      throw toAppError(error);
    } finally {
      source.close();
      this.forget(row.uid);
    }
  }
}

/** What a client is told of an import from S3. */
export function importOperation(row: ModelRow, done: boolean, response?: object) {
  const name = fullModelName({ accountId: row.accountId, modelId: row.id });
  return {
    name: `${name}/operations/import-${row.uid}`,
    metadata: { model: name },
    done,
    ...(response === undefined ? {} : { response }),
  };
}

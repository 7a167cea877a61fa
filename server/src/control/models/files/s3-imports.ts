import { AppError, badRequest, toAppError } from "../../../lib/errors.ts";
import type { Blobs } from "../../../platform/blobs/blobs.ts";
import type { S3Server } from "../../../platform/blobs/s3-server.ts";
import { modelName } from "../names.ts";
import type { ImportModelRequest, Operation } from "../schema.ts";
import type { ModelRow } from "../store.ts";
import { filePrefix, storedFiles, withFiles } from "./declared-files.ts";

/** A folder of a bucket. */
export interface S3ImportSource {
  bucket: string;
  path: string;
  /** Null: the bucket is public. */
  credentials: { accessKeyId: string; secretAccessKey: string } | null;
}

const MAX_PATH_CHARS = 500;
const MAX_WAITING = 100;
/** Most objects of a folder, of which some may be ignored. */
const MAX_LISTED = 10_000;

/** @throws AppError BAD_REQUEST naming the field. */
export function parseS3ImportSource(source: NonNullable<ImportModelRequest["awsS3Source"]>): S3ImportSource {
  const { s3Bucket = "", s3Path = "", roleArn = "", accessKeyId = "", accessSecret = "" } = source;
  const fail = (field: string, why: string): never => {
    throw badRequest(`awsS3Source.${field}`, `awsS3Source.${field} ${why}`);
  };
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(s3Bucket)) fail("s3Bucket", "must be the name of a bucket.");
  const isValidPath = s3Path.length <= MAX_PATH_CHARS && !/\p{C}/u.test(s3Path) && s3Path.isWellFormed();
  if (!isValidPath) fail("s3Path", `must be a folder of the bucket, at most ${MAX_PATH_CHARS} characters.`);
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

/**
 * The imports that this process runs. Credentials are kept in memory only, never in the database, so an import ends
 * with its process.
 */
export class S3Imports {
  readonly #sources = new Map<string, S3ImportSource>();
  readonly #deps: { blobs: Blobs; server: S3Server };

  constructor(deps: { blobs: Blobs; server: S3Server }) {
    this.#deps = deps;
  }

  /** The source of the import that waits or runs for a model; undefined when there is none. */
  sourceOf(uid: string): S3ImportSource | undefined {
    return this.#sources.get(uid);
  }

  /** @throws AppError UNAVAILABLE when too many wait. */
  add(uid: string, source: S3ImportSource): void {
    if (this.#sources.size >= MAX_WAITING) {
      throw new AppError("UNAVAILABLE", "Too many imports are waiting.", { retryAfterS: 60 });
    }
    this.#sources.set(uid, source);
  }

  forget(uid: string): void {
    this.#sources.delete(uid);
  }

  /**
   * Copies the files from the bucket to the model.
   * @returns sizes in bytes by file name
   * @throws AppError with a message for the client
   */
  async run(row: ModelRow, signal: AbortSignal): Promise<Record<string, number>> {
    const importSource = this.#sources.get(row.uid);
    if (importSource === undefined)
      throw new AppError("ABORTED", "The import was interrupted: start it again.");
    const { openS3Source } = await import("../../../platform/blobs/s3-source.ts");
    const source = openS3Source({ server: this.#deps.server, ...importSource });
    try {
      const objects = await source.list(MAX_LISTED);
      if (objects.length === 0)
        throw new AppError("FAILED_PRECONDITION", "There are no files in the bucket's folder.");
      const sizes = Object.fromEntries(objects.map(({ name, sizeBytes }) => [name, sizeBytes]));
      const files = withFiles("awsS3Source.s3Path", {}, storedFiles("awsS3Source.s3Path", sizes));
      for (const [name, sizeBytes] of Object.entries(files)) {
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

/** The long-running operation of an import, as clients see it. */
export function importOperation(row: ModelRow, done: boolean, response?: object): Operation {
  const name = modelName(row);
  return {
    name: `${name}/operations/import-${row.uid}`,
    metadata: { model: name },
    done,
    ...(response === undefined ? {} : { response }),
  };
}

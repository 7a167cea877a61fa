import type { Readable } from "node:stream";
import { badRequest } from "../../lib/errors.ts";

/** Size and checksum of a written blob. */
export interface WrittenBlob {
  sizeBytes: number;
  /** 64 lower-case hex digits. */
  sha256: string;
}

/** Bytes from `start` to `end`, both inclusive, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Options of a URL for an upload. */
export interface UploadUrlOptions {
  sizeBytes: number;
  expiresInMs: number;
  /** The file may be uploaded in pieces, see `blobRoutes`. */
  resumable: boolean;
  /** Origin for URLs to this server, such as `https://host`. Absent or empty: the server's own URL. */
  origin?: string;
}

/**
 * A store for files of any size under keys such as `models/acme/m1/config.json`. Writes are atomic. Keys must pass
 * `checkKey`; a prefix is empty or ends with a slash.
 */
export interface Blobs {
  /**
   * Writes a blob, and replaces an existing one.
   * @throws AppError PAYLOAD_TOO_LARGE above `maxBytes`; BAD_REQUEST when the size is not `exactBytes`; UNAVAILABLE
   * when the disk is full; the source's error.
   */
  write(
    key: string,
    source: AsyncIterable<Uint8Array>,
    limits: { maxBytes: number; exactBytes?: number },
  ): Promise<WrittenBlob>;
  /** @throws AppError NOT_FOUND. */
  read(key: string, range?: ByteRange): Promise<Readable>;
  /** Null: there is no such blob. */
  stat(key: string): Promise<{ sizeBytes: number } | null>;
  /** All blobs below the prefix, in the order of their keys. */
  list(prefix: string): Promise<{ key: string; sizeBytes: number }[]>;
  /**
   * Moves a blob to another key, so that signed URLs for the old key no longer reach it.
   * @throws AppError NOT_FOUND.
   */
  move(from: string, to: string): Promise<void>;
  /** Does nothing when there is no such blob. */
  delete(key: string): Promise<void>;
  deletePrefix(prefix: string): Promise<void>;
  /**
   * Path of the blob as a local file; don't modify it. Remote blobs are downloaded to `cacheDir` once.
   * @throws AppError NOT_FOUND.
   */
  localPath(key: string, cacheDir: string, signal: AbortSignal): Promise<string>;
  /** Path of a local folder with all blobs below the prefix. The blobs must not change any more. */
  localFolder(prefix: string, cacheDir: string, signal: AbortSignal): Promise<string>;
  /** A URL that accepts one upload of exactly `sizeBytes` by PUT, without an API key. */
  uploadUrl(key: string, options: UploadUrlOptions): Promise<string>;
  /** A URL that serves the blob by GET, without an API key. @param options.filename file name for browsers. */
  downloadUrl(
    key: string,
    options: { expiresInMs: number; filename?: string } & Pick<UploadUrlOptions, "origin">,
  ): Promise<string>;
}

const SEGMENT = /^[A-Za-z0-9._+=@-]{1,200}$/;
const MAX_KEY_CHARS = 800;

/**
 * A key has at most 800 characters. It consists of segments joined by `/`; a segment has at most 200 letters, digits
 * and `._+=@-`, and is neither `.` nor `..`.
 * @throws AppError BAD_REQUEST.
 */
export function checkKey(key: string): void {
  const isValid =
    key.length <= MAX_KEY_CHARS &&
    key.split("/").every((segment) => SEGMENT.test(segment) && segment !== "." && segment !== "..");
  if (!isValid) throw badRequest("key", "This is no key of a stored file.");
}

/** @throws AppError BAD_REQUEST. */
export function checkPrefix(prefix: string): void {
  if (prefix !== "") checkKey(prefix.endsWith("/") ? prefix.slice(0, -1) : "");
}

import type { Readable } from "node:stream";
import { badRequest } from "../../lib/errors.ts";

/** A finished blob's measures. */
export interface WrittenBlob {
  sizeBytes: number;
  /** 64 lower-case hex digits. */
  sha256: string;
}

/** Bytes `start` to `end`, both included, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/** A URL for an upload. */
export interface UploadUrlOptions {
  sizeBytes: number;
  expiresInMs: number;
  /** It may come in pieces: see `routes.ts`. */
  resumable: boolean;
  /** What a URL of ours begins with, as `https://host`. Absent or empty: as this server calls itself. */
  origin?: string;
}

/**
 * Files of any size under keys such as `models/acme/m1/config.json`. A blob is there whole or not at all.
 * Keys are checked by `checkKey`; a prefix is empty or ends with a slash.
 */
export interface Blobs {
  /**
   * Takes the place of a blob of the same key.
   * @throws AppError PAYLOAD_TOO_LARGE above `maxBytes`; BAD_REQUEST when it isn't `exactBytes` long; UNAVAILABLE when the
   * disk is full; what the source throws.
   */
  write(
    key: string,
    source: AsyncIterable<Uint8Array>,
    limits: { maxBytes: number; exactBytes?: number },
  ): Promise<WrittenBlob>;
  /** @throws AppError NOT_FOUND. */
  read(key: string, range?: ByteRange): Promise<Readable>;
  stat(key: string): Promise<{ sizeBytes: number } | null>;
  /** All blobs below the prefix, by key. */
  list(prefix: string): Promise<{ key: string; sizeBytes: number }[]>;
  /** Takes a blob to another key, out of reach of the URLs that were given out for the first. @throws AppError NOT_FOUND. */
  move(from: string, to: string): Promise<void>;
  /** Nothing happens when there is none. */
  delete(key: string): Promise<void>;
  deletePrefix(prefix: string): Promise<void>;
  /** The blob as a file of this host, to be read only; fetched to `cacheDir` once when it lies elsewhere. @throws AppError NOT_FOUND. */
  localPath(key: string, cacheDir: string, signal: AbortSignal): Promise<string>;
  /** The same for all blobs below a prefix, as a folder; they must not change any more. */
  localFolder(prefix: string, cacheDir: string, signal: AbortSignal): Promise<string>;
  /** A URL that takes one upload of exactly `sizeBytes` by PUT, without a key. */
  uploadUrl(key: string, options: UploadUrlOptions): Promise<string>;
  /** A URL that answers GET without a key. @param options.filename what a browser saves it as. */
  downloadUrl(
    key: string,
    options: { expiresInMs: number; filename?: string } & Pick<UploadUrlOptions, "origin">,
  ): Promise<string>;
}

const SEGMENT = /^[A-Za-z0-9._+=@-]{1,200}$/;
const MAX_KEY_CHARS = 800;

/**
 * Up to 800 characters: parts of letters, digits and `._+=@-`, at most 200 each and neither `.` nor `..`, joined by `/`.
 * @throws AppError BAD_REQUEST.
 */
export function checkKey(key: string): void {
  const isGood =
    key.length <= MAX_KEY_CHARS &&
    key.split("/").every((segment) => SEGMENT.test(segment) && segment !== "." && segment !== "..");
  if (!isGood) throw badRequest("key", "This is no key of a stored file.");
}

/** @throws AppError BAD_REQUEST. */
export function checkPrefix(prefix: string): void {
  if (prefix !== "") checkKey(prefix.endsWith("/") ? prefix.slice(0, -1) : "");
}

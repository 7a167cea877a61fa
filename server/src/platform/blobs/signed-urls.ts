import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { checkKey } from "./blobs.ts";

/** The right to upload one file once. */
export interface UploadTicket {
  /** Random id of the upload. */
  id: string;
  key: string;
  sizeBytes: number;
  expiresAtMs: number;
}

/** The right to download one file. */
export interface DownloadTicket {
  key: string;
  expiresAtMs: number;
  filename: string;
}

type Query = Readonly<Record<string, unknown>>;

/** Creates and verifies signed URLs below `/blobs/`. A URL contains all data of its ticket, with an HMAC. */
export class SignedUrls {
  readonly #secret: Buffer;
  readonly #clock: Clock;

  /** @param secret at least 32 random bytes, the same in every process and after every start. */
  constructor(secret: Buffer, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  /** @returns path and query for a PUT request. */
  signUpload(key: string, sizeBytes: number, expiresInMs: number): string {
    const id = randomBytes(16).toString("hex");
    return this.#toUrl("PUT", key, { expires: this.#clock.now() + expiresInMs, size: sizeBytes, upload: id });
  }

  /** @returns path and query for a GET request. */
  signDownload(key: string, filename: string, expiresInMs: number): string {
    return this.#toUrl("GET", key, { expires: this.#clock.now() + expiresInMs, filename });
  }

  /** @throws AppError FORBIDDEN for a URL that was altered or has expired. */
  verifyUpload(key: string, query: Query): UploadTicket {
    const { expires, size, upload } = this.#verify("PUT", key, query, ["expires", "size", "upload"]);
    return { id: upload!, key, sizeBytes: Number(size), expiresAtMs: Number(expires) };
  }

  /** @throws AppError FORBIDDEN for a URL that was altered or has expired. */
  verifyDownload(key: string, query: Query): DownloadTicket {
    const { expires, filename } = this.#verify("GET", key, query, ["expires", "filename"]);
    return { key, expiresAtMs: Number(expires), filename: filename! };
  }

  #toUrl(method: string, key: string, fields: Record<string, string | number>): string {
    checkKey(key);
    const texts = Object.entries(fields).map(([name, value]) => [name, String(value)] as [string, string]);
    const query = new URLSearchParams(texts);
    query.set("signature", this.#sign(method, key, texts).toString("base64url"));
    return `/blobs/${key.split("/").map(encodeURIComponent).join("/")}?${query}`;
  }

  /** Reads only the named fields, after it has verified that the signature covers them. */
  #verify(method: string, key: string, query: Query, names: readonly string[]): Record<string, string> {
    const texts = names.map((name) => [name, String(query[name])] as [string, string]);
    const signature = Buffer.from(String(query["signature"]), "base64url");
    const expected = this.#sign(method, key, texts);
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected))
      throw new AppError("FORBIDDEN", "The URL's signature does not match it.");
    const fields = Object.fromEntries(texts);
    if (Number(fields["expires"]) <= this.#clock.now())
      throw new AppError("FORBIDDEN", "The URL has expired.");
    return fields;
  }

  #sign(method: string, key: string, texts: readonly [string, string][]): Buffer {
    return createHmac("sha256", this.#secret)
      .update(JSON.stringify([method, key, texts]))
      .digest();
  }
}

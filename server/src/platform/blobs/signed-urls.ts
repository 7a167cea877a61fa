import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { checkKey } from "./blobs.ts";

/** The right to upload one file once. */
export interface UploadTicket {
  /** Random; names the upload. */
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

/** Rights as URLs below `/blobs/`: everything that counts is in the URL and signed. */
export class SignedUrls {
  readonly #secret: Buffer;
  readonly #clock: Clock;

  /** @param secret at least 32 random bytes, the same in every process and after every start. */
  constructor(secret: Buffer, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  /** Path and query of a PUT. */
  signUpload(key: string, sizeBytes: number, expiresInMs: number): string {
    const id = randomBytes(16).toString("hex");
    return this.#write("PUT", key, { expires: this.#clock.now() + expiresInMs, size: sizeBytes, upload: id });
  }

  /** Path and query of a GET. */
  signDownload(key: string, filename: string, expiresInMs: number): string {
    return this.#write("GET", key, { expires: this.#clock.now() + expiresInMs, filename });
  }

  /** @throws AppError FORBIDDEN for a URL that was altered or has expired. */
  verifyUpload(key: string, query: Query): UploadTicket {
    const { expires, size, upload } = this.#read("PUT", key, query, ["expires", "size", "upload"]);
    return { id: upload!, key, sizeBytes: Number(size), expiresAtMs: Number(expires) };
  }

  /** @throws AppError FORBIDDEN for a URL that was altered or has expired. */
  verifyDownload(key: string, query: Query): DownloadTicket {
    const { expires, filename } = this.#read("GET", key, query, ["expires", "filename"]);
    return { key, expiresAtMs: Number(expires), filename: filename! };
  }

  #write(method: string, key: string, fields: Record<string, string | number>): string {
    checkKey(key);
    const texts = Object.entries(fields).map(([name, value]) => [name, String(value)] as [string, string]);
    const query = new URLSearchParams(texts);
    query.set("signature", this.#sign(method, key, texts).toString("base64url"));
    return `/blobs/${key.split("/").map(encodeURIComponent).join("/")}?${query}`;
  }

  /** Only what is named is read, and nothing of it before the signature is known to be ours. */
  #read(method: string, key: string, query: Query, names: readonly string[]): Record<string, string> {
    const texts = names.map((name) => [name, String(query[name])] as [string, string]);
    const given = Buffer.from(String(query["signature"]), "base64url");
    const own = this.#sign(method, key, texts);
    if (given.length !== own.length || !timingSafeEqual(given, own))
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

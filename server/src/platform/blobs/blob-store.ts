import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Blobs } from "./blobs.ts";
import { createLocalBlobs } from "./local.ts";
import { ResumableUploads } from "./resumable-uploads.ts";
import type { S3Server } from "./s3-server.ts";
import { SignedUrls } from "./signed-urls.ts";

export interface BlobStoreOptions {
  /** Absolute: blobs, and uploads on their way. */
  folder: string;
  /** Null: blobs lie in the folder. */
  s3: (S3Server & { bucket: string; prefix: string }) | null;
  env: Readonly<Record<string, string | undefined>>;
  /** Signs URLs: 32 random bytes, the same in every process and after every start. */
  secret: Buffer;
  /** What signed URLs begin with, as `https://host`; null: as whoever asks for them says. */
  publicUrl: string | null;
  /** What they begin with where nobody says. */
  ownUrl(): string;
  clock: Clock;
}

/** What `blobRoutes` serves. */
export interface BlobStore {
  blobs: Blobs;
  uploads: ResumableUploads;
  urls: SignedUrls;
}

export async function openBlobStore(options: BlobStoreOptions): Promise<BlobStore> {
  const { folder, s3, clock } = options;
  const urls = new SignedUrls(options.secret, clock);
  const origin = (asked = ""): string => options.publicUrl ?? (asked || options.ownUrl());
  if (s3 === null) return { urls, ...createLocalBlobs({ folder, clock, urls, origin }) };
  // Only when it is used: S3's client takes 80 ms to load.
  const [{ createS3Blobs }, { createS3Client }] = await Promise.all([
    import("./s3.ts"),
    import("./s3-client.ts"),
  ]);
  const blobs = createS3Blobs({
    ...s3,
    client: createS3Client(s3, { environment: options.env }),
    ownUploadUrl: (key, { sizeBytes, expiresInMs, origin: asked }) =>
      origin(asked) + urls.signUpload(key, sizeBytes, expiresInMs),
  });
  const uploads = new ResumableUploads({
    folder: join(folder, "uploads"),
    clock,
    async publish(file, key) {
      await blobs.write(key, createReadStream(file), { maxBytes: Number.MAX_SAFE_INTEGER });
      await rm(file);
    },
  });
  return { blobs, uploads, urls };
}

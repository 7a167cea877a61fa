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
  /** Absolute path, for blobs and for uploads in progress. */
  folder: string;
  /** Where blobs are stored; null: in the folder. */
  s3: (S3Server & { bucket: string; prefix: string }) | null;
  env: Readonly<Record<string, string | undefined>>;
  /** Key for signed URLs: 32 random bytes, the same in every process and after every start. */
  secret: Buffer;
  /** Origin of signed URLs, such as `https://host`; null: the origin of the request, see `UploadUrlOptions.origin`. */
  publicUrl: string | null;
  /** Origin of signed URLs when neither `publicUrl` nor the request gives one. */
  ownUrl(): string;
  clock: Clock;
}

/** The parts that `blobRoutes` serves. */
export interface BlobStore {
  blobs: Blobs;
  uploads: ResumableUploads;
  urls: SignedUrls;
}

export async function openBlobStore(options: BlobStoreOptions): Promise<BlobStore> {
  const { folder, s3, clock } = options;
  const urls = new SignedUrls(options.secret, clock);
  const origin = (requestOrigin = ""): string => options.publicUrl ?? (requestOrigin || options.ownUrl());
  if (s3 === null) return { urls, ...createLocalBlobs({ folder, clock, urls, origin }) };
  // Load S3's client only when it is used, because loading takes 80 ms.
  const [{ createS3Blobs }, { createS3Client }] = await Promise.all([
    import("./s3.ts"),
    import("./s3-client.ts"),
  ]);
  const blobs = createS3Blobs({
    ...s3,
    client: createS3Client(s3, { environment: options.env }),
    ownUploadUrl: (key, { sizeBytes, expiresInMs, origin: requestOrigin }) =>
      origin(requestOrigin) + urls.signUpload(key, sizeBytes, expiresInMs),
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

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { withS3Errors } from "./s3-errors.ts";

interface ObjectLocation {
  Bucket: string;
  Key: string;
}

/** S3's limit on the parts of one object. */
const MAX_PARTS = 10_000;
/** After each so many parts the part size doubles, so that a stream of any length fits. */
const PARTS_OF_ONE_SIZE = 2_000;

/** Uploads a stream of any length as one object, atomically. Holds at most two parts in memory. */
export async function uploadStream(options: {
  client: S3Client;
  location: ObjectLocation;
  source: AsyncIterable<Uint8Array>;
  /** Initial size of a part. */
  partBytes: number;
}): Promise<void> {
  const { client, location, source, partBytes } = options;
  const parts = splitIntoParts(source, partBytes);
  const first = await parts.next();
  const second = first.done ? first : await parts.next();
  if (second.done) {
    const Body = first.value ?? Buffer.alloc(0);
    await withS3Errors(client.send(new PutObjectCommand({ ...location, Body })));
    return;
  }
  const { UploadId } = await withS3Errors(client.send(new CreateMultipartUploadCommand(location)));
  const upload = { ...location, UploadId };
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    const send = async (Body: Buffer): Promise<void> => {
      const PartNumber = Parts.length + 1;
      if (PartNumber > MAX_PARTS) throw new RangeError("The file is too large for S3.");
      const { ETag } = await withS3Errors(
        client.send(new UploadPartCommand({ ...upload, PartNumber, Body })),
      );
      Parts.push({ PartNumber, ETag });
    };
    await send(first.value as Buffer);
    await send(second.value);
    for await (const part of parts) await send(part);
    await withS3Errors(
      client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })),
    );
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  }
}

async function* splitIntoParts(
  source: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<Buffer, undefined> {
  let chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let nextPartBytes = partBytes;
  let count = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes < nextPartBytes) continue;
    const whole = Buffer.concat(chunks, sizeBytes);
    let at = 0;
    while (sizeBytes - at >= nextPartBytes) {
      yield whole.subarray(at, at + nextPartBytes);
      at += nextPartBytes;
      if (++count % PARTS_OF_ONE_SIZE === 0) nextPartBytes *= 2;
    }
    chunks = [whole.subarray(at)];
    sizeBytes -= at;
  }
  if (sizeBytes > 0) yield Buffer.concat(chunks, sizeBytes);
}

import type { Multipart, MultipartFile } from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import { AppError, badRequest } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";

/** The body of a multipart request with one file. */
export interface MultipartUpload {
  /** Finds the file part. To be called once, when the request is known to be allowed. @throws AppError. */
  file(): Promise<UploadedFile>;
}

export interface UploadedFile {
  /** As the client says it; nothing to make a path of. */
  filename: string;
  /** The bytes as they arrive. @throws AppError PAYLOAD_TOO_LARGE; BAD_REQUEST when the body breaks off or holds more. */
  content: AsyncIterable<Uint8Array>;
}

/** Longest silence of a client in the middle of an upload. */
const STALL_TIMEOUT_MS = 60_000;
/** More than this is not read of a body that was refused. */
const MAX_UNWANTED_BYTES = 16 * 1024 ** 2;
/** Room for the parts' own headers. */
const FRAME_BYTES = 64 * 1024;

/** @param maxBytes of the file. */
export function multipartUpload(request: FastifyRequest, maxBytes: number): MultipartUpload {
  return {
    async file() {
      if (!request.isMultipart()) {
        throw badRequest("content-type", "The content-type header must be multipart/form-data.");
      }
      if (Number(request.headers["content-length"] ?? 0) > maxBytes + FRAME_BYTES) throw tooLarge(maxBytes);
      request.raw.setTimeout(STALL_TIMEOUT_MS);
      const parts = request.parts({
        // A path in a file's name is for the route to refuse, not to be cut off in silence.
        preservePath: true,
        limits: { files: 1, fields: 8, parts: 9, fieldSize: 1_000, headerPairs: 50, fileSize: maxBytes },
      });
      const { value: part, done } = await parts.next().catch(malformedForm);
      if (done) throw badRequest("file", "The request has no part with a file.");
      if (part.type !== "file" || part.fieldname !== "file") throw unexpectedPart(part.fieldname);
      return { filename: part.filename, content: contentOf(part, parts, maxBytes) };
    },
  };
}

/** A client reads its answer only after it has sent everything: what is left is read away, up to a limit. */
export function drainUpload({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  let leftBytes = MAX_UNWANTED_BYTES;
  raw.unpipe();
  raw.on("error", () => {});
  raw.on("data", (chunk: Buffer) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) raw.destroy();
  });
}

async function* contentOf(
  { file }: MultipartFile,
  parts: AsyncIterator<Multipart>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  try {
    yield* file;
  } catch (cause) {
    malformedForm(cause);
  }
  if (file.truncated) throw tooLarge(maxBytes);
  const { value: next, done } = await parts.next().catch(malformedForm);
  if (!done) throw unexpectedPart(next.fieldname);
}

function unexpectedPart(name: string): AppError {
  return badRequest(
    "file",
    `The form has the part ${sanitizeForMessage(name)}, but it takes one file, in the part file.`,
  );
}

function malformedForm(cause: unknown): never {
  throw new AppError("BAD_REQUEST", "The request body is not multipart/form-data with one file.", {
    param: "file",
    cause,
  });
}

function tooLarge(maxBytes: number): AppError {
  return new AppError("PAYLOAD_TOO_LARGE", `The file is larger than ${maxBytes} bytes.`, { param: "file" });
}

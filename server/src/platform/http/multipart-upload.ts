import type { Multipart, MultipartFile } from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import { AppError, badRequest } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";

/** The body of a multipart request with one file. */
export interface MultipartUpload {
  /** Finds the file part. Call it once, after the request was authorized. @throws AppError BAD_REQUEST, PAYLOAD_TOO_LARGE. */
  file(): Promise<UploadedFile>;
}

export interface UploadedFile {
  /** As the client sent it: may hold a path, so never open a file by it. Empty: the client gave none. */
  filename: string;
  /**
   * The bytes as they arrive. Iterating throws AppError PAYLOAD_TOO_LARGE, or BAD_REQUEST when the body ends early or has
   * another part.
   */
  content: AsyncIterable<Uint8Array>;
}

/** How long a client may pause in the middle of an upload. */
const STALL_TIMEOUT_MS = 60_000;
/** How much of a refused body is read before the connection is destroyed. */
const MAX_DRAINED_BYTES = 16 * 1024 ** 2;
/** Allowance for the boundaries and headers of the parts. */
const FRAME_BYTES = 64 * 1024;

/** @param maxBytes largest file */
export function multipartUpload(request: FastifyRequest, maxBytes: number): MultipartUpload {
  return {
    async file() {
      if (!request.isMultipart()) {
        throw badRequest("content-type", "The content-type header must be multipart/form-data.");
      }
      if (Number(request.headers["content-length"] ?? 0) > maxBytes + FRAME_BYTES) throw tooLarge(maxBytes);
      request.raw.setTimeout(STALL_TIMEOUT_MS);
      const parts = request.parts({
        // Without this a path in the file's name would be cut off silently; the route has to refuse it.
        preservePath: true,
        // Clients that send bytes from memory give no file name.
        isPartAFile: (name, _type, filename) => name === "file" || filename !== undefined,
        limits: { files: 1, fields: 8, parts: 9, fieldSize: 1_000, headerPairs: 50, fileSize: maxBytes },
      });
      const { value: part, done } = await parts.next().catch(malformedForm);
      if (done) throw badRequest("file", "The request has no part with a file.");
      if (part.type !== "file" || part.fieldname !== "file") throw unexpectedPart(part.fieldname);
      return { filename: part.filename ?? "", content: contentOf(part, parts, maxBytes) };
    },
  };
}

/** Reads and drops the rest of the body, up to a limit: clients read the response only after they have sent all of it. */
export function drainUpload({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  let leftBytes = MAX_DRAINED_BYTES;
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

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AppError, badRequest } from "../../lib/errors.ts";
import { originOf } from "../http/origin.ts";
import type { Blobs, ByteRange } from "./blobs.ts";
import type { ResumableUploads, UploadProgress } from "./resumable-uploads.ts";
import type { SignedUrls } from "./signed-urls.ts";

export interface BlobRoutesDeps {
  blobs: Pick<Blobs, "read" | "stat">;
  uploads: ResumableUploads;
  urls: SignedUrls;
}

/** A client that sends or reads nothing for this long is disconnected. */
const STALL_TIMEOUT_MS = 60_000;
/** Bytes to read at most from a refused body. */
const MAX_UNWANTED_BYTES = 16 * 1024 ** 2;

/**
 * Serves signed URLs: `GET` with `Range`, and `PUT` of a whole file or of pieces in the protocol of Google Cloud
 * Storage. A piece has the header `Content-Range: bytes 0-99/1000`. The response is 308 with the received bytes as
 * `Range: bytes=0-99`, and 200 after the last piece. A `PUT` with a star for the bytes and no body queries the state. A
 * `POST` with `x-goog-resumable: start` returns the URL itself as the URL for the pieces.
 */
export function blobRoutes(app: FastifyInstance, deps: BlobRoutesDeps): void {
  app.register(async (scope) => {
    // Stream bodies to the disk instead of parsing them.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    const config = { open: "always", longBody: true } as const;
    // A signature is for one method, so the URLs don't work with HEAD.
    scope.get("/blobs/*", { config, exposeHeadRoute: false }, (request, reply) =>
      download(deps, request, reply),
    );
    scope.put("/blobs/*", { config }, (request, reply) => upload(deps, request, reply));
    scope.post("/blobs/*", { config }, (request, reply) => startResumableUpload(deps, request, reply));
  });
}

function keyOf(request: FastifyRequest): string {
  return (request.params as { "*": string })["*"];
}

async function upload(deps: BlobRoutesDeps, request: FastifyRequest, reply: FastifyReply): Promise<object> {
  const ticket = deps.urls.verifyUpload(keyOf(request), request.query as Record<string, unknown>);
  const range = contentRange(request.headers["content-range"], ticket.sizeBytes);
  if (range === null) return respondWithProgress(reply, await deps.uploads.resume(ticket));
  const length = request.headers["content-length"];
  const rangeBytes = range.end - range.start + 1;
  if (length !== undefined && Number(length) !== rangeBytes) {
    throw badRequest("content-length", `The body has ${length} bytes, but ${rangeBytes} are expected.`);
  }
  request.raw.setTimeout(STALL_TIMEOUT_MS);
  const body = bodyChunks(request);
  const received = await deps.uploads.receive(ticket, range, body).finally(() => drainBody(request));
  return respondWithProgress(reply, received);
}

/** @throws AppError REQUEST_TIMEOUT when the client disconnects early or stops sending. */
async function* bodyChunks({ raw }: FastifyRequest): AsyncGenerator<Uint8Array> {
  try {
    yield* raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("REQUEST_TIMEOUT", "The file did not arrive whole.", { param: "body", cause });
  }
}

/**
 * Reads and discards the rest of the body, up to a limit: a client reads the response only after it has sent its body.
 */
function drainBody({ raw }: FastifyRequest): void {
  let remainingBytes = MAX_UNWANTED_BYTES;
  raw.on("error", () => {});
  raw.on("data", (chunk: Buffer) => {
    remainingBytes -= chunk.length;
    if (remainingBytes < 0) raw.destroy();
  });
}

async function startResumableUpload(
  deps: BlobRoutesDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  deps.urls.verifyUpload(keyOf(request), request.query as Record<string, unknown>);
  if (request.headers["x-goog-resumable"] !== "start")
    throw badRequest("x-goog-resumable", "POST starts a resumable upload: this header must say start.");
  reply.code(201).header("location", originOf(request.headers) + request.url);
  return {};
}

function respondWithProgress(reply: FastifyReply, received: UploadProgress): object {
  if (!received.isWhole) {
    reply.code(308);
    if (received.receivedBytes > 0) reply.header("range", `bytes=0-${received.receivedBytes - 1}`);
  }
  return {};
}

/** Parses `Content-Range`: the bytes in the body. Null: the request only queries the state of the upload. */
function contentRange(header: string | undefined, sizeBytes: number): ByteRange | null {
  if (header === undefined) return { start: 0, end: sizeBytes - 1 };
  const match = /^bytes (?:\*|(\d{1,16})-(\d{1,16}))\/(\d{1,16}|\*)$/.exec(header);
  if (match === null) throw badRequest("content-range", "The header must be like bytes 0-99/1000.");
  const [, start, end, total] = match;
  if (total !== "*" && Number(total) !== sizeBytes)
    throw badRequest("content-range", `The file was declared with ${sizeBytes} bytes.`);
  if (start === undefined) return null;
  const range = { start: Number(start), end: Number(end) };
  if (range.start > range.end || range.end >= sizeBytes)
    throw badRequest("content-range", `There are no such bytes in a file of ${sizeBytes}.`);
  return range;
}

async function download(
  deps: BlobRoutesDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const ticket = deps.urls.verifyDownload(keyOf(request), request.query as Record<string, unknown>);
  const blob = await deps.blobs.stat(ticket.key);
  if (blob === null) throw new AppError("NOT_FOUND", "There is no such file.");
  const range = requestedRange(request.headers.range, blob.sizeBytes);
  reply
    .header("accept-ranges", "bytes")
    .header("content-disposition", `attachment; filename="${ticket.filename.replaceAll(/[^\w.+=@-]/g, "_")}"`)
    .header("x-content-type-options", "nosniff")
    .type("application/octet-stream");
  if (range === "unsatisfiable") {
    return reply.code(416).header("content-range", `bytes */${blob.sizeBytes}`).send();
  }
  if (range !== null)
    reply.code(206).header("content-range", `bytes ${range.start}-${range.end}/${blob.sizeBytes}`);
  reply.raw.setTimeout(STALL_TIMEOUT_MS, () => reply.raw.destroy());
  const lengthBytes = range === null ? blob.sizeBytes : range.end - range.start + 1;
  return reply
    .header("content-length", lengthBytes)
    .send(await deps.blobs.read(ticket.key, range ?? undefined));
}

/**
 * Parses `Range`. Null, for the whole file: no range, an invalid one, or several, which RFC 9110 §14.2 allows to
 * ignore.
 */
function requestedRange(header: string | undefined, sizeBytes: number): ByteRange | "unsatisfiable" | null {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? "");
  if (match === null || match[0] === "bytes=-") return null;
  const [, first = "", last = ""] = match;
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (first !== "" && last !== "" && Number(last) < start) return null;
  return start > end ? "unsatisfiable" : { start, end };
}

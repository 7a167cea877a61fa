import { open, rm } from "node:fs/promises";
import { type Dispatcher, EnvHttpProxyAgent, interceptors, request } from "undici";
import { errorReason, isDiskFull, SourceError } from "./errors.ts";
import { sizeOf } from "./workspace.ts";

export interface DownloadOptions {
  /** Size of the whole file; a response with another size is refused. */
  sizeBytes: number;
  dispatcher: Dispatcher;
  signal: AbortSignal;
  onBytes: (receivedBytes: number) => void;
}

/** Most attempts; an attempt that adds no byte is the last. */
const MAX_TRIES = 10;

/** Longest wait for a connection, for an answer, and between two pieces of it is `stallTimeoutMs`. */
export function createDownloadClient(
  env: Readonly<Record<string, string | undefined>>,
  stallTimeoutMs: number,
): Dispatcher {
  const client = new EnvHttpProxyAgent({
    httpProxy: env["http_proxy"] ?? env["HTTP_PROXY"] ?? "",
    httpsProxy: env["https_proxy"] ?? env["HTTPS_PROXY"] ?? "",
    noProxy: env["no_proxy"] ?? env["NO_PROXY"] ?? "",
    connectTimeout: stallTimeoutMs,
    headersTimeout: stallTimeoutMs,
    bodyTimeout: stallTimeoutMs,
  });
  return client.compose(interceptors.redirect({ maxRedirections: 10 }));
}

/**
 * Downloads a file of known size to `path`. Continues a partial file there, also after a broken connection.
 * @throws SourceError when the server can't deliver the file. The partial file stays for a later attempt.
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<void> {
  for (let tries = 1; ; tries++) {
    const before = await sizeOf(path);
    if (before === options.sizeBytes) return;
    if (before > options.sizeBytes) await rm(path);
    try {
      await downloadOnce(url, path, before > options.sizeBytes ? 0 : before, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof SourceError || isDiskFull(error)) throw error;
      const isForward = (await sizeOf(path)) > before;
      if (!isForward || tries === MAX_TRIES)
        throw new SourceError(`download failed: ${errorReason(error)}`, error);
    }
  }
}

async function downloadOnce(
  url: string,
  path: string,
  fromByte: number,
  options: DownloadOptions,
): Promise<void> {
  const headers: Record<string, string> = { "accept-encoding": "identity", "user-agent": "hearth" };
  if (fromByte > 0) headers["range"] = `bytes=${fromByte}-`;
  const answer = await request(url, { dispatcher: options.dispatcher, signal: options.signal, headers });
  try {
    const startByte = acceptedStart(answer, fromByte, options.sizeBytes);
    await append(answer.body, path, startByte, options);
  } finally {
    answer.body.on("error", () => {}).destroy();
  }
  if ((await sizeOf(path)) < options.sizeBytes) throw new Error("the connection ended early");
}

/** The offset in the file at which the response begins. @throws SourceError when the response is not the wanted file. */
function acceptedStart(answer: Dispatcher.ResponseData, fromByte: number, sizeBytes: number): number {
  if (answer.statusCode !== 200 && answer.statusCode !== 206) {
    throw new SourceError(`the server answered ${answer.statusCode}`);
  }
  const startByte = answer.statusCode === 206 ? fromByte : 0;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(answer.headers["content-range"] ?? ""));
  if (answer.statusCode === 206 && Number(range?.[1]) !== fromByte)
    throw new SourceError("the server sent another range");
  const length = answer.headers["content-length"];
  if (length !== undefined && startByte + Number(length) !== sizeBytes) {
    throw new SourceError(`the file has ${startByte + Number(length)} bytes instead of ${sizeBytes}`);
  }
  return startByte;
}

/** Writes each piece before it reads the next, so that the file never has a gap before its end. */
async function append(
  body: AsyncIterable<Buffer>,
  path: string,
  startByte: number,
  options: DownloadOptions,
) {
  // A server that ignores the range sends the file from its start, and the partial file is overwritten.
  const file = await open(path, startByte > 0 ? "a" : "w");
  try {
    let receivedBytes = startByte;
    for await (const chunk of body) {
      receivedBytes += chunk.length;
      if (receivedBytes > options.sizeBytes)
        throw new SourceError(`the file has more than ${options.sizeBytes} bytes`);
      await file.writeFile(chunk);
      options.onBytes(receivedBytes);
    }
  } finally {
    await file.close();
  }
}

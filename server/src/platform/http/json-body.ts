import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { AppError, badRequest, toAppError } from "../../lib/errors.ts";

/**
 * Reads and parses a JSON body of at most `limitBytes`. The value of an empty body is undefined.
 * @param done gets an AppError PAYLOAD_TOO_LARGE; BAD_REQUEST for another media type, an encoded body, bytes that are
 * not UTF-8, malformed JSON, or an unpaired surrogate; REQUEST_TIMEOUT when the client disconnects; the error of
 * handleClientError when the body is malformed HTTP or too slow.
 * @param check called with the text of a body that parsed; may throw an AppError.
 */
export function readJsonBody(
  req: IncomingMessage,
  limitBytes: number,
  done: (error: AppError | null, value: unknown) => void,
  check: (text: string) => void = () => {},
): void {
  const refused = refuseHead(req, limitBytes);
  if (refused !== null) {
    done(refused, undefined);
    return;
  }
  new BodyReader(req, limitBytes, done, check);
}

/** Collects a body. A class, as creating closures for each request takes longer than reading the body. */
class BodyReader {
  readonly #req: IncomingMessage;
  readonly #limitBytes: number;
  #done: ((error: AppError | null, value: unknown) => void) | null;
  readonly #check: (text: string) => void;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;

  constructor(
    req: IncomingMessage,
    limitBytes: number,
    done: (error: AppError | null, value: unknown) => void,
    check: (text: string) => void,
  ) {
    this.#check = check;
    this.#req = req;
    this.#limitBytes = limitBytes;
    this.#done = done;
    req.on("data", (chunk: Buffer) => this.#take(chunk));
    req.on("end", () => this.#end());
    req.on("error", (cause) => this.#fail(cause));
  }

  #take(chunk: Buffer): void {
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes <= this.#limitBytes) {
      this.#chunks.push(chunk);
      return;
    }
    this.#req.removeAllListeners("data");
    this.#chunks = [];
    this.#settle(tooLarge(this.#limitBytes), undefined);
  }

  #end(): void {
    if (this.#done === null) return;
    if (this.#sizeBytes === 0) {
      this.#settle(null, undefined);
      return;
    }
    const [only] = this.#chunks;
    try {
      const whole = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
      this.#settle(null, parseJson(whole, this.#check));
    } catch (error) {
      this.#settle(toAppError(error), undefined);
    }
  }

  #fail(cause: Error): void {
    const known = cause instanceof AppError;
    this.#settle(
      known
        ? cause
        : new AppError("REQUEST_TIMEOUT", "The request body did not arrive.", { cause, param: "body" }),
      undefined,
    );
  }

  #settle(error: AppError | null, value: unknown): void {
    const done = this.#done;
    this.#done = null;
    done?.(error, value);
  }
}

function refuseHead(req: IncomingMessage, limitBytes: number): AppError | null {
  const { headers } = req;
  const type = headers["content-type"];
  if (type !== undefined && !/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) {
    return badRequest("content-type", "The content-type header must be application/json.");
  }
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    return badRequest("content-encoding", "Encoded request bodies are not supported; send plain JSON.");
  }
  return Number(headers["content-length"] ?? 0) > limitBytes ? tooLarge(limitBytes) : null;
}

function tooLarge(limitBytes: number): AppError {
  return new AppError("PAYLOAD_TOO_LARGE", `The request body is larger than ${limitBytes} bytes.`, {
    param: "body",
  });
}

/** Exported for tests. */
export function parseJson(bytes: Buffer, check: (text: string) => void = () => {}): unknown {
  if (!isUtf8(bytes)) throw badRequest("body", "The request body is not valid UTF-8.");
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // The parser's message quotes the body, so that clients don't get it.
    throw new AppError("BAD_REQUEST", "The request body is not valid JSON.", { param: "body", cause });
  }
  check(text);
  // In valid UTF-8 an unpaired surrogate can only come from an escape, so that most bodies need no scan.
  if (/\\u[dD][89a-fA-F]/.test(text)) refuseHalfSurrogates(value, "", 0);
  return value;
}

/** Deepest nesting that is searched for unpaired surrogates; far above that of any request of the contract. */
const MAX_DEPTH = 200;

function refuseHalfSurrogates(value: unknown, path: string, depth: number): void {
  if (depth > MAX_DEPTH)
    throw badRequest("body", `The request body is nested deeper than ${MAX_DEPTH} levels.`);
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw badRequest(path || "body", "The text holds half of a surrogate pair.");
  } else if (Array.isArray(value)) {
    value.forEach((item, i) => {
      refuseHalfSurrogates(item, `${path}[${i}]`, depth + 1);
    });
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (!key.isWellFormed())
        throw badRequest(path || "body", "A field name holds half of a surrogate pair.");
      refuseHalfSurrogates(item, path === "" ? key : `${path}.${key}`, depth + 1);
    }
  }
}

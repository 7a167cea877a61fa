import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { AppError, badRequest, toAppError } from "../../lib/errors.ts";
import { type BodyMemory, bodyMemory } from "./body-memory.ts";
import { JsonSizeCounter } from "./json-size.ts";

export interface JsonBodyOptions {
  limitBytes: number;
  /** Called with the text of a body that parsed; may throw an AppError. */
  check?: (text: string) => void;
  /** Keeps the memory of a large body taken until it closes, as the parsed values live on. Absent: until they are parsed. */
  response?: ServerResponse;
  /** Override in tests. */
  memory?: BodyMemory;
}

/** Smaller bodies are neither measured nor counted: parsing them takes a few milliseconds at most. */
const SMALL_BYTES = 64 * 1024;

/**
 * Reads and parses a JSON body. The value of an empty body is undefined.
 * @param done gets the value and its JSON text, or an AppError: PAYLOAD_TOO_LARGE, also for more values than JsonSizeCounter
 * allows; UNAVAILABLE when the large bodies of all clients take too much memory; BAD_REQUEST for another media type, an encoded
 * body, bytes that are not UTF-8, malformed JSON, or an unpaired surrogate; REQUEST_TIMEOUT when the client disconnects; the
 * error of handleClientError when the body is malformed HTTP or too slow.
 */
export function readJsonBody(
  req: IncomingMessage,
  options: JsonBodyOptions,
  done: (error: AppError | null, value: unknown, text?: string) => void,
): void {
  const refused = refuseHead(req, options.limitBytes);
  if (refused !== null) {
    done(refused, undefined);
    return;
  }
  new BodyReader(req, options, done);
}

/** Collects a body. A class, as creating closures for each request takes longer than reading the body. */
class BodyReader {
  readonly #req: IncomingMessage;
  readonly #options: JsonBodyOptions;
  #done: ((error: AppError | null, value: unknown, text?: string) => void) | null;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;
  /** Bytes of `memory` that the body holds; 0 for a small one. */
  #takenBytes = 0;
  #counter: JsonSizeCounter | null = null;

  constructor(
    req: IncomingMessage,
    options: JsonBodyOptions,
    done: (error: AppError | null, value: unknown, text?: string) => void,
  ) {
    this.#req = req;
    this.#options = options;
    this.#done = done;
    req.on("data", (chunk: Buffer) => this.#take(chunk));
    req.on("end", () => this.#end());
    req.on("error", (cause) => this.#fail(cause));
  }

  get #memory(): BodyMemory {
    return this.#options.memory ?? bodyMemory;
  }

  #take(chunk: Buffer): void {
    const { limitBytes } = this.#options;
    this.#sizeBytes += chunk.length;
    try {
      if (this.#sizeBytes > limitBytes) throw tooLarge(limitBytes);
      this.#chunks.push(chunk);
      if (this.#sizeBytes > SMALL_BYTES) this.#measure(chunk);
    } catch (error) {
      this.#req.removeAllListeners("data");
      this.#chunks = [];
      this.#settle(toAppError(error), undefined);
    }
  }

  /** Counts a large body while it comes in, so that one that would take too long to parse never is. */
  #measure(chunk: Buffer): void {
    this.#memory.take(this.#sizeBytes - this.#takenBytes);
    this.#takenBytes = this.#sizeBytes;
    if (this.#counter !== null) {
      this.#counter.add(chunk);
      return;
    }
    this.#counter = new JsonSizeCounter();
    for (const earlier of this.#chunks) this.#counter.add(earlier);
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
      const text = decodeText(whole);
      this.#settle(null, parseText(text, this.#options.check), text);
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

  #settle(error: AppError | null, value: unknown, text?: string): void {
    const done = this.#done;
    this.#done = null;
    this.#chunks = [];
    if (this.#takenBytes > 0) this.#freeMemory(error !== null);
    done?.(error, value, text);
  }

  #freeMemory(isRefused: boolean): void {
    const { response } = this.#options;
    const sizeBytes = this.#takenBytes;
    this.#takenBytes = 0;
    if (isRefused || response === undefined || response.closed) this.#memory.free(sizeBytes);
    else response.once("close", () => this.#memory.free(sizeBytes));
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
export function parseJson(bytes: Buffer): unknown {
  return parseText(decodeText(bytes));
}

function decodeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw badRequest("body", "The request body is not valid UTF-8.");
  return bytes.toString("utf8");
}

function parseText(text: string, check?: (text: string) => void): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // The parser's message quotes the body, so that clients don't get it.
    throw new AppError("BAD_REQUEST", "The request body is not valid JSON.", { param: "body", cause });
  }
  check?.(text);
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

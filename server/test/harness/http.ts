import http, { type IncomingHttpHeaders } from "node:http";
import net from "node:net";

export interface Target {
  port: number;
  /** Sent as a bearer token; null sends no Authorization header. */
  apiKey: string | null;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of many shapes
export type Json = any;

export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body, or null when it is not JSON. */
  json: Json;
}

export interface SendOptions {
  method?: string;
  /** Strings and buffers are sent unchanged, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string | string[]>;
  signal?: AbortSignal;
}

/** Sends one request on a new connection; `path` is sent byte for byte. Rejects when the response is incomplete. */
export async function send(target: Target, path: string, options: SendOptions = {}): Promise<HttpResponse> {
  const response = await open(target, path, options);
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: parseOrNull(text) };
}

export const post = (
  target: Target,
  path: string,
  body: unknown,
  options: SendOptions = {},
): Promise<HttpResponse> => send(target, path, { method: "POST", body, ...options });

function open(target: Target, path: string, options: SendOptions): Promise<http.IncomingMessage> {
  const { body, signal } = options;
  const payload =
    body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const headers: Record<string, string | string[]> = {
    ...(payload === undefined ? {} : { "content-type": "application/json" }),
    ...(payload === undefined ? {} : { "content-length": String(Buffer.byteLength(payload)) }),
    ...(target.apiKey === null ? {} : { authorization: `Bearer ${target.apiKey}` }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: "127.0.0.1",
      port: target.port,
      path,
      method: options.method ?? (payload === undefined ? "GET" : "POST"),
      headers,
      agent: false,
      ...(signal === undefined ? {} : { signal }),
    });
    // The server may refuse and close before a large body is sent; writing the rest then fails.
    request.on("error", (error) => reject(error));
    request.on("response", resolve);
    request.end(payload);
  });
}

/** The part of a stream received so far; `read` updates it as events arrive. */
export interface StreamedResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** The JSON events, in order. */
  chunks: Json[];
  /** The text of choice 0. */
  text: string;
  /** `[DONE]` was received. */
  done: boolean;
  /** The body was complete by HTTP's framing; false when the connection broke. */
  whole: boolean;
}

export interface OpenStream {
  response: StreamedResponse;
  /** Reads until `enough` returns true, the stream ends (the default) or the connection breaks. */
  read(enough?: (response: StreamedResponse) => boolean): Promise<StreamedResponse>;
  /** Closes the connection at once, as a browser does whose tab is closed. */
  drop(): void;
}

/** Sends a streaming request; resolves when the response's head has arrived. */
export async function openStream(
  target: Target,
  path: string,
  body: object,
  options: SendOptions = {},
): Promise<OpenStream> {
  const response = await open(target, path, {
    method: "POST",
    body: JSON.stringify({ ...body, stream: true }),
    ...options,
  });
  const streamed: StreamedResponse = {
    status: response.statusCode ?? 0,
    headers: response.headers,
    chunks: [],
    text: "",
    done: false,
    whole: false,
  };
  const events = sseData(response);
  return {
    response: streamed,
    async read(enough = () => false) {
      try {
        while (!enough(streamed)) {
          const { value, done } = await events.next();
          if (done) {
            streamed.whole = response.complete;
            break;
          }
          take(streamed, value);
        }
      } catch {
        // The connection broke; `whole` stays false.
      }
      return streamed;
    },
    drop: () => response.destroy(),
  };
}

/** Sends a streaming request and reads the response to its end. */
export async function stream(
  target: Target,
  path: string,
  body: object,
  options: SendOptions = {},
): Promise<StreamedResponse> {
  return (await openStream(target, path, body, options)).read();
}

function take(response: StreamedResponse, data: string): void {
  if (response.done) throw new Error(`an event after [DONE]: ${data}`);
  if (data === "[DONE]") {
    response.done = true;
    return;
  }
  const chunk = JSON.parse(data) as Json;
  response.chunks.push(chunk);
  for (const choice of chunk.choices ?? []) {
    if (choice.index === 0) response.text += choice.delta?.content ?? choice.text ?? "";
  }
}

async function* sseData(response: http.IncomingMessage): AsyncGenerator<string, void> {
  let rest = "";
  response.setEncoding("utf8");
  for await (const piece of response) {
    const events = (rest + piece).split("\n\n");
    rest = events.pop() as string;
    for (const event of events) {
      if (!event.startsWith("data: ") || event.includes("\n")) throw new Error(`not an event: ${event}`);
      yield event.slice(6);
    }
  }
  if (rest !== "") throw new Error(`the stream ended inside an event: ${rest}`);
}

/** Writes bytes to a raw socket; resolves with everything received until the server closes it or `enough` returns true. */
export function rawExchange(
  port: number,
  pieces: string | Buffer | readonly (string | Buffer)[],
  enough: (text: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => {
      for (const piece of Array.isArray(pieces) ? pieces : [pieces]) socket.write(piece);
    });
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (enough(text)) socket.destroy();
    });
    // A reset may come after or instead of a response; the received text shows which.
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

/** Resolves with the first response to the bytes, without waiting for the end of the connection. */
export async function rawResponse(
  port: number,
  pieces: string | Buffer | readonly (string | Buffer)[],
): Promise<HttpResponse> {
  return parseRaw(
    await rawExchange(port, pieces, (text) => {
      const length = /^HTTP[\s\S]*?\r\ncontent-length: (\d+)\r\n[\s\S]*?\r\n\r\n/i.exec(text);
      return length !== null && text.length >= length[0].length + Number(length[1]);
    }),
  );
}

/** Parses the text from `rawExchange` as one response. */
export function parseRaw(text: string): HttpResponse {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const body = rest.join("\r\n\r\n");
  return { status: Number(statusLine.split(" ")[1] ?? 0), headers, text: body, json: parseOrNull(body) };
}

function parseOrNull(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

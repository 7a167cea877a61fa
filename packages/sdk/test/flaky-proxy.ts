import { EventEmitter, once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The fault that the proxy applies to one request. */
export type Fault =
  | "pass"
  /** The connection breaks before the request reaches the host. */
  | "drop"
  /** The host responds, and the connection breaks before the response reaches the client. */
  | "lose-answer"
  /** Half of the response arrives. */
  | "cut-answer"
  /** Half of the request's body arrives. */
  | "cut-body"
  /** Half of the request's body arrives; then the proxy waits until the client disconnects. */
  | "stall"
  | "unavailable"
  /** A 502 with a web page, like that of a gateway. */
  | "page"
  | "delay";

export interface Seen {
  method: string;
  /** The path without the query. */
  path: string;
  headers: http.IncomingHttpHeaders;
  fault: Fault;
}

export interface FlakyProxy {
  origin: string;
  /** All requests, newest last. */
  seen: Seen[];
  /** Applies one fault to each of the next requests that match `which`; later requests pass. */
  plan(faults: readonly Fault[], which?: (request: Seen) => boolean): void;
  /** Settles when half of a stalled body has been sent to the host. */
  stalled(): Promise<void>;
  close(): Promise<void>;
}

const DELAY_MS = 30;

/** Forwards requests to a local port, and makes some of them fail like a faulty network. */
export async function startFlakyProxy(target: { port: number }): Promise<FlakyProxy> {
  const seen: Seen[] = [];
  let faults: Fault[] = [];
  let which: (request: Seen) => boolean = () => true;
  const stalls = new EventEmitter();
  const server = http.createServer((request, response) => {
    const one: Seen = {
      method: request.method ?? "",
      path: (request.url ?? "").replace(/\?.*/, ""),
      headers: request.headers,
      fault: "pass",
    };
    if (which(one)) one.fault = faults.shift() ?? "pass";
    seen.push(one);
    const pass = (): void =>
      forward(one, request, response, { port: target.port, onStall: () => stalls.emit("stall") });
    if (one.fault === "delay") setTimeout(() => pass(), DELAY_MS);
    else pass();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    plan(next, filter = () => true) {
      faults = [...next];
      which = filter;
    },
    async stalled() {
      await once(stalls, "stall");
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Host {
  port: number;
  onStall: () => void;
}

function forward({ fault }: Seen, request: IncomingMessage, response: ServerResponse, host: Host): void {
  if (fault === "drop") request.socket.destroy();
  else if (fault === "unavailable")
    answer(response, 503, "application/json", '{"code":14,"message":"Busy."}');
  else if (fault === "page") answer(response, 502, "text/html", "<html>Bad gateway</html>");
  else passOn(fault, request, response, host);
}

function passOn(fault: Fault, request: IncomingMessage, response: ServerResponse, host: Host): void {
  const { method, url, headers } = request;
  const upstream = http.request({
    host: "127.0.0.1",
    port: host.port,
    method,
    path: url,
    headers,
    agent: false,
  });
  upstream.on("error", () => request.socket.destroy());
  upstream.on("response", (from) => passAnswer(fault, from, response));
  const half = Math.floor(Number(headers["content-length"] ?? 0) / 2);
  if (fault === "cut-body") {
    passHalf(request, upstream, half, () => {
      upstream.destroy();
      request.socket.destroy();
    });
  } else if (fault === "stall") {
    // Keep reading the rest: otherwise the proxy wouldn't notice that the client disconnects.
    passHalf(request, upstream, half, host.onStall);
  } else request.pipe(upstream);
  response.on("close", () => upstream.destroy());
}

function passAnswer(fault: Fault, from: IncomingMessage, response: ServerResponse): void {
  if (fault === "lose-answer") {
    from.resume();
    from.on("end", () => response.destroy());
    return;
  }
  response.writeHead(from.statusCode ?? 502, from.headers);
  response.flushHeaders();
  if (fault !== "cut-answer") {
    from.pipe(response);
    return;
  }
  const chunks: Buffer[] = [];
  from.on("data", (chunk: Buffer) => chunks.push(chunk));
  from.on("end", () => {
    const body = Buffer.concat(chunks);
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
  });
}

/** Forwards half of a request's body. @param then called once, when that half is sent */
function passHalf(
  request: IncomingMessage,
  upstream: http.ClientRequest,
  half: number,
  then: () => void,
): void {
  let passed = 0;
  let isOver = false;
  const check = (): void => {
    if (passed < half || isOver) return;
    isOver = true;
    then();
  };
  if (half === 0) check();
  request.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, Math.max(0, half - passed));
    passed += part.length;
    if (part.length > 0) upstream.write(part, check);
  });
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, connection: "close" });
  response.end(body);
}

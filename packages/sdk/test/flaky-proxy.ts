import { EventEmitter, once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of one request. */
export type Fault =
  | "pass"
  /** The host never hears of it. */
  | "drop"
  /** The host answers, and nobody hears of it. */
  | "lose-answer"
  /** Half of the answer arrives. */
  | "cut-answer"
  /** Half of the request's body arrives. */
  | "cut-body"
  /** Half of the request's body arrives; then nothing more, until the client leaves. */
  | "stall"
  | "unavailable"
  /** A page of some gateway in between. */
  | "page"
  | "delay";

export interface Seen {
  method: string;
  /** Without query. */
  path: string;
  headers: http.IncomingHttpHeaders;
  fault: Fault;
}

export interface FlakyProxy {
  origin: string;
  /** What passed by, newest last. */
  seen: Seen[];
  /** The next requests that `which` lets through meet these, one each; then all pass. */
  plan(faults: readonly Fault[], which?: (request: Seen) => boolean): void;
  /** Settles when the host has been sent half of a body that stalls. */
  stalled(): Promise<void>;
  close(): Promise<void>;
}

const DELAY_MS = 30;

/** Passes requests on to a host of this machine, and lets some of them fail as networks do. */
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
    // The rest is read all the same: else nobody would notice that the client leaves.
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

/** @param then called once, when half of the body is on its way to the host */
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

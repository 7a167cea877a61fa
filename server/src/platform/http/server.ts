import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest, toAppError } from "../../lib/errors.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Log } from "../telemetry/log.ts";
import { handleClientError } from "./client-error-handler.ts";
import { drainUnreadBody, errorResponse, sendError } from "./error-response.ts";
import { HttpExchange } from "./http-exchange.ts";
import { methodNotAllowed } from "./resources.ts";

/** Largest request head; larger ones are refused by the parser. */
const MAX_HEADER_BYTES = 16 * 1024;
/** A head that is not complete by then, and a whole request that is not, answers 408. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

declare module "fastify" {
  interface FastifyContextConfig {
    /** `always`: no key needed. `loopback`: none needed from this machine. Absent: a key is needed. */
    open?: "always" | "loopback";
    /** The body may take as long as it needs; whoever reads it ends the connection of a client that falls silent. */
    longBody?: true;
  }
}

/** An operation as the OpenAPI document describes it. */
export interface OperationDescription {
  method: "get" | "post";
  /** With parameters in braces; the first is the operation's own path, the others are aliases. */
  paths: readonly string[];
  operationId: string;
  summary: string;
  /** JSON schema of the request body. */
  request?: object;
  /** Media types of a successful response. Default: JSON alone. */
  responseTypes?: readonly string[];
  /** The operation needs no key. */
  isPublic?: boolean;
}

/**
 * A POST route of the data plane, matched by its exact path and served without the framework: it is the one place
 * where a framework's 10 µs a request would show.
 */
export interface RawRoute<P> {
  /** Exact request paths, aliases included. */
  paths: readonly string[];
  /** Absent: the OpenAPI document leaves the route out. */
  description?: OperationDescription;
  handle(exchange: HttpExchange<P>): void;
}

export interface HttpServerOptions<P> {
  clock: Clock;
  log: Log;
  /** Gives the principal of an `Authorization` header. @throws AppError UNAUTHORIZED. */
  authenticate(authorization: string | undefined): P;
  rawRoutes: readonly RawRoute<P>[];
  /**
   * Direct routes of deployments, with keys of their own: which raw route is meant, and who asks. Null for
   * paths that are none of these. @throws AppError UNAUTHORIZED.
   */
  resolveDirectRoute?(path: string, authorization: string | undefined): { path: string; principal: P } | null;
  /** Registers every other route. */
  register(app: FastifyInstance): void;
  /** Overrides of the time limits, for tests. */
  headersTimeoutMs?: number;
  requestTimeoutMs?: number;
}

export interface HttpServer {
  /** Resolves with the port taken. @throws the system's error, EADDRINUSE among them. */
  listen(port: number, host: string): Promise<number>;
  /** Accepts nothing new, closes idle connections, waits up to `graceMs` for the rest, then cuts them. */
  close(graceMs: number): Promise<void>;
  /** Connections open now. */
  connections(): number;
}

/** Builds the server: a key is needed for everything that doesn't say otherwise, unknown paths included. */
export async function createHttpServer<P>(options: HttpServerOptions<P>): Promise<HttpServer> {
  const direct = new Map<string, RawRoute<P>>();
  for (const route of options.rawRoutes) for (const path of route.paths) direct.set(path, route);
  let server!: Server;
  const sockets = new Set<Socket>();
  /** Connections in the middle of a `longBody` request. */
  const longBodies = new WeakSet<Socket>();
  const app = Fastify({
    logger: false,
    // A route's own pattern limits its parameters; too long a one is no path, not an error of its own.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    genReqId: () => uuidv7Hex(options.clock.now()),
    frameworkErrors: (fault, request, reply) => refuseUrl(options, fault, request, reply),
    clientErrorHandler(fault, socket) {
      if (fault.code === "ERR_HTTP_REQUEST_TIMEOUT" && longBodies.has(socket)) return;
      handleClientError(fault, socket, MAX_HEADER_BYTES, options.clock);
    },
    serverFactory: (framework) => {
      server = createServer(serverSettings(options), (req, res) => {
        if (!serveRawRoute(options, direct, req, res)) framework(req, res);
      });
      server.on("connection", (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      });
      server.on("checkExpectation", (_req, res) => {
        sendError(res, uuidv7Hex(options.clock.now()), badRequest("expect", "There is no such expectation."));
      });
      return server;
    },
  });
  guard(app, options);
  app.addHook("onRequest", async ({ is404, routeOptions, raw }, reply) => {
    if (is404 || routeOptions.config.longBody !== true) return;
    const { socket } = raw;
    longBodies.add(socket);
    reply.raw.on("close", () => longBodies.delete(socket));
  });
  options.register(app);
  await app.ready();
  return {
    connections: () => sockets.size,
    listen: (port, host) => listen(server, port, host),
    close: (graceMs) => closeServer(server, sockets, graceMs, options.clock),
  };
}

function serverSettings<P>(options: HttpServerOptions<P>): import("node:http").ServerOptions {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node's own refusal has no body; ours is in serveRawRoute.
    requireHostHeader: false,
    headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(5_000, options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS),
  };
}

function serveRawRoute<P>(
  options: HttpServerOptions<P>,
  direct: ReadonlyMap<string, RawRoute<P>>,
  req: IncomingMessage,
  res: ServerResponse,
): boolean {
  if (req.headers.host === undefined && req.httpVersion !== "1.0") {
    sendError(res, uuidv7Hex(options.clock.now()), badRequest("host", "The host header is missing."));
    return true;
  }
  // A client that takes the server for a proxy names it in the request line (RFC 9112 §3.2.2).
  if (!req.url?.startsWith("/")) req.url = req.url?.replace(/^https?:\/\/[^/?]*/i, "") || "/";
  const { url } = req;
  const query = url.indexOf("?");
  const id = uuidv7Hex(options.clock.now());
  try {
    const asked = matchRawRoute(options, direct, req, query === -1 ? url : url.slice(0, query));
    if (asked === null) return false;
    if (req.method !== "POST") throw methodNotAllowed("POST");
    asked.route.handle(new HttpExchange(id, asked.principal, req, res));
  } catch (thrown) {
    const error = toAppError(thrown);
    logFailure(options.log, id, error);
    if (error.code === "METHOD_NOT_ALLOWED") res.setHeader("allow", "POST");
    if (!res.headersSent) sendError(res, id, error);
  }
  return true;
}

/** A request's raw route and who asks; null for what the framework serves. @throws AppError UNAUTHORIZED, NOT_FOUND. */
function matchRawRoute<P>(
  options: HttpServerOptions<P>,
  direct: ReadonlyMap<string, RawRoute<P>>,
  req: IncomingMessage,
  path: string,
): { route: RawRoute<P>; principal: P } | null {
  const route = direct.get(path);
  if (route !== undefined) return { route, principal: options.authenticate(credentials(req)) };
  const other = options.resolveDirectRoute?.(path, credentials(req)) ?? null;
  if (other === null) return null;
  const meant = direct.get(other.path);
  if (meant === undefined) throw new AppError("NOT_FOUND", "No such path.");
  return { route: meant, principal: other.principal };
}

/** The door in front of every framework route: who asks, and how errors look. */
function guard<P>(app: FastifyInstance, options: HttpServerOptions<P>): void {
  app.decorateRequest("principal", null);
  app.addHook("onRequest", async (request) => {
    const open = request.is404 ? undefined : request.routeOptions.config.open;
    if (open === "always" || (open === "loopback" && isFromThisMachine(request))) return;
    (request as { principal?: P }).principal = options.authenticate(credentials(request));
  });
  app.setErrorHandler((thrown: unknown, request, reply) => {
    const error = fromFrameworkError(thrown);
    logFailure(options.log, request.id, error);
    return respondWithError(reply, request, error);
  });
  app.setNotFoundHandler((request, reply) => {
    const allowed = (["GET", "POST", "PUT", "PATCH", "DELETE"] as const).filter((method) =>
      app.findRoute({ url: request.url.split("?")[0] as string, method }),
    );
    if (allowed.length === 0)
      return respondWithError(reply, request, new AppError("NOT_FOUND", "No such path."));
    return respondWithError(
      reply.header("allow", allowed.join(", ")),
      request,
      methodNotAllowed(allowed.join(", ")),
    );
  });
}

/** A URL that can't be decoded reaches no hook: who asks is checked here. */
function refuseUrl<P>(
  options: HttpServerOptions<P>,
  fault: Error,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  try {
    options.authenticate(credentials(request));
    respondWithError(reply, request, fromFrameworkError(fault));
  } catch (thrown) {
    respondWithError(reply, request, toAppError(thrown));
  }
}

/** The key of a request as an `Authorization` header; gRPC clients send it as `x-api-key`. */
function credentials({ headers }: Pick<IncomingMessage, "headers">): string | undefined {
  const key = headers["x-api-key"];
  return headers.authorization ?? (typeof key === "string" ? `Bearer ${key}` : undefined);
}

function respondWithError(reply: FastifyReply, request: FastifyRequest, error: AppError): FastifyReply {
  if (error.retryAfterS !== null) reply.header("retry-after", String(error.retryAfterS));
  if (error.code === "UNAUTHORIZED") reply.header("www-authenticate", "Bearer");
  drainUnreadBody(reply.raw);
  const { status, body } = errorResponse(request.url, error);
  return reply
    .code(status)
    .header("x-request-id", request.id)
    .type("application/json; charset=utf-8")
    .send(body);
}

/** A proxy's requests come from this machine too, but they are not the operator's own. */
function isFromThisMachine(request: FastifyRequest): boolean {
  const { headers } = request;
  if (headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined) return false;
  const address = request.raw.socket.remoteAddress ?? "";
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}

/** The framework's own refusals (broken URL, wrong media type, …) keep their status class and lose their wording. */
function fromFrameworkError(thrown: unknown): AppError {
  const status = (thrown as { statusCode?: number }).statusCode;
  if (thrown instanceof AppError || status === undefined || status >= 500) return toAppError(thrown);
  if (status === 413)
    return new AppError("PAYLOAD_TOO_LARGE", "The request body is too large.", { param: "body" });
  return new AppError("BAD_REQUEST", "The request is malformed.", { cause: thrown });
}

export function logFailure(log: Log, requestId: string, error: AppError): void {
  if (error.status >= 500)
    log.error({ requestId, code: error.code, err: error.cause ?? error }, "request failed");
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, 1024, () => {
      server.off("error", reject);
      resolve((server.address() as import("node:net").AddressInfo).port);
    });
  });
}

function closeServer(server: Server, sockets: Set<Socket>, graceMs: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(graceMs, () => {
      for (const socket of sockets) socket.destroy();
    });
    server.close(() => {
      cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}

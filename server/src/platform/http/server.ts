import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest, toAppError } from "../../lib/errors.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Log } from "../telemetry/log.ts";
import { canonicalPath } from "./canonical-path.ts";
import { handleClientError } from "./client-error-handler.ts";
import { applyCors, type CorsOrigins } from "./cors.ts";
import { drainUnreadBody, errorResponse, sendError } from "./error-response.ts";
import { HttpExchange } from "./http-exchange.ts";
import type { RouteDescription } from "./openapi.ts";
import { methodNotAllowed } from "./resources.ts";

/** Largest request head; larger ones are refused by the parser. */
const MAX_HEADER_BYTES = 16 * 1024;
/** A request whose head, or whose whole, has not arrived by then is answered with 408. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

declare module "fastify" {
  interface FastifyContextConfig {
    /** `always`: needs no API key. `loopback`: needs none from this machine. Absent: needs one. */
    open?: "always" | "loopback";
    /** Lifts the time limit of the request. The code that reads the body must end the connection of a silent client. */
    longBody?: true;
  }
}

/**
 * A POST route of the data plane, matched by its exact path and served without the framework, which would add 10 µs to
 * each request.
 */
export interface RawRoute<P> {
  /** Exact request paths, aliases included. */
  paths: readonly string[];
  /** Absent: the OpenAPI document leaves the route out. */
  description?: RouteDescription;
  handle(exchange: HttpExchange<P>): void;
}

/** An operation of the compatible API that the platform doesn't have yet. */
export interface UnbuiltOperation {
  /** As in the contract. */
  operationId: string;
  /** Its clients send the key without a scheme, or as the query parameter `Authorization`. */
  acceptsBareKey: boolean;
}

export interface HttpServerOptions<P> {
  clock: Clock;
  log: Log;
  /** Returns the principal of an `Authorization` header. @throws AppError UNAUTHORIZED. */
  authenticate(authorization: string | undefined): P;
  rawRoutes: readonly RawRoute<P>[];
  /**
   * Resolves the path of a deployment's direct route, which has its own keys, to the path of a raw route and the
   * principal. Null for all other paths. @throws AppError UNAUTHORIZED.
   */
  resolveDirectRoute?(path: string, authorization: string | undefined): { path: string; principal: P } | null;
  /** Origins whose web pages may call the API. Absent: none. */
  corsOrigins?: CorsOrigins | undefined;
  /**
   * Finds the operation that a request means which no route serves; such a request answers 501. Null: the path is unknown.
   * Absent: all such paths are.
   */
  findUnbuilt?(method: string, path: string): UnbuiltOperation | null;
  /** Registers every other route. */
  register(app: FastifyInstance): void;
  /** Override the time limits in tests. */
  headersTimeoutMs?: number;
  requestTimeoutMs?: number;
}

export interface HttpServer {
  /** Resolves with the port that the server listens on. @throws the system's error, such as EADDRINUSE. */
  listen(port: number, host: string): Promise<number>;
  /** Accepts no more connections, closes idle ones, waits up to `graceMs` for the others, then destroys them. */
  close(graceMs: number): Promise<void>;
  /** Number of open connections. */
  connections(): number;
}

/** Creates the server. All paths need an API key unless their route says otherwise, also those that don't exist. */
export async function createHttpServer<P>(options: HttpServerOptions<P>): Promise<HttpServer> {
  const serveRawRoute = rawRouter(options);
  const { corsOrigins } = options;
  let server!: Server;
  const sockets = new Set<Socket>();
  /** Connections with a `longBody` request in progress. */
  const longBodies = new WeakSet<Socket>();
  const app = Fastify({
    logger: false,
    // The patterns of the routes limit parameters already. A longer one must answer 404, not the framework's own error.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    genReqId: () => uuidv7Hex(options.clock.now()),
    frameworkErrors: (fault, request, reply) => {
      respondWithError(reply, request, errorOfMalformedUrl(options, fault, request));
    },
    clientErrorHandler(fault, socket) {
      if (fault.code === "ERR_HTTP_REQUEST_TIMEOUT" && longBodies.has(socket)) return;
      handleClientError(fault, socket, { maxHeaderBytes: MAX_HEADER_BYTES, clock: options.clock });
    },
    serverFactory: (framework) => {
      server = createServer(serverSettings(options), (req, res) => {
        if (corsOrigins !== undefined && applyCors(corsOrigins, req, res)) return;
        if (!serveRawRoute(req, res)) framework(req, res);
      });
      server.on("connection", (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      });
      server.on("checkExpectation", (_req, res) => {
        const error = badRequest("expect", "The only supported expectation is 100-continue.");
        sendError(res, uuidv7Hex(options.clock.now()), error);
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
    close: (graceMs) =>
      new Promise((resolve) => {
        const cancel = options.clock.after(graceMs, () => {
          for (const socket of sockets) socket.destroy();
        });
        server.close(() => {
          cancel();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function serverSettings<P>(options: HttpServerOptions<P>): ServerOptions {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node's own refusal has no body, so rawRouter refuses these requests.
    requireHostHeader: false,
    headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(5_000, options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS),
  };
}

/**
 * Serves requests for raw routes, and requests without the host header, which are refused. The returned function is
 * false for a request that the framework is to serve.
 */
function rawRouter<P>(options: HttpServerOptions<P>): (req: IncomingMessage, res: ServerResponse) => boolean {
  const byPath = new Map<string, RawRoute<P>>();
  for (const route of options.rawRoutes) for (const path of route.paths) byPath.set(path, route);

  /** Null for a path that is no raw route's. @throws AppError UNAUTHORIZED, NOT_FOUND. */
  function match(req: IncomingMessage, path: string): { route: RawRoute<P>; principal: P } | null {
    const route = byPath.get(path);
    if (route !== undefined) return { route, principal: options.authenticate(credentials(req)) };
    const direct = options.resolveDirectRoute?.(path, credentials(req)) ?? null;
    if (direct === null) return null;
    const target = byPath.get(direct.path);
    if (target === undefined) throw new AppError("NOT_FOUND", "No such path.");
    return { route: target, principal: direct.principal };
  }

  /** Matches the path that the client meant, and rewrites the request's URL to it. */
  function matchCanonical(req: IncomingMessage, path: string): ReturnType<typeof match> {
    const canonical = canonicalPath(path);
    if (canonical === path) return null;
    req.url = canonical + (req.url as string).slice(path.length);
    return match(req, canonical);
  }

  return (req, res) => {
    if (req.headers.host === undefined && req.httpVersion !== "1.0") {
      sendError(res, uuidv7Hex(options.clock.now()), badRequest("host", "The host header is missing."));
      return true;
    }
    // A client that takes the server for a proxy sends an absolute URL in the request line (RFC 9112 §3.2.2).
    if (!req.url?.startsWith("/")) req.url = req.url?.replace(/^https?:\/\/[^/?]*/i, "") || "/";
    const { url } = req;
    const query = url.indexOf("?");
    const path = query === -1 ? url : url.slice(0, query);
    const id = uuidv7Hex(options.clock.now());
    try {
      const matched = match(req, path) ?? matchCanonical(req, path);
      if (matched === null) return false;
      if (req.method !== "POST") throw methodNotAllowed("POST");
      matched.route.handle(new HttpExchange(id, matched.principal, req, res));
    } catch (thrown) {
      const error = toAppError(thrown);
      logFailure(options.log, id, error);
      if (error.code === "METHOD_NOT_ALLOWED") res.setHeader("allow", "POST");
      if (!res.headersSent) sendError(res, id, error);
    }
    return true;
  };
}

/** Authenticates the requests of all framework routes and sends errors in the API's shape. */
function guard<P>(app: FastifyInstance, options: HttpServerOptions<P>): void {
  app.decorateRequest("principal", null);
  app.addHook("onRequest", async (request, reply) => {
    if (request.is404) {
      // Refused before the body is parsed: an unknown path answers 404 whatever the body and its content type are.
      const unbuilt = findUnbuilt(options, request);
      options.authenticate(unbuilt?.acceptsBareKey ? bareCredentials(request) : credentials(request));
      throw unbuilt === null ? unknownPathError(app, request, reply) : notBuiltError(unbuilt);
    }
    const { open } = request.routeOptions.config;
    if (open === "always" || (open === "loopback" && isFromThisMachine(request))) return;
    (request as { principal?: P }).principal = options.authenticate(credentials(request));
  });
  app.setErrorHandler((thrown: unknown, request, reply) => {
    let error = fromFrameworkError(thrown);
    const unbuilt = error.code === "METHOD_NOT_ALLOWED" ? findUnbuilt(options, request) : null;
    if (unbuilt !== null) error = notBuiltError(unbuilt);
    logFailure(options.log, request.id, error);
    return respondWithError(reply, request, error);
  });
}

/** The error of a request that no route serves: 405, with the header `allow`, when the path has routes of other methods. */
function unknownPathError(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): AppError {
  const allowed = (["GET", "POST", "PUT", "PATCH", "DELETE"] as const).filter((method) =>
    app.findRoute({ url: request.url.split("?")[0] as string, method }),
  );
  if (allowed.length === 0) return new AppError("NOT_FOUND", "No such path.");
  reply.header("allow", allowed.join(", "));
  return methodNotAllowed(allowed.join(", "));
}

function findUnbuilt<P>(options: HttpServerOptions<P>, request: FastifyRequest): UnbuiltOperation | null {
  return options.findUnbuilt?.(request.method, request.url.split("?")[0] as string) ?? null;
}

function notBuiltError({ operationId }: UnbuiltOperation): AppError {
  return new AppError("NOT_IMPLEMENTED", `The operation ${operationId} is not built yet.`);
}

/** A URL that can't be decoded reaches no hook, so that its key is checked here. */
function errorOfMalformedUrl<P>(
  options: HttpServerOptions<P>,
  fault: Error,
  request: FastifyRequest,
): AppError {
  try {
    options.authenticate(credentials(request));
    return fromFrameworkError(fault);
  } catch (thrown) {
    return toAppError(thrown);
  }
}

/** The request's key as an `Authorization` header. gRPC clients send it as `x-api-key`. */
function credentials({ headers }: Pick<IncomingMessage, "headers">): string | undefined {
  const key = headers["x-api-key"];
  return headers.authorization ?? (typeof key === "string" ? `Bearer ${key}` : undefined);
}

/** The key of a client that sends no scheme, or the key as a query parameter, as an `Authorization` header. */
function bareCredentials(request: FastifyRequest): string | undefined {
  const { Authorization: parameter } = request.query as Record<string, unknown>;
  const given = credentials(request) ?? (typeof parameter === "string" ? parameter : undefined);
  return given === undefined || given.includes(" ") ? given : `Bearer ${given}`;
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

/**
 * False for requests that a proxy on this machine forwards or a web page sends: they come from somewhere else, also when the
 * connection is local.
 */
function isFromThisMachine(request: FastifyRequest): boolean {
  const { headers } = request;
  if (headers.origin !== undefined) return false;
  if (headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined) return false;
  const address = request.raw.socket.remoteAddress ?? "";
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}

/** Replaces the messages of the framework's own errors (malformed URL, wrong media type); a 4xx stays a 4xx. */
function fromFrameworkError(thrown: unknown): AppError {
  const status = (thrown as { statusCode?: number }).statusCode;
  if (thrown instanceof AppError || status === undefined || status >= 500) return toAppError(thrown);
  if (status === 413)
    return new AppError("PAYLOAD_TOO_LARGE", "The request body is too large.", { param: "body" });
  return new AppError("BAD_REQUEST", "The request is malformed.", { cause: thrown });
}

export function logFailure(log: Log, requestId: string, error: AppError): void {
  if (error.status >= 500 && error.code !== "NOT_IMPLEMENTED")
    log.error({ requestId, code: error.code, err: error.cause ?? error }, "request failed");
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, 1024, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

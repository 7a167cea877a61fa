import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import multipart from "@fastify/multipart";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Static, TObject, TSchema } from "typebox";
import { AppError, badRequest } from "../../lib/errors.ts";
import { applyMask, parseMask } from "../../lib/field-mask.ts";
import { type AuditHook, withAudit } from "./audit-hook.ts";
import { connectionClosedSignal } from "./http-exchange.ts";
import { readJsonBody } from "./json-body.ts";
import { drainUpload, type MultipartUpload, multipartUpload } from "./multipart-upload.ts";
import { originOf } from "./origin.ts";
import { createBodyParser, createQueryParser } from "./request-parser.ts";
import type { RequestPrincipal } from "./request-principal.ts";
import { refuseAmbiguousJson } from "./strict-json.ts";

export interface ResourceRequest<Query, Body> {
  principal: RequestPrincipal;
  /** The path's parameters by the contract's names, such as `account_id`. */
  params: Record<string, string>;
  query: Query;
  /** Valid by the schema, without output-only fields. In a PATCH a null resets a field to its default. */
  body: Body;
  requestId: string;
  /** Start of URLs that are returned to the client; see `originOf`. */
  origin: string;
  /** Aborts when the client disconnects. It outlives the request: remove your listeners when the request is over. */
  signal: AbortSignal;
}

/** Whether an operation on an account that is suspended for its debts is refused. */
export type SuspensionPolicy = "refuse" | "allow";

/** A GET that only reads, or an operation that changes something and says whether suspended accounts may use it. */
type RouteEffect =
  | { method: "GET"; changes?: never; whenSuspended?: never }
  /** The contract has a few GETs that change something. */
  | { method: "GET"; changes: true; whenSuspended: SuspensionPolicy }
  | { method: "POST" | "PATCH" | "DELETE"; changes?: never; whenSuspended: SuspensionPolicy };

interface RouteFields {
  /** As in the contract. */
  operationId: string;
  /** One line for the OpenAPI document. Absent: made from `operationId`. */
  summary?: string;
  /** In the contract's notation: `/v1/accounts/{account_id}/models/{model_id}:prepare`. */
  path: string;
  /** A `-` in the path stands for any parent: the list is of all of them. */
  wildcardParents?: true;
  query?: TSchema;
  /** Schema of the JSON body; absent: only an empty body is accepted. */
  body?: TSchema;
  /** The body is multipart/form-data with one file instead: `call.body` is a MultipartUpload. */
  upload?: { maxBytes: number };
  /** Schema of the resource that a GET returns, or of one item of its list. Clients pick its fields with `readMask`. */
  resource?: TObject;
}

/** One operation on a resource. Made with `defineRoute` or `defineUploadRoute`, which check the types of `handle`. */
export type ResourceRoute = RouteFields &
  RouteEffect & {
    /** Returns the JSON response, sent with status 200, or a FileResponse. */
    handle(call: ResourceRequest<never, never>): Promise<object>;
  };

/** A response that is a file, streamed chunk by chunk. `chunks` is ended early if the client disconnects or stops reading. */
export class FileResponse {
  readonly filename: string;
  readonly contentType: string;
  readonly chunks: AsyncIterable<string>;

  constructor(filename: string, contentType: string, chunks: AsyncIterable<string>) {
    this.filename = filename;
    this.contentType = contentType;
    this.chunks = chunks;
  }
}

/** False: the request has no body (RFC 9112 §6.3). A chunked body may still turn out to be empty. */
function announcesBody(headers: IncomingHttpHeaders): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Declares a route whose body is a file. */
export function defineUploadRoute<Q extends TSchema = TObject>(
  route: Omit<RouteFields, "body"> &
    RouteEffect & {
      query?: Q;
      upload: { maxBytes: number };
      handle(call: ResourceRequest<Static<Q>, MultipartUpload>): Promise<object>;
    },
): ResourceRoute {
  return route as unknown as ResourceRoute;
}

/** Declares a route; `handle` gets the types of the route's schemas. */
export function defineRoute<Q extends TSchema = TObject, B extends TSchema = TObject>(
  route: RouteFields &
    RouteEffect & {
      query?: Q;
      body?: B;
      handle(call: ResourceRequest<Static<Q>, Static<B>>): Promise<object>;
    },
): ResourceRoute {
  return route as unknown as ResourceRoute;
}

/** Hooks that run around the handler of every route. */
export interface ResourceHooks {
  /** Records every operation that could change something. */
  audit?: AuditHook;
  /**
   * Refuses an operation with `whenSuspended: "refuse"` on a suspended account. Called after the request was parsed and
   * before `handle`. @throws AppError PAYMENT_REQUIRED.
   */
  refuseSuspended?(principal: RequestPrincipal, accountId: string): void;
}

const MAX_BODY_BYTES = 1_000_000;
/** A client that reads nothing of a file for this long is disconnected. */
const STALL_TIMEOUT_MS = 30_000;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/**
 * Serves resources. Requests are parsed strictly (see createBodyParser and refuseAmbiguousJson), responses are JSON, and
 * methods that a path doesn't have answer 405. Call it once, with all routes.
 */
export function registerResources(
  app: FastifyInstance,
  routes: readonly ResourceRoute[],
  hooks: ResourceHooks = {},
): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", ({ method, headers }, payload, done) => {
      // Clients set a content type also where they send no body, and no operation has a body in its DELETE.
      if (method === "DELETE" || !announcesBody(headers)) {
        payload.resume();
        return done(null);
      }
      const options = { limitBytes: MAX_BODY_BYTES, check: refuseAmbiguousJson };
      readJsonBody(payload as IncomingMessage, options, done);
    });
    const methods = new Map<string, string[]>();
    for (const route of routes) {
      const url = frameworkPath(route.path);
      methods.set(url, [...(methods.get(url) ?? []), route.method]);
      if (route.upload === undefined) addRoute(scope, route, hooks);
    }
    for (const [url, allowed] of methods) addMethodNotAllowedRoutes(scope, url, allowed);
  });
  app.register(async (scope) => {
    // The route reads the file itself, once it has authorized the request.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    await scope.register(multipart);
    for (const route of routes) if (route.upload !== undefined) addRoute(scope, route, hooks);
  });
}

function addRoute(app: FastifyInstance, route: ResourceRoute, hooks: ResourceHooks): void {
  const { upload } = route;
  const isMutation = route.method !== "GET" || route.changes === true;
  const audit = isMutation ? hooks.audit : undefined;
  const refuseSuspended = route.whenSuspended === "refuse" ? hooks.refuseSuspended : undefined;
  if (route.whenSuspended === "refuse" && !route.path.includes("{account_id}")) {
    throw new Error(
      `${route.operationId} is refused when its account is suspended, but its path names none.`,
    );
  }
  const readBody = createBodyParser(route.body, route.method === "PATCH");
  const readQuery = createQueryParser(route.query);
  app.route({
    method: route.method,
    url: frameworkPath(route.path, route.wildcardParents),
    config: upload === undefined ? {} : { longBody: true },
    async handler(request, reply) {
      const query = request.query as Record<string, unknown>;
      const mask = parseReadMask(route, query["readMask"] ?? query["read_mask"]);
      const known = {
        principal: (request as unknown as { principal: RequestPrincipal }).principal,
        params: request.params as Record<string, string>,
        requestId: request.id,
        origin: originOf(request.headers),
      };
      const run = async (): Promise<object> => {
        const call: ResourceRequest<unknown, unknown> = {
          ...known,
          query: readQuery(query),
          body: upload === undefined ? readBody(request.body) : multipartUpload(request, upload.maxBytes),
          signal: connectionClosedSignal(request.raw.socket),
        };
        try {
          refuseSuspended?.(call.principal, call.params["account_id"]!);
          return await route.handle(call as ResourceRequest<never, never>);
        } finally {
          if (upload !== undefined) drainUpload(request);
        }
      };
      const { operationId, path } = route;
      const result = await (audit === undefined
        ? run()
        : withAudit(audit, { operationId, path, ...known }, run));
      if (result instanceof FileResponse) return sendFile(reply.header("x-request-id", request.id), result);
      reply.header("x-request-id", request.id).type("application/json; charset=utf-8");
      return JSON.stringify(mask === null ? result : applyReadMask(mask, result));
    },
  });
}

function sendFile(reply: FastifyReply, { filename, contentType, chunks }: FileResponse): FastifyReply {
  reply.raw.setTimeout(STALL_TIMEOUT_MS, () => reply.raw.destroy());
  return reply
    .header("content-disposition", `attachment; filename="${filename}"`)
    .header("x-content-type-options", "nosniff")
    .type(contentType)
    .send(Readable.from(chunks));
}

function addMethodNotAllowedRoutes(app: FastifyInstance, url: string, allowed: readonly string[]): void {
  const allow = [...allowed, ...(allowed.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  app.options(url, (_request, reply) => reply.code(204).header("allow", allow).send());
  app.route({
    method: METHODS.filter((method) => !allowed.includes(method)),
    url,
    // Refused before the body is parsed, so that the client gets 405 even if its body is malformed.
    onRequest(_request, reply, done) {
      reply.header("allow", allow);
      done(methodNotAllowed(allow));
    },
    handler: () => {},
  });
}

export function methodNotAllowed(allowed: string): AppError {
  return new AppError("METHOD_NOT_ALLOWED", `This path answers only to ${allowed}.`);
}

/** Pattern of ids in paths. A path with any other id answers 404. */
const ID = "^[A-Za-z0-9_](?:[A-Za-z0-9._~-]{0,126})";

/** Converts `/a/{id}:verb` into the framework's notation. */
function frameworkPath(path: string, wildcardParents = false): string {
  const id = wildcardParents ? `${ID}|^-` : ID;
  return path
    .replaceAll(":", "::")
    .replaceAll(
      /\{(\w+)\}(?=(::)?)/g,
      (_, name: string, verb?: string) => `:${name}(${id}${verb ? "" : "$"})`,
    );
}

function parseReadMask({ resource }: ResourceRoute, value: unknown): string[][] | null {
  if (value === undefined || value === "") return null;
  if (resource === undefined) throw badRequest("readMask", "readMask is not supported here.");
  if (typeof value !== "string") throw badRequest("readMask", "readMask is given twice.");
  return parseMask("readMask", value, resource);
}

/** Keeps the mask's fields of a resource, or of each item of a list. */
function applyReadMask(mask: readonly (readonly string[])[], result: object): object {
  if (!Object.hasOwn(result, "nextPageToken")) return applyMask(mask, result);
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((item: object) => applyMask(mask, item)) : value,
    ]),
  );
}

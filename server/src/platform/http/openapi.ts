import type { ResourceRoute } from "./resources.ts";

/** Describes an endpoint that is no resource's for the OpenAPI document. */
export interface RouteDescription {
  method: "GET" | "POST";
  /** In OpenAPI's notation, `/v1/models/{model}`. All but the first are aliases. */
  paths: readonly string[];
  /** Unique in the document. */
  operationId: string;
  summary: string;
  /** Schema of the JSON body; absent: the request has none. */
  request?: object;
  /** Media types of the success response; absent: JSON. */
  responseTypes?: readonly string[];
  /** Needs no API key. */
  isPublic?: true;
}

const ERROR_REF = { $ref: "#/components/responses/Error" };

/** The OpenAPI 3.1 document of the routes, made from the same schemas that check the requests. */
export function openApiDocument(routes: readonly (ResourceRoute | RouteDescription)[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const method = route.method.toLowerCase();
    if ("paths" in route) {
      route.paths.forEach((path, alias) => {
        paths[path] = { ...paths[path], [method]: describeEndpoint(route, path, alias) };
      });
    } else paths[route.path] = { ...paths[route.path], [method]: describeResource(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Hearth", version: "0.1.0", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    security: [{ BearerAuth: [] }, { ApiKeyHeader: [] }],
    paths,
    components: {
      securitySchemes: {
        BearerAuth: { type: "http", scheme: "bearer" },
        ApiKeyHeader: { type: "apiKey", in: "header", name: "x-api-key" },
      },
      schemas: { ErrorResponse: errorSchema, RpcStatus: rpcStatusSchema },
      responses: { Error: errorResponse("ErrorResponse"), ResourceError: errorResponse("RpcStatus") },
    },
  };
}

/** @param alias index of `path` in the route's paths */
function describeEndpoint(route: RouteDescription, path: string, alias: number): object {
  const parameter = /\{(\w+)\}/.exec(path)?.[1];
  const content = Object.fromEntries((route.responseTypes ?? ["application/json"]).map((type) => [type, {}]));
  return {
    // Operation ids must be unique, so an alias gets its number.
    operationId: route.operationId + (alias === 0 ? "" : `Alias${alias}`),
    summary: route.summary,
    ...(route.isPublic ? { security: [] } : {}),
    ...(parameter === undefined
      ? {}
      : { parameters: [{ name: parameter, in: "path", required: true, schema: { type: "string" } }] }),
    ...(route.request === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: route.request } } } }),
    responses: { "200": { description: "Success.", content }, "4XX": ERROR_REF, "5XX": ERROR_REF },
  };
}

function describeResource(route: ResourceRoute): object {
  const { operationId, path, query, body, upload, resource } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const { properties = {}, required = [] } = (query ?? {}) as ObjectSchema;
  const inQuery = Object.entries({
    ...properties,
    ...(resource === undefined ? {} : { readMask: { type: "string" } }),
  });
  const content =
    upload !== undefined
      ? { "multipart/form-data": { schema: uploadSchema } }
      : body !== undefined
        ? { "application/json": { schema: body } }
        : null;
  const error = { $ref: "#/components/responses/ResourceError" };
  return {
    operationId,
    summary: route.summary ?? summaryOf(operationId),
    parameters: [
      ...inPath,
      ...inQuery.map(([name, schema]) => ({ name, in: "query", required: required.includes(name), schema })),
    ],
    ...(content === null ? {} : { requestBody: { content } }),
    responses: {
      "200": { description: "Success.", content: { "application/json": {} } },
      "4XX": error,
      "5XX": error,
    },
  };
}

/** `createApiKey` → `Create api key`. */
function summaryOf(operationId: string): string {
  return operationId
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .replace(/^./, (letter) => letter.toUpperCase());
}

interface ObjectSchema {
  properties?: Record<string, object>;
  required?: readonly string[];
}

function errorResponse(schema: string): object {
  return {
    description: "The request failed.",
    content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}

const uploadSchema = {
  type: "object",
  required: ["file"],
  properties: { file: { type: "string", format: "binary" } },
};

const rpcStatusSchema = {
  type: "object",
  required: ["code", "message", "details"],
  properties: {
    code: { type: "integer" },
    message: { type: "string" },
    details: { type: "array", items: { type: "object" } },
  },
};

const errorSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "code", "param", "object"],
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        code: { type: "string" },
        param: { type: ["string", "null"] },
        object: { const: "error" },
      },
    },
  },
};

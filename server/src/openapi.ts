import type { ResourceRoute } from "./platform/http/resources.ts";
import type { OperationDescription } from "./platform/http/server.ts";

const SYSTEM_OPERATIONS: readonly OperationDescription[] = [
  { paths: ["/verifyApiKey"], method: "get", operationId: "verifyApiKey", summary: "Check a key" },
  {
    paths: ["/health"],
    method: "get",
    operationId: "getHealth",
    summary: "Is the server up",
    isPublic: true,
  },
  {
    paths: ["/metrics"],
    method: "get",
    operationId: "getMetrics",
    summary: "Prometheus metrics; without a key from this machine alone",
    responseTypes: ["text/plain"],
  },
  { paths: ["/openapi.json"], method: "get", operationId: "getOpenApi", summary: "This description" },
];

const ERROR_REF = { $ref: "#/components/responses/Error" };

/** The OpenAPI 3.1 description of this server, made from the schemas that check the requests. */
export function openApiDocument(
  resources: readonly ResourceRoute[],
  operations: readonly OperationDescription[],
): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of resources) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = describeResource(route);
  }
  for (const operation of [...operations, ...SYSTEM_OPERATIONS]) {
    for (const [i, path] of operation.paths.entries()) {
      paths[path] ??= {};
      paths[path][operation.method] = describeOperation(operation, path, i);
    }
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

function describeOperation(operation: OperationDescription, path: string, alias: number): object {
  const parameter = /\{(\w+)\}/.exec(path)?.[1];
  const content = Object.fromEntries(
    (operation.responseTypes ?? ["application/json"]).map((type) => [type, {}]),
  );
  return {
    // Operation ids are unique: an alias carries its number.
    operationId: operation.operationId + (alias === 0 ? "" : `Alias${alias}`),
    summary: operation.summary,
    ...(operation.isPublic ? { security: [] } : {}),
    ...(parameter === undefined
      ? {}
      : { parameters: [{ name: parameter, in: "path", required: true, schema: { type: "string" } }] }),
    ...(operation.request === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: operation.request } } } }),
    responses: { "200": { description: "Success.", content }, "4XX": ERROR_REF, "5XX": ERROR_REF },
  };
}

function describeResource({ operationId, path, query, body, upload, resource }: ResourceRoute): object {
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
    summary: operationId
      .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
      .replace(/^./, (c) => c.toUpperCase()),
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

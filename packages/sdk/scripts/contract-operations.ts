/** Reads the contract's operations, and writes how the client calls each of them. */
import { docOf, propertyName, refName, type Schema, typeOf } from "./contract-types.ts";

export interface Contract {
  paths: Record<string, Record<string, RawOperation>>;
  components: { schemas: Record<string, Schema>; parameters?: Record<string, Parameter> };
}

interface Parameter {
  $ref?: string;
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: Schema;
}

interface RawOperation {
  operationId: string;
  summary?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
  "x-path-greedy"?: boolean;
}

export interface Operation {
  id: string;
  summary: string;
  tag: string;
  method: string;
  path: string;
  query: Parameter[];
  /** Media type and schema. */
  body: { type: string; schema: Schema } | null;
  responses: Record<string, { schema: Schema }>;
  isGreedy: boolean;
}

/** POST operations that are idempotent. */
const IDEMPOTENT_POSTS =
  /:(getUploadEndpoint|validateUpload|delete|batchDelete|cancel|estimateCost|prepare)$|\/validateModelConfig$/;

/** Method names that `methodName` can't derive from the operation's id. */
const METHOD_NAMES: Record<string, string> = {
  listUserApiKeys: "listForUser",
  createUserApiKey: "createForUser",
  deleteUserApiKey: "deleteForUser",
  getUserApiKey: "getForUser",
  updateUserApiKey: "updateForUser",
  createEvaluatorV2: "createV2",
  executeRlorTrainStep: "executeTrainStep",
  splitDataset: "split",
  uploadDatasetFile: "uploadFile",
  listDeploymentEvents: "listEvents",
};

export function operationsOf(contract: Contract): Operation[] {
  return Object.entries(contract.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, raw]) => raw.operationId !== undefined)
      .map(([method, raw]) => {
        const parameters = (raw.parameters ?? []).map((one) =>
          one.$ref === undefined ? one : (contract.components.parameters?.[refName(one.$ref)] as Parameter),
        );
        const [type, content] = Object.entries(raw.requestBody?.content ?? {})[0] ?? [];
        return {
          id: raw.operationId,
          summary: raw.summary ?? "",
          tag: raw.tags?.[0] ?? "",
          method: method.toUpperCase(),
          path,
          query: parameters.filter((one) => one.in === "query" && one.name !== "Authorization"),
          body: type === undefined || content === undefined ? null : { type, schema: content.schema },
          responses: raw.responses["200"]?.content ?? {},
          isGreedy: raw["x-path-greedy"] === true,
        };
      }),
  );
}

/** The field of a list response that holds the items; null if the response has no pages or other fields beside the items. */
export function itemsField(operation: Operation, contract: Contract): string | null {
  const schema = operation.responses["application/json"]?.schema;
  const page = schema?.$ref === undefined ? undefined : contract.components.schemas[refName(schema.$ref)];
  const { nextPageToken, totalSize: _, ...others } = page?.properties ?? {};
  const [name, ...more] = Object.keys(others);
  const isList = nextPageToken !== undefined && more.length === 0;
  return isList && name !== undefined && others[name]?.type === "array" ? name : null;
}

/** An entry of `OPERATIONS`, without the fields that have their default. */
export function tableRow(operation: Operation, contract: Contract): string {
  const { method, path, query, body, responses, isGreedy } = operation;
  const items = itemsField(operation, contract);
  const row: Record<string, unknown> = { method, path };
  if (query.length > 0) row["query"] = query.map((one) => one.name);
  if (body !== null) row["body"] = body.type === "multipart/form-data" ? "form" : "json";
  if (items !== null) row["items"] = items;
  const idField = newIdField(operation, contract);
  if (idField !== null) row["newId"] = idField;
  if (method === "POST" && IDEMPOTENT_POSTS.test(path)) row["repeatable"] = true;
  if (isGreedy) row["greedy"] = true;
  const otherTypes = Object.keys(responses).filter((type) => !/json|event-stream/.test(type));
  if (otherTypes.length > 0) row["accept"] = Object.keys(responses).join(", ");
  return `${docOf(operation.summary)}${operation.id}: ${JSON.stringify(row)},`;
}

/** The parameter of a create operation that holds the new resource's id; null if there is none. */
function newIdField(operation: Operation, contract: Contract): string | null {
  if (operation.method !== "POST" || !/^create/.test(operation.id)) return null;
  const inQuery = operation.query.find((one) => /[a-z]Id$/.test(one.name));
  if (inQuery !== undefined) return inQuery.name;
  const ref = operation.body?.schema.$ref;
  const body = ref === undefined ? undefined : contract.components.schemas[refName(ref)];
  const field = Object.entries(body?.properties ?? {}).find(
    ([name, one]) =>
      /[a-z]Id$/.test(name) && (one.$ref?.endsWith("/ResourceId") || body?.required?.includes(name)),
  );
  return field?.[0] ?? null;
}

/** The parameter and result types of an operation, as a member of `OperationTypes`. */
export function callTypes(operation: Operation, contract: Contract): string {
  const { query, body, responses } = operation;
  const fields = query.map((one) => {
    const optional = one.required !== true;
    const type = typeOf(one.schema, "types.");
    return `${docOf(one.description)}${propertyName(one.name)}${optional ? "?" : ""}: ${type}${optional ? " | undefined" : ""};`;
  });
  const parts = fields.length > 0 ? [`{ ${fields.join("\n")} }`] : [];
  if (body !== null && !isEmpty(body.schema, contract))
    parts.unshift(wrapUnion(typeOf(body.schema, "types.")));
  const results = Object.entries(responses)
    .filter(([type]) => type !== "text/event-stream")
    .map(([, answer]) => typeOf(answer.schema, "types."));
  const items = itemsField(operation, contract);
  const result = [...new Set(results)].join(" | ") || "Record<string, never>";
  const item = items === null ? "" : ` item: Item<${result}, "${items}">;`;
  const named = isNamed(operation) ? " named: true;" : "";
  return `${operation.id}: { params: ${parts.join(" & ") || "object"}; result: ${result};${item}${named} };`;
}

function isEmpty(schema: Schema, contract: Contract): boolean {
  const { properties, additionalProperties } =
    schema.$ref === undefined ? schema : (contract.components.schemas[refName(schema.$ref)] ?? schema);
  return additionalProperties === false && Object.keys(properties ?? {}).length === 0;
}

function wrapUnion(type: string): string {
  return type.includes(" | ") && !type.startsWith("{") && !type.startsWith("WithRequired")
    ? `(${type})`
    : type;
}

/** Whether the path has parameters besides the account; calls then take a name as their first argument. */
export function isNamed({ path }: Operation): boolean {
  return /\{\w+\}/.test(path.replace("/v1/accounts/{account_id}/", "/"));
}

/** The method name of an operation: its id without the resource's noun, `getModelDownloadEndpoint` → `getDownloadEndpoint`. */
export function methodName({ id, tag }: Operation): string {
  const known = METHOD_NAMES[id];
  if (known !== undefined) return known;
  const plural = tag.charAt(0).toUpperCase() + tag.slice(1);
  const name = [plural, plural.replace(/s$/, "")].reduce((text, noun) => text.replace(noun, ""), id);
  return name;
}

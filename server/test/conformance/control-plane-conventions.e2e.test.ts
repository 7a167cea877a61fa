import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, startHearth } from "../harness/hearth.ts";
import { type HttpResponse, type Json, send, type Target } from "../harness/http.ts";
import { contract, expectRefusal, operations, succeed } from "./control-plane-contract.ts";

/** An operation in the server's own OpenAPI document. */
interface Served {
  operationId: string;
  method: string;
  path: string;
  /** Names of the query parameters. */
  query: string[];
  body: Json;
}

let hearth: Hearth;
let all: Served[];
/** The operations that are in the contract too. */
let served: Served[];
/** An admin of another account. */
let stranger: Target;

beforeAll(async () => {
  hearth = await startHearth();
  const { paths } = (await send(hearth, "/openapi.json")).json;
  all = Object.entries<Json>(paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, { operationId, parameters = [], requestBody }]) => ({
      operationId,
      method: method.toUpperCase(),
      path,
      query: parameters.filter((one: Json) => one.in === "query").map((one: Json) => one.name),
      body: requestBody?.content["application/json"]?.schema,
    })),
  );
  served = all.filter(({ operationId }) => operations.has(operationId));
  await succeed(hearth, "createModel", {
    params: { account_id: "local" },
    body: {
      modelId: "admin",
      model: { kind: "HF_BASE_MODEL", baseModelDetails: { checkpointFormat: "HUGGINGFACE" } },
    },
  });
  await succeed(hearth, "createDataset", {
    params: { account_id: "local" },
    body: { datasetId: "admin", dataset: { exampleCount: "3", format: "CHAT" } },
  });
  const account = { accountType: "ENTERPRISE", email: "them@example.com" };
  const made = await send(hearth, "/v1/accounts?accountId=other", { method: "POST", body: account });
  expect(made.status, made.text).toBe(200);
  const user = { role: "admin", email: "them@example.com" };
  await succeed(hearth, "createUser", {
    params: { account_id: "other" },
    query: { userId: "them" },
    body: user,
  });
  const params = { account_id: "other", user_id: "them" };
  const { key } = await succeed(hearth, "createUserApiKey", { params, body: { apiKey: {} } });
  stranger = { port: hearth.port, apiKey: key };
});

/** Fields that the platform has beyond the contract, as `operationId field`. */
const EXTENSIONS = new Set(["importModel sourceModel"]);

/** Fills in the path's ids: the account, and `admin` for all others, as there is a user, a model and a dataset of that id. */
const fill = ({ path }: Served, accountId = "local"): string =>
  path.replace("{account_id}", accountId).replaceAll(/\{\w+\}/g, "admin");

const ask = (
  operation: Served,
  query: string,
  overrides: { body?: unknown; target?: Target; accountId?: string } = {},
): Promise<HttpResponse> =>
  send(overrides.target ?? hearth, fill(operation, overrides.accountId) + query, {
    method: operation.method,
    ...(overrides.body === undefined
      ? {}
      : { body: overrides.body, headers: { "content-type": "application/json" } }),
  });

/** The lists that need no other id than the account's. */
const lists = (): Served[] =>
  served.filter(({ path, query }) => query.includes("pageToken") && (path.match(/\{/g) ?? []).length <= 1);
const withBody = (): Served[] => served.filter(({ body }) => body !== undefined);

describe("every list", () => {
  test.each<[string, string, string]>([
    ["a negative page size", "pageSize=-1", "pageSize"],
    ["a page size that is none", "pageSize=many", "pageSize"],
    ["a forged token", "pageToken=forged", "pageToken"],
    ["a long token", `pageToken=${"A".repeat(9_000)}`, "pageToken"],
    ["a filter by what isn't there", "filter=nope%20%3D%201", "filter"],
    ["a filter of 4,000 parentheses", `filter=${"(".repeat(4_000)}`, "filter"],
    ["a filter of a thousand terms", `filter=${"name%3Da%20".repeat(1_000)}`, "filter"],
    ["a filter with U+0000", "filter=name%20%3D%20%00", "filter"],
    ["an order by what isn't there", "orderBy=nope", "orderBy"],
    ["a mask of what isn't there", "readMask=nope", "readMask"],
  ])("refuses %s by name", async (_, query, field) => {
    expect(lists().length).toBeGreaterThan(3);
    for (const list of lists()) {
      const response = await ask(list, `?${query}`);
      expect(response.status, `${list.operationId}: ${response.text}`).toBe(400);
      expectRefusal(response, "INVALID_ARGUMENT", field);
    }
  });

  test("treats empty page size, token, filter, order and mask as absent, and ignores unknown parameters", async () => {
    for (const list of lists()) {
      const response = await ask(list, "?pageSize=0&pageToken=&filter=&orderBy=&readMask=&surprise=1");
      expect(response.status, `${list.operationId}: ${response.text}`).toBe(200);
    }
  });
});

describe("every list, page by page,", () => {
  test("gives the same items as the whole list, and each page the same total", async () => {
    for (const list of lists()) {
      const whole = (await ask(list, "?pageSize=200")).json;
      const walked: unknown[] = [];
      let pageToken = "";
      do {
        const page = (await ask(list, `?pageSize=1&pageToken=${pageToken}`)).json;
        expect(page.totalSize, list.operationId).toBe(whole.totalSize);
        walked.push(...itemsOf(page));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      expect(walked, list.operationId).toEqual(itemsOf(whole));
      expect(walked.length, list.operationId).toBe(whole.totalSize);
    }
  });
});

const itemsOf = (page: Json): unknown[] => Object.values(page).find(Array.isArray) ?? [];

describe("every body", () => {
  test.each<[string, string, string]>([
    ["an unknown field", '{"surprise":1}', "surprise"],
    ["a field given twice", '{"surprise":1,"surprise":1}', "surprise"],
    ["HTML", "<html>", "body"],
    ["a list", "[]", "body"],
    ["depth", `{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`, "body"],
  ])("is refused for %s, by name", async (_, body, field) => {
    expect(withBody().length).toBeGreaterThan(3);
    for (const operation of withBody()) {
      const response = await ask(operation, "", { body });
      expect(response.status, `${operation.operationId}: ${response.text}`).toBe(400);
      expectRefusal(response, "INVALID_ARGUMENT", field);
    }
  });

  test("has only fields of the contract, and every operation only its query parameters", () => {
    for (const { operationId, method, path, query, body } of served) {
      const { parameters = [], requestBody } = contract.paths[path][method.toLowerCase()];
      const known = parameters.map((one: Json) => resolve(one).name);
      expect(
        query.filter((name) => !known.includes(name) && name !== "readMask"),
        operationId,
      ).toEqual([]);
      const schema = requestBody?.content["application/json"]?.schema;
      const unknown = body === undefined ? [] : unknownFields(body, schema);
      expect(
        unknown.filter((name) => !EXTENSIONS.has(`${operationId} ${name}`)),
        operationId,
      ).toEqual([]);
    }
  });
});

describe("another account", () => {
  test("answers to every operation as one that does not exist", async () => {
    const ofAccounts = all.filter(({ path }) => path.includes("{account_id}"));
    expect(ofAccounts.length).toBeGreaterThan(served.length);
    for (const operation of ofAccounts) {
      const body = operation.method === "GET" || operation.method === "DELETE" ? {} : { body: {} };
      const there = await ask(operation, "", { ...body, target: stranger });
      const missing = await ask(operation, "", { ...body, target: stranger, accountId: "no-such-one" });
      expect([200, 400, 404], `${operation.operationId}: ${there.text}`).toContain(there.status);
      expect({ status: there.status, text: there.text }, operation.operationId).toEqual({
        status: missing.status,
        text: missing.text.replaceAll("no-such-one", "local"),
      });
    }
  });
});

function resolve(schema: Json): Json {
  if (schema?.$ref === undefined) return schema;
  return schema.$ref
    .slice(2)
    .split("/")
    .reduce((at: Json, name: string) => at[name], contract);
}

/** Paths of the fields in `schemaOfServer` that the contract's schema does not have. */
function unknownFields(schemaOfServer: Json, schema: Json, path = ""): string[] {
  const target = resolve(schema);
  const properties = Object.assign(
    {},
    target?.properties,
    ...(target?.allOf ?? []).map((one: Json) => resolve(one).properties),
  );
  return Object.entries<Json>(schemaOfServer.properties ?? {}).flatMap(([name, field]) => {
    const known = properties[name];
    if (known === undefined) return [path + name];
    const [inner, theirs] = field.type === "array" ? [field.items, resolve(known).items] : [field, known];
    return unknownFields(inner, theirs, `${path}${name}.`);
  });
}

import { beforeAll, describe, expect, test } from "vitest";
import { type SharedHearth, sharedHearth } from "../harness/hearth.ts";
import { type Json, send } from "../harness/http.ts";
import { operations } from "./control-plane-contract.ts";

let hearth: SharedHearth;
/** Method and path by operation id, from the server's own OpenAPI document, such as `GET /v1/accounts/{account_id}`. */
let served: Map<string, string>;

beforeAll(async () => {
  hearth = await sharedHearth();
  const { paths } = (await send(hearth, "/openapi.json")).json;
  served = new Map(
    Object.entries<Json>(paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, { operationId }]) => [
        operationId,
        `${method.toUpperCase()} ${path}`,
      ]),
    ),
  );
});

/** The documentation page: for each resource the contract's operations that work and those that do not. */
function page(): string {
  const rows = [...new Set([...operations.values()].map(({ tag }) => tag))].map((tag) => {
    const own = [...operations.values()].filter((one) => one.tag === tag).map((one) => one.operationId);
    const works = own.filter((operationId) => served.has(operationId));
    const missing = own.filter((operationId) => !served.has(operationId));
    return `| ${tag} | ${works.join(", ")} | ${works.length === 0 ? "all" : missing.join(", ")} |`;
  });
  return [
    "# Operations of the control plane",
    "| Resource | Works | Not yet |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

describe("the operations of the control plane", () => {
  test("are listed in docs/operations.md (vitest --update writes it)", async () => {
    await expect(page()).toMatchFileSnapshot("../../../docs/operations.md");
  });

  test("have the contract's methods and paths", () => {
    for (const { operationId, method, path } of operations.values()) {
      if (served.has(operationId)) expect(served.get(operationId)).toBe(`${method} ${path}`);
    }
  });

  test("are all routed: none answers that there is no such path or method", async () => {
    for (const operationId of served.keys()) {
      const operation = operations.get(operationId);
      if (operation === undefined) continue;
      const path = operation.path.replaceAll(/\{\w+\}/g, "no-such-one");
      const response = await send(hearth, path, { method: operation.method });
      expect(String(response.json?.message), operationId).not.toMatch(
        /^(No such path|This path answers only)/,
      );
    }
  });
});

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import type { ResourceRoute } from "../platform/http/resources.ts";

const CONTROL_DIR = fileURLToPath(new URL("../control", import.meta.url));

/** Operations that make or begin something which costs money. */
const REFUSED = [
  "createDataset",
  "createDeployedModel",
  "createDeployment",
  "createModel",
  "createModelVersion",
  "deployModelVersion",
  "getDatasetUploadEndpoint",
  "getModelUploadEndpoint",
  "importModel",
  "prepareModel",
  "splitDataset",
  "undeleteDeployment",
  "uploadDatasetFile",
  "validateDatasetUpload",
  "validateModelUpload",
];

let routes: ResourceRoute[];

/** Every route that a resource's routes.ts makes. The services behind them are never called. */
async function allRoutes(): Promise<ResourceRoute[]> {
  const files = readdirSync(CONTROL_DIR, { withFileTypes: true })
    .filter(
      (entry) => entry.isDirectory() && readdirSync(join(CONTROL_DIR, entry.name)).includes("routes.ts"),
    )
    .map((entry) => join(CONTROL_DIR, entry.name, "routes.ts"));
  const modules: object[] = await Promise.all(files.map((file) => import(pathToFileURL(file).href)));
  return modules.flatMap((module) =>
    Object.values(module).flatMap((makeRoutes: (service: object) => ResourceRoute[]) => makeRoutes({})),
  );
}

beforeAll(async () => {
  routes = await allRoutes();
});

describe("the suspension policy of the routes", () => {
  it("refuses in suspended accounts exactly the operations that make or begin something which costs money", () => {
    expect(routes.length).toBeGreaterThan(75);
    const refused = routes.filter(({ whenSuspended }) => whenSuspended === "refuse");
    expect(refused.map(({ operationId }) => operationId).sort()).toEqual(REFUSED);
  });

  it("is stated by every operation that changes something, and by no other", () => {
    for (const { operationId, method, changes, whenSuspended } of routes) {
      const isMutation = method !== "GET" || changes === true;
      expect(whenSuspended !== undefined, operationId).toBe(isMutation);
    }
  });

  it("refuses only operations whose path names the account", () => {
    const refused = routes.filter(({ whenSuspended }) => whenSuspended === "refuse");
    for (const { path } of refused) expect(path).toContain("{account_id}");
  });
});

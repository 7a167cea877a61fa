import { silentLog } from "../../../test/harness/database.ts";
import { canSee, notFound } from "../accounts/service.ts";
import { startTenants, type Tenants } from "../api-keys/testing.ts";
import { deploymentShapeRoutes } from "./routes.ts";
import { createDeploymentShapes, type DeploymentShapes, type ShapeModel } from "./service.ts";

export interface ShapeTenants extends Tenants {
  shapes: DeploymentShapes;
}

const UNKNOWN: ShapeModel = {
  kind: "base",
  baseModel: null,
  supportsLora: true,
  contextLength: null,
  modelType: "",
  parameterCount: null,
};

/** Shapes over HTTP. @param models the models by full name; models of the account `fireworks` are public. */
export async function startShapes(
  models: Readonly<Record<string, Partial<ShapeModel>>>,
): Promise<ShapeTenants> {
  let shapes!: DeploymentShapes;
  const tenants = await startTenants((t) => {
    shapes = createDeploymentShapes({
      database: t.database,
      accounts: t.accounts,
      clock: t.clock,
      log: silentLog,
      tokenSecret: t.tokenSecret,
      models: {
        async describe(principal, name) {
          const accountId = name.split("/")[1] ?? "";
          const model = models[name];
          if (model !== undefined && canSee(principal, accountId, accountId === "fireworks")) {
            return { ...UNKNOWN, ...model };
          }
          throw notFound(`Model ${name}`);
        },
      },
    });
    return deploymentShapeRoutes(shapes);
  });
  return { ...tenants, shapes };
}

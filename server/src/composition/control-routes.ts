import { accountRoutes } from "../control/accounts/routes.ts";
import { apiKeyRoutes } from "../control/api-keys/routes.ts";
import { auditRoutes } from "../control/audit/routes.ts";
import { billingRoutes } from "../control/billing/routes.ts";
import { datasetRoutes } from "../control/datasets/routes.ts";
import { deployedModelRoutes } from "../control/deployed-models/routes.ts";
import { deploymentShapeRoutes } from "../control/deployment-shapes/routes.ts";
import { deploymentRoutes } from "../control/deployments/routes.ts";
import { modelResourceRoutes } from "../control/models/routes.ts";
import { quotaRoutes } from "../control/quotas/routes.ts";
import { reservationRoutes } from "../control/reservations/routes.ts";
import { usageRoutes } from "../control/usage/routes.ts";
import { userRoutes } from "../control/users/routes.ts";
import type { ResourceRoute } from "../platform/http/resources.ts";

const ROUTES = {
  accounts: accountRoutes,
  users: userRoutes,
  apiKeys: apiKeyRoutes,
  datasets: datasetRoutes,
  models: modelResourceRoutes,
  shapes: deploymentShapeRoutes,
  deployments: deploymentRoutes,
  deployedModels: deployedModelRoutes,
  quotas: quotaRoutes,
  reservations: reservationRoutes,
  billing: billingRoutes,
  audit: auditRoutes,
  usage: usageRoutes,
};

/** What serves the resources. */
export type ResourceServices = { [Name in keyof typeof ROUTES]: Parameters<(typeof ROUTES)[Name]>[0] };

/** All resources of the control plane, over HTTP. */
export function controlRoutes(services: ResourceServices): ResourceRoute[] {
  return Object.entries(ROUTES).flatMap(([name, routes]) =>
    (routes as (service: unknown) => ResourceRoute[])(services[name as keyof ResourceServices]),
  );
}

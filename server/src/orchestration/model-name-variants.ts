import { deploymentName, parseDeploymentName } from "../control/deployments/service.ts";
import { fullModelName, parseModelName, shortModelName } from "../lib/resource-names.ts";

/** Longest name that is looked up: `model#deployment` with both full names. */
const MAX_LENGTH = 300;

/** All names of a model on a deployment: full and short names, in any combination. */
export function deployedNameVariants(model: string, deployment: string): string[] {
  return modelNameVariants(model).flatMap((left) =>
    deploymentNameVariants(deployment).map((right) => `${left}#${right}`),
  );
}

/** The full and the short name of a model. */
export function modelNameVariants(model: string): string[] {
  const name = parseModelName(model);
  return name === null ? [model] : [fullModelName(name), shortModelName(name)];
}

function deploymentNameVariants(deployment: string): string[] {
  const key = parseDeploymentName(deployment);
  return key === null ? [deployment] : [deploymentName(key), `${key.accountId}/${key.id}`];
}

/** The name to look up on a direct route: the route gives the deployment, so that a request may name the model alone. */
export function directRouteModelName(text: string, deployment: string): string {
  if (text.length > MAX_LENGTH || text.includes("#") || text.includes("/deployedModels/")) return text;
  return `${text}#${deployment}`;
}

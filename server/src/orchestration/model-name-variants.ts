import { deploymentName, parseDeploymentName } from "../control/deployments/service.ts";
import { fullModelName, parseModelName, shortModelName } from "../lib/resource-names.ts";

/** Longest text that is looked at: `model#deployment`, both in full. */
const MAX_LENGTH = 300;

/** Every way to write a model on a deployment: full and short names, in any combination. */
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

/** What is asked for on a direct route: the deployment is known, so the model's name is enough. */
export function directRouteModelName(text: string, deployment: string): string {
  if (text.length > MAX_LENGTH || text.includes("#") || text.includes("/deployedModels/")) return text;
  return `${text}#${deployment}`;
}

import { parseModelName } from "../../lib/resource-names.ts";
import { LIBRARY_ACCOUNT } from "../accounts/service.ts";

/** Deployments that the platform runs for everybody, by the full name of their model. */
export interface ServerlessDeployments {
  /** The public name of the model's serverless deployment; null when it has none. */
  nameOf(model: string): string | null;
}

/** Names the serverless deployments: they belong to the library's account and get the ids of their models. @param models full names. */
export function nameServerlessDeployments(models: readonly string[]): ServerlessDeployments {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const model of models) {
    const { accountId, modelId } = parseModelName(model) ?? { accountId: "", modelId: model };
    const id = [modelId, `${accountId}-${modelId}`].map(idOf).find((one) => !taken.has(one));
    if (id === undefined) throw new Error(`The serverless deployment of ${model} can't be named.`);
    taken.add(id);
    names.set(model, `accounts/${LIBRARY_ACCOUNT}/deployments/${id}`);
  }
  return { nameOf: (model) => names.get(model) ?? null };
}

function idOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 63);
}

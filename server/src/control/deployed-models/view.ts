import type { DeployedModelRow } from "./store.ts";

export interface StatusView {
  code: string;
  message: string;
}

/** A deployed model as clients see it. @param problem of its deployment; absent: none. */
export function deployedModelView(row: DeployedModelRow, createdBy: string, problem?: StatusView): object {
  return {
    name: deployedModelName(row),
    displayName: row.displayName,
    description: row.description,
    createTime: row.createTime.toISOString(),
    model: row.model,
    deployment: row.deployment,
    default: row.isDefault,
    state: row.state,
    serverless: row.serverless,
    status: problem ?? { code: row.statusCode || "OK", message: row.statusMessage },
    public: row.isPublic,
    updateTime: row.updateTime.toISOString(),
    createdBy,
  };
}

/** A deployed model as the resource of its model shows it. */
export function deployedModelRef(row: DeployedModelRow): DeployedModelRef {
  const { deployment, state, isDefault, isPublic } = row;
  return { name: deployedModelName(row), deployment, state, default: isDefault, public: isPublic };
}

export interface DeployedModelRef {
  name: string;
  deployment: string;
  state: string;
  default: boolean;
  public: boolean;
}

export function deployedModelName({ accountId, id }: Pick<DeployedModelRow, "accountId" | "id">): string {
  return `accounts/${accountId}/deployedModels/${id}`;
}

/** Names of deployments: full `accounts/{account}/deployments/{deployment}`, short `{account}/{deployment}`. */

/** One segment of a name. As with models, it may start with a digit. */
const SEGMENT = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const MAX_NAME_LENGTH = 150;

export interface DeploymentKey {
  accountId: string;
  id: string;
}

export function deploymentName({ accountId, id }: DeploymentKey): string {
  return `accounts/${accountId}/deployments/${id}`;
}

/** Reads a full or short name; null for anything else. */
export function parseDeploymentName(text: string): DeploymentKey | null {
  if (text.length > MAX_NAME_LENGTH) return null;
  const parts = text.split("/");
  const isFull = parts.length === 4 && parts[0] === "accounts" && parts[2] === "deployments";
  if (!isFull && parts.length !== 2) return null;
  const [accountId, id] = isFull ? [parts[1]!, parts[3]!] : [parts[0]!, parts[1]!];
  return SEGMENT.test(accountId) && SEGMENT.test(id) ? { accountId, id } : null;
}

/** The deployment in a message. */
export function titleOf(accountId: string, id: string): string {
  return `Deployment accounts/${accountId}/deployments/${id}`;
}

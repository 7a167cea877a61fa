import { type ErrorCode, toAppError } from "../../lib/errors.ts";
import type { RequestPrincipal } from "./request-principal.ts";

/** An operation that could change something, and its outcome. */
export interface AuditedOperation {
  principal: RequestPrincipal;
  operationId: string;
  /** The account in the path; null when the path names none. */
  accountId: string | null;
  /** Full name of the changed resource; of the collection when a create failed. */
  resource: string;
  outcome: "OK" | ErrorCode;
  requestId: string;
}

/** Records an operation. Never rejects, as the operation is done and can't be undone. */
export type AuditHook = (operation: AuditedOperation) => Promise<void>;

const MAX_NAME_CHARS = 300;

export interface AuditedCall {
  operationId: string;
  /** The route's path with its parameters in braces. */
  path: string;
  principal: RequestPrincipal;
  params: Readonly<Record<string, string>>;
  requestId: string;
}

/** Runs the operation and records it before the response is sent. */
export async function withAudit(
  record: AuditHook,
  { operationId, path, principal, params, requestId }: AuditedCall,
  run: () => Promise<object>,
): Promise<object> {
  const operation = { principal, operationId, accountId: params["account_id"] ?? null, requestId };
  const requested = resourcePath(path, params);
  try {
    const result = await run();
    await record({ ...operation, resource: resourceNameOf(result) ?? requested, outcome: "OK" });
    return result;
  } catch (error) {
    await record({ ...operation, resource: requested, outcome: toAppError(error).code });
    throw error;
  }
}

function resourcePath(path: string, params: Readonly<Record<string, string>>): string {
  return path
    .replace("/v1/", "")
    .replace(/:\w+$/, "")
    .replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");
}

/** The name in the result: a new resource's name may not be in the path. */
function resourceNameOf(result: object): string | null {
  const { name } = result as { name?: unknown };
  return typeof name === "string" && name.startsWith("accounts/") && name.length <= MAX_NAME_CHARS
    ? name
    : null;
}

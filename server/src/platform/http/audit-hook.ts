import { type ErrorCode, toAppError } from "../../lib/errors.ts";
import type { RequestPrincipal } from "./request-principal.ts";

/** What became of a request that could change something. */
export interface AuditedOperation {
  principal: RequestPrincipal;
  operationId: string;
  /** Of the path; null when it names none. */
  accountId: string | null;
  /** Full name of what was changed, or of the collection it is new in. */
  resource: string;
  outcome: "OK" | ErrorCode;
  requestId: string;
}

/** Writes an operation down. Never rejects: what was done can't be undone for it. */
export type AuditHook = (operation: AuditedOperation) => Promise<void>;

const MAX_NAME_CHARS = 300;

/** Runs the operation and has it recorded, before anybody hears how it went. */
export async function withAudit(
  record: AuditHook,
  { operationId, path }: { operationId: string; path: string },
  call: { principal: RequestPrincipal; params: Readonly<Record<string, string>>; requestId: string },
  run: () => Promise<object>,
): Promise<object> {
  const { principal, params, requestId } = call;
  const operation = { principal, operationId, accountId: params["account_id"] ?? null, requestId };
  const asked = resourcePath(path, params);
  try {
    const answer = await run();
    await record({ ...operation, resource: resourceNameOf(answer) ?? asked, outcome: "OK" });
    return answer;
  } catch (error) {
    await record({ ...operation, resource: asked, outcome: toAppError(error).code });
    throw error;
  }
}

function resourcePath(path: string, params: Readonly<Record<string, string>>): string {
  return path
    .replace("/v1/", "")
    .replace(/:\w+$/, "")
    .replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");
}

/** What was made is known by its name alone. */
function resourceNameOf(answer: object): string | null {
  const { name } = answer as { name?: unknown };
  return typeof name === "string" && name.startsWith("accounts/") && name.length <= MAX_NAME_CHARS
    ? name
    : null;
}

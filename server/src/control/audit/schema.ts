import { type Static, Type } from "typebox";

export const AuditEntry = Type.Object({
  /** `accounts/{account}/auditLogs/{id}`. */
  name: Type.String(),
  createTime: Type.String(),
  /** Full name of the user. */
  actor: Type.String(),
  /** The key that was used. */
  keyId: Type.String(),
  /** `operationId` of the API, such as `createModel`. */
  operation: Type.String(),
  /** Full name of the changed resource; for a creation, the full name of the collection. */
  resource: Type.String(),
  /** `OK`, or the error code, such as `FORBIDDEN`. */
  outcome: Type.String(),
  requestId: Type.String(),
});
export type AuditEntry = Static<typeof AuditEntry>;

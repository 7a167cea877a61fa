import { type Static, Type } from "typebox";

export const AuditEntry = Type.Object({
  /** `accounts/{account}/auditLogs/{id}`. */
  name: Type.String(),
  createTime: Type.String(),
  /** Full name of the user. */
  actor: Type.String(),
  /** Of the key that was used. */
  keyId: Type.String(),
  /** As in the API's description: `createModel`. */
  operation: Type.String(),
  /** Full name of what was changed, or of the collection it was to be made in. */
  resource: Type.String(),
  /** `OK`, or the code of the refusal: `FORBIDDEN`. */
  outcome: Type.String(),
  requestId: Type.String(),
});
export type AuditEntry = Static<typeof AuditEntry>;

import { type Static, Type } from "typebox";

const readOnly = { readOnly: true } as const;

export const ApiKeyBody = Type.Object({
  keyId: Type.Optional(Type.String(readOnly)),
  displayName: Type.Optional(Type.String()),
  key: Type.Optional(Type.String(readOnly)),
  createTime: Type.Optional(Type.String(readOnly)),
  secure: Type.Optional(Type.Boolean(readOnly)),
  email: Type.Optional(Type.String(readOnly)),
  prefix: Type.Optional(Type.String(readOnly)),
  expireTime: Type.Optional(Type.String()),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  lastUsed: Type.Optional(Type.String(readOnly)),
});
export type ApiKeyBody = Static<typeof ApiKeyBody>;

export const CreateApiKeyRequest = Type.Object({ apiKey: ApiKeyBody });
export const UpdateApiKeyBody = Type.Object({
  ...ApiKeyBody.properties,
  /** Beyond the contract: the key does not work for as long as it is true. */
  disabled: Type.Optional(Type.Boolean()),
});
export type UpdateApiKeyBody = Static<typeof UpdateApiKeyBody>;

export const UpdateApiKeyQuery = Type.Object({ updateMask: Type.Optional(Type.String()) });
export const DeleteApiKeyRequest = Type.Object({ keyId: Type.String() });

/** What clients see. */
export interface ApiKey {
  keyId: string;
  displayName: string;
  /** The key itself; there in the answer to its creation alone. */
  key?: string;
  createTime: string;
  /** The plaintext is not stored. */
  secure: true;
  /** The owner's address. */
  email: string;
  prefix: string;
  /** Absent: never. */
  expireTime?: string;
  /** Absent: it works. */
  disabled?: true;
  annotations: Record<string, string>;
  /** Absent: not yet. Up to a minute late. */
  lastUsed?: string;
}

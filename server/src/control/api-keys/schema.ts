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
  /** Not part of the Fireworks API. The key does not work while this is true. */
  disabled: Type.Optional(Type.Boolean()),
});
export type UpdateApiKeyBody = Static<typeof UpdateApiKeyBody>;

export const UpdateApiKeyQuery = Type.Object({ updateMask: Type.Optional(Type.String()) });
export const DeleteApiKeyRequest = Type.Object({ keyId: Type.String() });

/** An API key in API responses. */
export interface ApiKey {
  keyId: string;
  displayName: string;
  /** The key itself; only in the response to its creation. */
  key?: string;
  createTime: string;
  /** The plaintext is not stored. */
  secure: true;
  /** Address of the key's user. */
  email: string;
  prefix: string;
  /** Absent: the key never expires. */
  expireTime?: string;
  /** Absent: the key is enabled. */
  disabled?: true;
  annotations: Record<string, string>;
  /** Up to a minute late. Absent: never used. */
  lastUsed?: string;
}

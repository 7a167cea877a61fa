import { type Static, Type } from "typebox";

/** The kinds of model, by their names in the control plane. */
export const CatalogModelKind = Type.Enum([
  "HF_BASE_MODEL",
  "HF_PEFT_ADDON",
  "FLUMINA_BASE_MODEL",
  "FLUMINA_ADDON",
  "DRAFT_ADDON",
  "EMBEDDING_MODEL",
  "CUSTOM_MODEL",
]);
export type CatalogModelKind = Static<typeof CatalogModelKind>;

const closed = { additionalProperties: false } as const;

export const CatalogWeights = Type.Object(
  {
    file: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$" }),
    sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    sizeBytes: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    /** Tried in this order; see `fleet/weights/source.ts` for the notation. */
    sources: Type.Array(Type.String({ maxLength: 2000 }), { minItems: 1, maxItems: 16 }),
  },
  closed,
);
export type CatalogWeights = Static<typeof CatalogWeights>;

export const CatalogModel = Type.Object(
  {
    /** Full name, `accounts/{account}/models/{model}`. */
    name: Type.String({ maxLength: 143 }),
    displayName: Type.String({ minLength: 1, maxLength: 64 }),
    kind: Type.Optional(CatalogModelKind),
    /** SPDX identifier, or the name under which the licence is known. */
    license: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    /** When the weights were published, RFC 3339. */
    createTime: Type.Optional(Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$" })),
    /** Name of the architecture, as `model_type` in a Hugging Face configuration: `llama`. */
    modelType: Type.Optional(Type.String({ pattern: "^[a-z0-9_]{1,63}$" })),
    /** Number of parameters, those of all experts included. */
    parameterCount: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
    /** Most tokens of prompt and output together. */
    contextLength: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000_000 })),
    supportsChat: Type.Boolean(),
    supportsImageInput: Type.Boolean(),
    supportsTools: Type.Boolean(),
    /** The platform itself runs a deployment of the model; needs `engine` and `weights`. */
    serverless: Type.Boolean(),
    engine: Type.Optional(Type.String({ pattern: "^[a-z][a-z0-9-]{0,62}$" })),
    weights: Type.Optional(CatalogWeights),
  },
  closed,
);
export type CatalogModel = Static<typeof CatalogModel>;

export const CatalogFile = Type.Object(
  { models: Type.Array(CatalogModel, { minItems: 1, maxItems: 1000 }) },
  closed,
);

/** A model that an attached engine serves. It comes from the settings, not from the catalog. */
export interface AttachedModel {
  /** Full name, `accounts/{account}/models/{model}`. */
  name: string;
  displayName: string;
  kind?: CatalogModelKind;
  modelType?: string;
  parameterCount?: number;
  /** When the engine was attached, RFC 3339. */
  createTime?: string;
  contextLength?: number;
  supportsChat: boolean;
  supportsImageInput: boolean;
  supportsTools: boolean;
}

/** A model that clients can call, in the shape of the data plane's model list. */
export interface ModelEntry {
  id: string;
  object: "model";
  /** Seconds since the Unix epoch; 0 when unknown. */
  created: number;
  owned_by: string;
  kind?: CatalogModelKind;
  supports_chat: boolean;
  supports_image_input: boolean;
  supports_tools: boolean;
  context_length: number | null;
}

import { createHash } from "node:crypto";
import { parseModelName } from "../../../lib/resource-names.ts";
import type { ModelRow } from "../store.ts";
import type { AttachedModel, CatalogModel } from "./schema.ts";

/**
 * Database rows of the catalog's models and the attached engines' models. All are public. An attached model replaces a
 * catalog model of the same name.
 */
export function catalogRows(
  catalog: readonly CatalogModel[],
  attached: readonly AttachedModel[],
  nowMs: number,
): ModelRow[] {
  const rows = new Map<string, ModelRow>();
  for (const model of catalog) rows.set(model.name, rowOf(model, "catalog", nowMs));
  for (const model of attached) rows.set(model.name, rowOf(model, "attached", nowMs));
  return [...rows.values()];
}

function rowOf(model: CatalogModel | AttachedModel, format: "catalog" | "attached", nowMs: number): ModelRow {
  const name = parseModelName(model.name)!;
  const weights = "weights" in model ? model.weights : undefined;
  const isBase = model.kind === "HF_BASE_MODEL";
  const row = {
    accountId: name.accountId,
    id: name.modelId,
    // The uid identifies files, so a catalog update with other weights needs another one.
    uid: fingerprint({ format, name: model.name, weights: weights?.sha256 ?? "" }),
    displayName: model.displayName,
    kind: model.kind ?? ("CUSTOM_MODEL" as const),
    state: "READY" as const,
    public: true,
    spec: {
      baseModelDetails: {
        ...(weights === undefined ? {} : { checkpointFormat: "NATIVE" as const }),
        ...(model.modelType === undefined ? {} : { modelType: model.modelType }),
        ...(model.parameterCount === undefined ? {} : { parameterCount: String(model.parameterCount) }),
      },
      ...(model.supportsChat ? { conversationConfig: { style: "jinja" } } : {}),
      ...(model.contextLength === undefined ? {} : { contextLength: model.contextLength }),
      supportsImageInput: model.supportsImageInput,
      supportsTools: model.supportsTools,
      supportsLora: isBase && weights !== undefined,
    },
    facts: {
      format,
      contextLength: model.contextLength ?? null,
      supportsLora: isBase && weights !== undefined,
      tunable: false,
      serverless: format === "attached" || (model as CatalogModel).serverless,
    },
    files: {},
    precisions: [],
    preparing: null,
    importedFrom: "",
    statusCode: "OK",
    statusMessage: "",
    createdBy: "",
    revision: 1,
  };
  return {
    ...row,
    catalogDigest: fingerprint(row),
    createTime: new Date(model.createTime === undefined ? nowMs : Date.parse(model.createTime)),
    updateTime: new Date(nowMs),
  };
}

function fingerprint(value: object): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}

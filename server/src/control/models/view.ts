import { canSee, type Principal } from "../accounts/service.ts";
import { CONVERTIBLE_PRECISIONS } from "./files/precisions.ts";
import { modelName } from "./names.ts";
import type { BaseModelDetails, DeployedModelRef, Model, PeftDetails } from "./schema.ts";
import type { ModelRow } from "./store.ts";
import type { ModelReferences, RelatedResources } from "./types.ts";

/**
 * The resource as clients see it.
 * @param email address of the user who created the model; empty hides it
 */
export function modelView(row: ModelRow, email: string, refs: readonly DeployedModelRef[]): Model {
  const { spec, facts } = row;
  const isConverted = facts?.format === "huggingface";
  return {
    name: modelName(row),
    displayName: row.displayName,
    description: spec.description ?? "",
    createTime: row.createTime.toISOString(),
    updateTime: row.updateTime.toISOString(),
    createdBy: email,
    state: row.state,
    status: { code: row.statusCode, message: row.statusMessage },
    kind: row.kind,
    githubUrl: spec.githubUrl ?? "",
    huggingFaceUrl: spec.huggingFaceUrl ?? "",
    ...(isBaseModel(row) ? { baseModelDetails: baseModelDetails(row) } : {}),
    ...(row.kind === "HF_PEFT_ADDON" ? { peftDetails: peftDetails(row) } : {}),
    public: row.public,
    ...(spec.conversationConfig === undefined ? {} : { conversationConfig: spec.conversationConfig }),
    contextLength: spec.contextLength ?? 0,
    supportsImageInput: spec.supportsImageInput ?? false,
    supportsTools: spec.supportsTools ?? false,
    importedFrom: row.importedFrom,
    fineTuningJob: "",
    defaultDraftModel: spec.defaultDraftModel ?? "",
    defaultDraftTokenCount: spec.defaultDraftTokenCount ?? 0,
    deployedModelRefs: refs,
    cluster: "",
    ...(spec.deprecationDate === undefined ? {} : { deprecationDate: spec.deprecationDate }),
    calibrated: isConverted && row.precisions.length > 1,
    tunable: facts?.tunable ?? false,
    supportsLora: spec.supportsLora ?? false,
    useHfApplyChatTemplate: spec.useHfApplyChatTemplate ?? false,
    defaultSamplingParams: {},
    rlTunable: false,
    trainingContextLength: spec.trainingContextLength ?? 0,
    supportsServerless: facts?.serverless ?? false,
    supervisedLoraTunable: false,
    supervisedFullParameterTunable: false,
    rlLoraTunable: false,
    rlFullParameterTunable: false,
    precisions: row.precisions,
    supportedPrecisions: row.precisions,
    supportedPrecisionsWithCalibration: isConverted ? [...CONVERTIBLE_PRECISIONS] : row.precisions,
  };
}

/** Renders models for a principal, with the parts that come from other resources. */
export class ModelViews {
  readonly #related: Pick<RelatedResources, "users"> & Pick<ModelReferences, "modelRefs">;

  constructor(related: Pick<RelatedResources, "users"> & Pick<ModelReferences, "modelRefs">) {
    this.#related = related;
  }

  /** One model, with its deployments. */
  async view(principal: Principal, row: ModelRow): Promise<Model> {
    const [emails, refs] = await Promise.all([
      this.#creatorEmails(principal, row.accountId, [row]),
      this.#related.modelRefs(principal, modelName(row)),
    ]);
    return modelView(row, emails.get(row.createdBy) ?? "", refs);
  }

  /** Models of one account, without their deployments. */
  async viewList(principal: Principal, accountId: string, rows: readonly ModelRow[]): Promise<Model[]> {
    const emails = await this.#creatorEmails(principal, accountId, rows);
    return rows.map((row) => modelView(row, emails.get(row.createdBy) ?? "", []));
  }

  /** Addresses by user id. Empty for principals of other accounts: they see public models, but not who created them. */
  async #creatorEmails(
    principal: Principal,
    accountId: string,
    rows: readonly ModelRow[],
  ): Promise<ReadonlyMap<string, string>> {
    const ids = [...new Set(rows.map(({ createdBy }) => createdBy))].filter((id) => id !== "");
    if (ids.length === 0 || !canSee(principal, accountId, false)) return new Map();
    return this.#related.users.emailsOf(accountId, ids);
  }
}

export function isBaseModel(row: Pick<ModelRow, "kind">): boolean {
  return row.kind === "HF_BASE_MODEL";
}

function baseModelDetails({ spec, precisions }: ModelRow): Required<BaseModelDetails> {
  return {
    worldSize: 1,
    checkpointFormat: "CHECKPOINT_FORMAT_UNSPECIFIED",
    huggingfaceFiles: [],
    parameterCount: "0",
    moe: false,
    tunable: false,
    modelType: "",
    supportsFireattention: false,
    supportsMtp: false,
    ...spec.baseModelDetails,
    defaultPrecision: precisions[0] ?? "PRECISION_UNSPECIFIED",
  };
}

function peftDetails({ spec }: ModelRow): Required<PeftDetails> {
  return {
    baseModel: "",
    r: 0,
    targetModules: [],
    baseModelType: "",
    mergeAddonModelName: "",
    ...spec.peftDetails,
  };
}

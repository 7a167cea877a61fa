import { isDeepStrictEqual } from "node:util";
import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import { randomId } from "../../lib/resource-ids.ts";
import { LORA_RANK_RANGE, LORA_TARGET_MODULES } from "../../model-files/service.ts";
import type { ModelRef } from "./names.ts";
import {
  type BaseModelDetails,
  type ConversationConfig,
  ModelBody,
  type ModelKind,
  ModelSpec,
  type PeftDetails,
} from "./schema.ts";
import { STATUS_OK } from "./status.ts";
import type { ModelRow } from "./store.ts";
import { modelView } from "./view.ts";

/** The columns that clients set. */
export type ModelFields = Pick<ModelRow, "displayName" | "kind" | "public" | "spec">;

const MAX_DESCRIPTION_CHARS = 999;
const MAX_URL_CHARS = 2_000;
const MAX_TEMPLATE_CHARS = 200_000;
const MAX_LABEL_CHARS = 200;
const MAX_CONTEXT_TOKENS = 100_000_000;
const MAX_DRAFT_TOKENS = 32;
const UPLOADED_KINDS: readonly ModelKind[] = ["HF_BASE_MODEL", "HF_PEFT_ADDON"];
const SPEC_FIELDS = Object.keys(ModelSpec.properties) as (keyof ModelSpec)[];

/** The row of a new model without files. */
export function newModelRow(options: {
  ref: ModelRef;
  /** Id of the user. */
  createdBy: string;
  nowMs: number;
  fields: ModelFields;
}): ModelRow {
  const now = new Date(options.nowMs);
  return {
    accountId: options.ref.accountId,
    id: options.ref.id,
    uid: randomId(),
    state: "UPLOADING",
    facts: null,
    files: {},
    precisions: [],
    preparing: null,
    importedFrom: "",
    ...STATUS_OK,
    catalogDigest: null,
    createdBy: options.createdBy,
    createTime: now,
    updateTime: now,
    revision: 1,
    ...options.fields,
  };
}

/**
 * The columns of a body.
 * @param at prefix of field names in errors: `model.` or nothing
 * @throws AppError BAD_REQUEST naming the field.
 */
export function parseFields(body: ModelBody, at: string): ModelFields {
  const { displayName = "", kind = "KIND_UNSPECIFIED" } = body;
  const spec = Object.fromEntries(
    SPEC_FIELDS.filter((field) => body[field] !== undefined).map((field) => [field, body[field]]),
  ) as ModelSpec;
  checkDisplayName(`${at}displayName`, displayName);
  checkTexts(spec, at);
  checkNumbers(spec, at);
  const refuse = (field: keyof ModelBody, why: string): void => {
    if (body[field]) throw badRequest(at + field, `${at}${field}: ${why}`);
  };
  refuse("teftDetails", "the kind HF_TEFT_ADDON can't be run here.");
  refuse("snapshotType", "the kind SNAPSHOT_MODEL can't be run here.");
  refuse("supportsImageInput", "uploaded models read no images here.");
  if (spec.conversationConfig !== undefined)
    checkConversation(spec.conversationConfig, `${at}conversationConfig`);
  const specifiedKind = kind === "KIND_UNSPECIFIED" ? "HF_PEFT_ADDON" : kind;
  checkDetails(spec, specifiedKind, at);
  return { displayName, kind: specifiedKind, public: body.public ?? false, spec };
}

/** Fields that an update can change: all that clients set, except the details of the model's kind. */
const CHANGEABLE: ReadonlySet<string> = new Set(
  ["displayName", "public", ...SPEC_FIELDS].filter((field) => !/Details$/.test(field)),
);

/**
 * The columns after a PATCH. A client may send back a whole resource, so a field with its current value is always
 * allowed.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function applyPatch(row: ModelRow, body: ModelBody, updateMask: string | undefined): ModelFields {
  const paths = updatePaths(updateMask, body, ModelBody);
  const current: object = modelView(row, "", []);
  const patched: ModelBody = mergePatch<ModelBody>(current, body, paths);
  const fields = [...new Set(paths.map((path) => path.split(".")[0] as keyof ModelBody))];
  for (const field of fields) {
    if (CHANGEABLE.has(field)) continue;
    if (isDeepStrictEqual(patched[field] ?? "", (current as ModelBody)[field] ?? "")) continue;
    throw badRequest(field, `${field} can only be set when the model is created.`);
  }
  const nextBody: ModelBody = {
    ...row.spec,
    displayName: row.displayName,
    public: row.public,
    kind: row.kind,
  };
  const changed = fields.filter((field) => CHANGEABLE.has(field));
  for (const field of changed) {
    if (patched[field] === undefined) delete nextBody[field];
    else Object.assign(nextBody, { [field]: patched[field] });
  }
  checkContextLength(row, nextBody.contextLength ?? 0);
  if (changed.includes("supportsLora") && nextBody.supportsLora && row.facts?.supportsLora === false)
    throw badRequest("supportsLora", "supportsLora: addons can't be loaded on these files.");
  return row.catalogDigest === null ? parseFields(nextBody, "") : parseCatalogFields(nextBody);
}

/** @throws AppError BAD_REQUEST for a context that the model's files don't allow. */
export function checkContextLength({ facts }: Pick<ModelRow, "facts">, contextLength: number): void {
  const maxTokens = facts?.contextLength ?? Number.POSITIVE_INFINITY;
  if (contextLength > maxTokens)
    throw badRequest("contextLength", `contextLength: the model's files allow at most ${maxTokens} tokens.`);
}

/** Like `parseFields`, for a model of the catalog: it can be of any kind, and the operator can write any texts. */
function parseCatalogFields({
  displayName = "",
  public: isPublic = false,
  kind = "CUSTOM_MODEL",
  ...rest
}: ModelBody): ModelFields {
  checkDisplayName("displayName", displayName);
  checkTexts(rest, "");
  checkNumbers(rest, "");
  return { displayName, public: isPublic, kind, spec: rest as ModelSpec };
}

function checkTexts(spec: ModelSpec, at: string): void {
  checkText(`${at}description`, spec.description ?? "", MAX_DESCRIPTION_CHARS);
  for (const field of ["githubUrl", "huggingFaceUrl"] as const) checkUrl(`${at}${field}`, spec[field] ?? "");
}

/** User interfaces show the links, so `javascript:` and other schemes are refused. */
function checkUrl(field: string, text: string): void {
  checkText(field, text, MAX_URL_CHARS);
  if (text === "" || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))) return;
  throw badRequest(field, `${field} must be an http or https URL.`);
}

function checkNumbers(spec: ModelSpec, at: string): void {
  const within = (field: keyof ModelSpec, max: number): void => {
    const value = spec[field] as number | undefined;
    if (value === undefined || (value >= 0 && value <= max)) return;
    throw badRequest(at + field, `${at}${field} must be from 0 to ${max}.`);
  };
  within("contextLength", MAX_CONTEXT_TOKENS);
  within("trainingContextLength", MAX_CONTEXT_TOKENS);
  within("defaultDraftTokenCount", MAX_DRAFT_TOKENS);
  const { defaultDraftModel = "", defaultDraftTokenCount = 0 } = spec;
  if (defaultDraftModel !== "" && defaultDraftTokenCount === 0) {
    const field = `${at}defaultDraftTokenCount`;
    throw badRequest(field, `${field} is required when there is a defaultDraftModel.`);
  }
}

function checkConversation({ style = "", system = "", template = "" }: ConversationConfig, at: string): void {
  if (style !== "jinja") {
    throw badRequest(
      `${at}.style`,
      `${at}.style: the supported style is jinja, not ${sanitizeForMessage(style) || "none"}.`,
    );
  }
  if (system !== "") {
    throw badRequest(`${at}.system`, `${at}.system: write the default system prompt into the template.`);
  }
  if (template === "") throw badRequest(`${at}.template`, `${at}.template is required by the style jinja.`);
  checkText(`${at}.template`, template, MAX_TEMPLATE_CHARS);
}

function checkDetails(spec: ModelSpec, kind: ModelKind, at: string): void {
  if (!UPLOADED_KINDS.includes(kind)) {
    const why = `models of the kind ${kind} can't be run here; there are ${UPLOADED_KINDS.join(" and ")}.`;
    throw badRequest(`${at}kind`, `${at}kind: ${why}`);
  }
  const other = kind === "HF_BASE_MODEL" ? "peftDetails" : "baseModelDetails";
  if (spec[other] !== undefined) {
    throw badRequest(at + other, `${at}${other} does not belong to the kind ${kind}.`);
  }
  if (kind === "HF_BASE_MODEL") checkBase(spec.baseModelDetails ?? {}, `${at}baseModelDetails`);
  else checkPeft(spec.peftDetails ?? {}, `${at}peftDetails`);
}

function checkBase(details: BaseModelDetails, at: string): void {
  const { worldSize = 0, checkpointFormat, modelType = "" } = details;
  if (worldSize < 0 || worldSize > 1_024) {
    throw badRequest(`${at}.worldSize`, `${at}.worldSize must be from 0 to 1024.`);
  }
  if (checkpointFormat === "UNINITIALIZED") {
    throw badRequest(
      `${at}.checkpointFormat`,
      `${at}.checkpointFormat: models without weights can't be run.`,
    );
  }
  checkText(`${at}.modelType`, modelType, MAX_LABEL_CHARS);
  for (const [i, file] of (details.huggingfaceFiles ?? []).entries())
    checkText(`${at}.huggingfaceFiles[${i}]`, file, MAX_LABEL_CHARS);
  for (const field of ["supportsFireattention", "supportsMtp"] as const) {
    if (details[field])
      throw badRequest(`${at}.${field}`, `${at}.${field}: no engine of this platform supports it.`);
  }
}

function checkPeft(details: PeftDetails, at: string): void {
  const { baseModel = "", r = 0, targetModules = [], mergeAddonModelName = "" } = details;
  if (baseModel === "") throw badRequest(`${at}.baseModel`, `${at}.baseModel is required for HF_PEFT_ADDON.`);
  if (r !== 0 && (r < LORA_RANK_RANGE.min || r > LORA_RANK_RANGE.max)) {
    throw badRequest(
      `${at}.r`,
      `${at}.r must be between ${LORA_RANK_RANGE.min} and ${LORA_RANK_RANGE.max}, inclusive.`,
    );
  }
  for (const module of targetModules) {
    if (LORA_TARGET_MODULES.includes(module)) continue;
    const known = LORA_TARGET_MODULES.join(", ");
    throw badRequest(
      `${at}.targetModules`,
      `${at}.targetModules: ${sanitizeForMessage(module)} is not one of ${known}.`,
    );
  }
  if (mergeAddonModelName !== "") {
    const field = `${at}.mergeAddonModelName`;
    throw badRequest(field, `${field}: addons are not merged here; load them side by side.`);
  }
}

import { checkText } from "../../../lib/display-text.ts";
import { AppError, badRequest } from "../../../lib/errors.ts";
import {
  checkLora,
  checkModelConfig,
  type ModelFacts as FileFacts,
  inspect,
  ModelFileError,
} from "../../../model-files/service.ts";
import type { Blobs } from "../../../platform/blobs/blobs.ts";
import { checkContextLength } from "../fields.ts";
import type { ConversationConfig, ModelSpec, ValidateModelConfigRequest } from "../schema.ts";
import type { ModelRow } from "../store.ts";
import type { ModelFacts } from "../table.ts";
import { isBaseModel } from "../view.ts";
import { filePrefix, uploadKey } from "./declared-files.ts";
import { GGUF_PRECISIONS, INITIAL_PRECISIONS } from "./precisions.ts";
import type { FetchOptions, ModelWeights } from "./weights.ts";

const MAX_TEMPLATE_CHARS = 200_000;
const MAX_NAMED = 20;

/** Columns that follow from the checked files. */
export interface ValidationResult extends Pick<ModelRow, "spec" | "facts" | "precisions"> {
  warnings: string[];
}

/**
 * Moves the declared files to keys that no signed URL writes to, so that they can't change after the check.
 * @throws AppError FAILED_PRECONDITION naming the files that are missing.
 */
export async function sealFiles(blobs: Blobs, row: ModelRow): Promise<void> {
  const declared = Object.entries(row.files);
  if (declared.length === 0) {
    throw new AppError(
      "FAILED_PRECONDITION",
      "No files were declared yet: ask for an upload endpoint first.",
    );
  }
  const missing: string[] = [];
  for (const [name, sizeBytes] of declared) {
    const upload = await blobs.stat(uploadKey(row, name));
    if (upload?.sizeBytes === sizeBytes) await blobs.move(uploadKey(row, name), filePrefix(row) + name);
    else if ((await blobs.stat(filePrefix(row) + name))?.sizeBytes !== sizeBytes) missing.push(name);
  }
  if (missing.length === 0) return;
  const unnamed = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : "";
  const names = missing.sort().slice(0, MAX_NAMED).join(", ");
  throw new AppError("FAILED_PRECONDITION", `Not uploaded yet: ${names}${unnamed}.`);
}

/**
 * Reads the uploaded files.
 * @throws AppError BAD_REQUEST naming the file or field; FAILED_PRECONDITION about the base model.
 */
export async function checkFiles(
  weights: ModelWeights,
  row: ModelRow,
  signal: AbortSignal,
): Promise<ValidationResult> {
  const options: FetchOptions = { signal, onPhase() {} };
  try {
    const folder = await weights.uploadedFolder(row, options);
    const facts = await inspect(folder, signal);
    if (isBaseModel(row)) return fillBaseModel(row, facts);
    if (facts.format !== "peft") {
      const why = "The files are those of a base model: create the model with the kind HF_BASE_MODEL.";
      throw badRequest("kind", why);
    }
    const base = await weights.baseModelOf(row);
    if (base.spec.supportsLora !== true) {
      const name = row.spec.peftDetails?.baseModel;
      throw new AppError("FAILED_PRECONDITION", `The base model ${name} does not support LoRA addons.`);
    }
    const lora = await checkLora(folder, await weights.baseFiles(base, options), signal);
    return fillLora({ row, base, facts, lora });
  } catch (error) {
    throw asBadRequest(error);
  }
}

/** @throws AppError BAD_REQUEST naming `configJson` or `tokenizerConfigJson`. */
export async function validateConfig(request: ValidateModelConfigRequest): Promise<void> {
  try {
    await checkModelConfig(request.configJson, request.tokenizerConfigJson);
  } catch (error) {
    const failure = asBadRequest(error);
    if (!(failure instanceof AppError) || failure.code !== "BAD_REQUEST") throw failure;
    const field = failure.param === "config.json" ? "configJson" : "tokenizerConfigJson";
    throw badRequest(field, failure.message);
  }
}

function asBadRequest(error: unknown): unknown {
  return error instanceof ModelFileError ? badRequest(error.file, error.message) : error;
}

function fillBaseModel(row: ModelRow, fileFacts: FileFacts): ValidationResult {
  if (fileFacts.format === "peft") {
    throw badRequest(
      "kind",
      "The files are those of a LoRA addon: create the model with the kind HF_PEFT_ADDON.",
    );
  }
  const { spec } = row;
  const details = spec.baseModelDetails ?? {};
  const isGguf = fileFacts.format === "gguf";
  const warnings: string[] = [];
  const facts = toModelFacts(fileFacts);
  const filledSpec: ModelSpec = {
    ...spec,
    baseModelDetails: {
      ...details,
      worldSize: details.worldSize || fileFacts.worldSize,
      checkpointFormat: isGguf ? "NATIVE" : "HUGGINGFACE",
      huggingfaceFiles: isGguf ? [] : Object.keys(row.files).sort(),
      parameterCount: String(fileFacts.parameterCount),
      moe: fileFacts.moe,
      tunable: fileFacts.tunable,
      modelType: details.modelType || fileFacts.architecture,
    },
    ...fillCommonFields(spec, fileFacts, warnings),
    supportsLora: fileFacts.supportsLora && spec.supportsLora !== false,
  };
  checkContextLength({ facts }, filledSpec.contextLength ?? 0);
  // A GGUF upload is never converted, so it has the precision of its file only.
  const precisions = isGguf ? (GGUF_PRECISIONS[fileFacts.weightType] ?? []) : INITIAL_PRECISIONS;
  return { spec: filledSpec, facts, precisions: [...precisions], warnings };
}

function fillLora(options: {
  row: ModelRow;
  base: ModelRow;
  facts: FileFacts;
  lora: { rank: number; targetModules: readonly string[] };
}): ValidationResult {
  const { base, lora } = options;
  const { spec } = options.row;
  const details = spec.peftDetails ?? {};
  const targetModules = [...lora.targetModules].sort();
  if (details.r && details.r !== lora.rank) {
    throw badRequest(
      "peftDetails.r",
      `peftDetails.r is ${details.r}, but adapter_config.json has r ${lora.rank}.`,
    );
  }
  const declaredModules = [...(details.targetModules ?? [])].sort();
  if (declaredModules.length > 0 && declaredModules.join() !== targetModules.join()) {
    const why = `are ${declaredModules.join(", ")}, but adapter_config.json has ${targetModules.join(", ")}.`;
    throw badRequest("peftDetails.targetModules", `peftDetails.targetModules ${why}`);
  }
  const warnings: string[] = [];
  const facts = { ...toModelFacts(options.facts), contextLength: base.facts?.contextLength ?? null };
  const filledSpec: ModelSpec = {
    ...spec,
    peftDetails: {
      ...details,
      r: lora.rank,
      targetModules,
      baseModelType: base.spec.baseModelDetails?.modelType ?? "",
    },
    ...fillCommonFields(spec, { ...options.facts, contextLength: base.spec.contextLength ?? null }, warnings),
    supportsLora: false,
  };
  checkContextLength({ facts }, filledSpec.contextLength ?? 0);
  return { spec: filledSpec, facts, precisions: [], warnings };
}

/** Fields that are filled in from the files unless the client set them. */
function fillCommonFields(spec: ModelSpec, facts: FileFacts, warnings: string[]): Partial<ModelSpec> {
  const conversation = spec.conversationConfig ?? conversationOf(facts, warnings);
  const contextLength = spec.contextLength || facts.contextLength;
  return {
    ...(conversation === null ? {} : { conversationConfig: conversation }),
    ...(contextLength === null ? {} : { contextLength }),
    supportsTools: spec.supportsTools ?? facts.supportsTools,
  };
}

function conversationOf(
  { format, chatTemplate, chatTemplateWarnings }: FileFacts,
  warnings: string[],
): ConversationConfig | null {
  warnings.push(...chatTemplateWarnings);
  if (chatTemplate === null) {
    // An addon without a chat template uses its base model's.
    if (format !== "peft" && chatTemplateWarnings.length === 0)
      warnings.push("There is no chat template: chat completions are off for this model.");
    return null;
  }
  try {
    checkText("chat_template", chatTemplate, MAX_TEMPLATE_CHARS);
    return { style: "jinja", template: chatTemplate };
  } catch (error) {
    warnings.push(`The chat template can't be used: ${(error as Error).message}`);
    return null;
  }
}

function toModelFacts({ format, contextLength, supportsLora, tunable }: FileFacts): ModelFacts {
  return { format, contextLength, supportsLora, tunable, serverless: false };
}

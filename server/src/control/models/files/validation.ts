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
import type { ModelWeights } from "./weights.ts";

const MAX_TEMPLATE_CHARS = 200_000;
const MAX_NAMED = 20;

/** What the files of a model make of its row. */
export interface ValidationResult extends Pick<ModelRow, "spec" | "facts" | "precisions"> {
  warnings: string[];
}

/**
 * Takes the declared files out of reach of the URLs that wrote them.
 * @throws AppError FAILED_PRECONDITION naming what is missing.
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
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : "";
  const names = missing.sort().slice(0, MAX_NAMED).join(", ");
  throw new AppError("FAILED_PRECONDITION", `Not uploaded yet: ${names}${more}.`);
}

/** Looks into the files. @throws AppError BAD_REQUEST naming the file or field; FAILED_PRECONDITION about the base model. */
export async function checkFiles(
  weights: ModelWeights,
  row: ModelRow,
  signal: AbortSignal,
): Promise<ValidationResult> {
  const quiet = (): void => {};
  try {
    const folder = await weights.uploadedFolder(row, signal, quiet);
    const found = await inspect(folder, signal);
    if (isBaseModel(row)) return fillBaseModel(row, found);
    if (found.format !== "peft") {
      const why = "The files are those of a base model: make the model with the kind HF_BASE_MODEL.";
      throw badRequest("kind", why);
    }
    const base = await weights.baseModelOf(row);
    if (base.spec.supportsLora !== true) {
      const name = row.spec.peftDetails?.baseModel;
      throw new AppError("FAILED_PRECONDITION", `The base model ${name} does not support LoRA addons.`);
    }
    const adapter = await checkLora(folder, await weights.baseFiles(base, signal, quiet), signal);
    return fillLora(row, base, found, adapter);
  } catch (error) {
    throw asBadRequest(error);
  }
}

/** @throws AppError BAD_REQUEST naming the text with the fault. */
export async function validateConfig(request: ValidateModelConfigRequest): Promise<void> {
  try {
    await checkModelConfig(request.configJson, request.tokenizerConfigJson);
  } catch (error) {
    const refusal = asBadRequest(error);
    if (!(refusal instanceof AppError) || refusal.code !== "BAD_REQUEST") throw refusal;
    const field = refusal.param === "config.json" ? "configJson" : "tokenizerConfigJson";
    throw badRequest(field, refusal.message);
  }
}

function asBadRequest(error: unknown): unknown {
  return error instanceof ModelFileError ? badRequest(error.file, error.message) : error;
}

function fillBaseModel(row: ModelRow, found: FileFacts): ValidationResult {
  if (found.format === "peft") {
    throw badRequest(
      "kind",
      "The files are those of a LoRA addon: make the model with the kind HF_PEFT_ADDON.",
    );
  }
  const { spec } = row;
  const given = spec.baseModelDetails ?? {};
  const warnings: string[] = [];
  const facts = factsOf(found);
  const filled: ModelSpec = {
    ...spec,
    baseModelDetails: {
      ...given,
      worldSize: given.worldSize || found.worldSize,
      checkpointFormat: found.format === "gguf" ? "NATIVE" : "HUGGINGFACE",
      huggingfaceFiles: found.format === "gguf" ? [] : Object.keys(row.files).sort(),
      parameterCount: String(found.parameterCount),
      moe: found.moe,
      tunable: found.tunable,
      modelType: given.modelType || found.architecture,
    },
    ...fillCommonFields(spec, found, warnings),
    supportsLora: found.supportsLora && spec.supportsLora !== false,
  };
  checkContextLength({ facts }, filled.contextLength ?? 0);
  // What is uploaded as GGUF is run as it is.
  const precisions = found.format === "gguf" ? (GGUF_PRECISIONS[found.weightType] ?? []) : INITIAL_PRECISIONS;
  return { spec: filled, facts, precisions: [...precisions], warnings };
}

function fillLora(
  row: ModelRow,
  base: ModelRow,
  found: FileFacts,
  adapter: { rank: number; targetModules: readonly string[] },
): ValidationResult {
  const { spec } = row;
  const given = spec.peftDetails ?? {};
  const targetModules = [...adapter.targetModules].sort();
  if (given.r && given.r !== adapter.rank) {
    throw badRequest(
      "peftDetails.r",
      `peftDetails.r is ${given.r}, but adapter_config.json has r ${adapter.rank}.`,
    );
  }
  const wanted = [...(given.targetModules ?? [])].sort();
  if (wanted.length > 0 && wanted.join() !== targetModules.join()) {
    const why = `are ${wanted.join(", ")}, but adapter_config.json has ${targetModules.join(", ")}.`;
    throw badRequest("peftDetails.targetModules", `peftDetails.targetModules ${why}`);
  }
  const warnings: string[] = [];
  const facts = { ...factsOf(found), contextLength: base.facts?.contextLength ?? null };
  const filled: ModelSpec = {
    ...spec,
    peftDetails: {
      ...given,
      r: adapter.rank,
      targetModules,
      baseModelType: base.spec.baseModelDetails?.modelType ?? "",
    },
    ...fillCommonFields(spec, { ...found, contextLength: base.spec.contextLength ?? null }, warnings),
    supportsLora: false,
  };
  checkContextLength({ facts }, filled.contextLength ?? 0);
  return { spec: filled, facts, precisions: [], warnings };
}

/** What the client left open. */
function fillCommonFields(spec: ModelSpec, found: FileFacts, warnings: string[]): Partial<ModelSpec> {
  const conversation = spec.conversationConfig ?? conversationOf(found, warnings);
  const contextLength = spec.contextLength || found.contextLength;
  return {
    ...(conversation === null ? {} : { conversationConfig: conversation }),
    ...(contextLength === null ? {} : { contextLength }),
    supportsTools: spec.supportsTools ?? found.supportsTools,
  };
}

function conversationOf({ format, chatTemplate }: FileFacts, warnings: string[]): ConversationConfig | null {
  if (chatTemplate === null) {
    // An addon talks as its base model does.
    if (format !== "peft")
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

function factsOf({ format, contextLength, supportsLora, tunable }: FileFacts): ModelFacts {
  return { format, contextLength, supportsLora, tunable, serverless: false };
}

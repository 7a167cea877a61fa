import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TLocalizedValidationError } from "typebox/error";
import { Value } from "typebox/value";
import { parseWeightsSource } from "../../../fleet/service.ts";
import { fullModelName, parseModelName } from "../../../lib/resource-names.ts";
import { CatalogFile, type CatalogModel } from "./schema.ts";

/** A catalog that can't be used; the message is one line that names the file and the field. */
export class CatalogError extends Error {
  constructor(file: string, field: string, problem: string) {
    super(`${file === "" ? "catalog" : `catalog/${file}`}: ${field === "" ? "" : `${field} `}${problem}`);
    this.name = "CatalogError";
  }
}

/** Reads every `*.json` of the folder, in order of the file names. @throws CatalogError at the first defect. */
export function loadCatalog(catalogDir: string): CatalogModel[] {
  const origins = new Map<string, string>();
  const models: CatalogModel[] = [];
  for (const file of listJsonFiles(catalogDir)) {
    for (const [i, model] of readCatalogFile(join(catalogDir, file), file).entries()) {
      const earlier = origins.get(model.name);
      if (earlier !== undefined)
        throw new CatalogError(file, `models[${i}].name`, `is already in ${earlier}`);
      origins.set(model.name, file);
      checkModel(model, file, `models[${i}]`);
      models.push(model);
    }
  }
  return models;
}

function listJsonFiles(catalogDir: string): string[] {
  try {
    return readdirSync(catalogDir)
      .filter((name) => name.endsWith(".json"))
      .sort();
  } catch (error) {
    throw new CatalogError("", "", `can't be read: ${(error as Error).message}`);
  }
}

function readCatalogFile(path: string, file: string): CatalogModel[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new CatalogError(
      file,
      "",
      `is not valid JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}`,
    );
  }
  if (Value.Check(CatalogFile, content)) return content.models;
  const error = Value.Errors(CatalogFile, content)[0]!;
  throw new CatalogError(file, fieldOf(error), error.message);
}

/** `/models/2` and a missing `name` become `models[2].name`. */
function fieldOf(error: TLocalizedValidationError): string {
  const path = error.instancePath.split("/").slice(1);
  if (error.keyword === "required") path.push(error.params.requiredProperties[0] ?? "");
  if (error.keyword === "additionalProperties") path.push(error.params.additionalProperties[0] ?? "");
  return path.reduce((text, part) => text + (/^\d+$/.test(part) ? `[${part}]` : `${text && "."}${part}`), "");
}

/** Checks rules that the schema can't express. */
function checkModel(model: CatalogModel, file: string, field: string): void {
  const name = parseModelName(model.name);
  if (name === null || fullModelName(name) !== model.name) {
    throw new CatalogError(file, `${field}.name`, "must be accounts/{account}/models/{model}");
  }
  for (const needed of ["engine", "weights"] as const) {
    if (model.serverless && model[needed] === undefined) {
      throw new CatalogError(file, `${field}.${needed}`, "is needed by a serverless model");
    }
  }
  if (model.createTime !== undefined && Number.isNaN(Date.parse(model.createTime))) {
    throw new CatalogError(file, `${field}.createTime`, "is not a date");
  }
  for (const [i, source] of (model.weights?.sources ?? []).entries()) {
    try {
      parseWeightsSource(source);
    } catch (error) {
      throw new CatalogError(file, `${field}.weights.sources[${i}]`, (error as Error).message);
    }
  }
}

/** The base model of a LoRA: names and sizes of its matrices. */
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { FAMILIES } from "../convert/families.ts";
import { type DecoderShape, layerModules, type WeightModule } from "../convert/modules.ts";
import { familyOf } from "../convert/plan-decoder.ts";
import { ModelFileError } from "../errors.ts";
import { FileBytes } from "../file-bytes.ts";
import { findGguf } from "../find-gguf.ts";
import { type GgufHeader, readGguf } from "../gguf/reader.ts";
import { readDecoderConfig } from "../huggingface/decoder-config.ts";

export interface BaseModel {
  /** llama.cpp's name of the architecture. */
  architecture: string;
  /** Matrices by name: "layers.0.self_attn.q_proj". */
  modules: ReadonlyMap<string, WeightModule>;
  layers: number;
}

/**
 * @param path a Hugging Face folder, a folder with one GGUF file, or a GGUF file.
 * @throws ModelFileError when LoRAs are not supported for the architecture
 */
export async function readBaseModel(path: string): Promise<BaseModel> {
  if (!(await stat(path)).isDirectory()) return readGgufBaseModel(dirname(path), basename(path));
  const gguf = await findGguf(path);
  if (gguf !== null) return readGgufBaseModel(path, gguf);
  const config = await readDecoderConfig(path);
  const family = familyOf(config);
  return toBaseModel(family.name, layerModules(family, config), config.layers);
}

async function readGgufBaseModel(folder: string, name: string): Promise<BaseModel> {
  const file = await FileBytes.open(folder, name);
  try {
    return baseModelFromHeader(name, await readGguf(file));
  } finally {
    await file.close();
  }
}

function baseModelFromHeader(file: string, header: GgufHeader): BaseModel {
  const architecture = header.metadata.get("general.architecture");
  const family = FAMILIES.find(({ name }) => name === architecture);
  if (family === undefined) {
    const names = FAMILIES.map(({ name }) => name).join(", ");
    throw new ModelFileError(file, `LoRAs are supported for these architectures: ${names}.`);
  }
  const shape = shapeFromHeader(file, header, family.name);
  const modules = layerModules(family, shape);
  for (const { tensor, rows, columns } of modules) {
    const found = header.tensors.get(`${tensor}.weight`);
    if (found === undefined) throw new ModelFileError(file, `the tensor "${tensor}.weight" is missing.`);
    if (found.shape[0] !== columns || found.shape[1] !== rows) {
      throw new ModelFileError(
        file,
        `the tensor "${tensor}.weight" doesn't have the shape its settings give.`,
      );
    }
  }
  return toBaseModel(family.name, modules, shape.layers);
}

function shapeFromHeader(file: string, header: GgufHeader, architecture: string): DecoderShape {
  const optional = (name: string): number | undefined => {
    const value = header.metadata.get(`${architecture}.${name}`);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 20) return value;
    throw new ModelFileError(file, `has an unsupported value of ${architecture}.${name}.`);
  };
  const required = (name: string): number => {
    const value = optional(name);
    if (value === undefined) throw new ModelFileError(file, `${architecture}.${name} is missing.`);
    return value;
  };
  const width = required("embedding_length");
  const heads = required("attention.head_count");
  return {
    layers: Math.min(required("block_count"), header.tensors.size),
    width,
    feedForwardWidth: required("feed_forward_length"),
    heads,
    kvHeads: optional("attention.head_count_kv") ?? heads,
    headSize: optional("attention.key_length") ?? width / heads,
  };
}

function toBaseModel(architecture: string, modules: readonly WeightModule[], layers: number): BaseModel {
  return { architecture, layers, modules: new Map(modules.map((module) => [module.name, module])) };
}

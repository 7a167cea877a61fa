/** LoRAs in the format of PEFT: checks them against their base model and converts them to GGUF. */
import { readdir } from "node:fs/promises";
import type { RowOrder } from "../convert/conversion-plan.ts";
import type { WeightModule } from "../convert/modules.ts";
import { encodeTensor, readRows } from "../convert/tensors.ts";
import { ModelFileError } from "../errors.ts";
import { type TensorToWrite, type WriteOptions, writeGguf } from "../gguf/file-writer.ts";
import { keyValue } from "../gguf/header-writer.ts";
import { quoted } from "../json.ts";
import type { StoredTensor } from "../safetensors.ts";
import { missingWeightsError, openSafetensorsFile, type Weights } from "../weights.ts";
import { type BaseModel, readBaseModel } from "./base-model.ts";
import { LORA_CONFIG_FILE, type LoraConfig, readLoraConfig } from "./lora-config.ts";

const WEIGHTS_FILE = "adapter_model.safetensors";

/** Facts from a LoRA's configuration. */
export interface LoraDescription {
  rank: number;
  alpha: number;
  targetModules: string[];
  /** Name or path of the model it was trained on, as free text. */
  baseModelName: string | null;
}

export interface LoraFacts extends LoraDescription {
  /** llama.cpp's name of the base model's architecture. */
  baseArchitecture: string;
  parameterCount: number;
}

/** A matrix of the base model, and the two matrices whose product the LoRA adds to it. */
interface LoraPair {
  module: WeightModule;
  a: StoredTensor;
  b: StoredTensor;
}

/**
 * Checks every tensor of a LoRA against the base model.
 * @param base a Hugging Face folder, a folder with a GGUF file, or a GGUF file
 * @throws ModelFileError naming the file and the field or tensor that does not fit
 */
export async function checkLora(folder: string, base: string): Promise<LoraFacts> {
  return withLoraPairs(folder, base, async ({ config, model, pairs }) => ({
    ...toDescription(
      config,
      pairs.map(({ module }) => module.name),
    ),
    baseArchitecture: model.architecture,
    parameterCount: pairs.reduce((sum, { a, b }) => sum + elementCount(a) + elementCount(b), 0),
  }));
}

export interface LoraPaths {
  /** The LoRA in PEFT's format. */
  folder: string;
  /** The base model: a Hugging Face folder, a folder with a GGUF file, or a GGUF file. */
  base: string;
  outFile: string;
}

/** Checks a LoRA and converts it to a GGUF file. @throws as `checkLora`; the signal's reason */
export async function convertLora(
  { folder, base, outFile }: LoraPaths,
  options: WriteOptions,
): Promise<void> {
  await withLoraPairs(folder, base, async ({ config, model, pairs }) => {
    const metadata = [
      keyValue.text("general.architecture", model.architecture),
      keyValue.text("general.type", "adapter"),
      keyValue.text("adapter.type", "lora"),
      // llama.cpp always divides alpha by the rank, so rsLoRA's scale is expressed as another alpha.
      keyValue.float("adapter.lora.alpha", config.scale * config.rank),
    ];
    const tensors = pairs.flatMap(({ module, a, b }) => [
      toTensorToWrite(`${module.tensor}.weight.lora_a`, a),
      toTensorToWrite(`${module.tensor}.weight.lora_b`, b, module.rowOrder),
    ]);
    await writeGguf(outFile, { metadata, tensors }, options);
  });
}

/** Reads a LoRA and checks what does not need the base model. @throws ModelFileError */
export async function readLora(
  folder: string,
): Promise<{ description: LoraDescription; tensors: StoredTensor[] }> {
  const config = await readLoraConfig(folder);
  const weights = await openLoraWeights(folder);
  try {
    const tensors = [...weights.tensors.values()];
    const modules = tensors.map(({ name }) => parseTensorName(name).name);
    return { description: toDescription(config, modules), tensors };
  } finally {
    await weights.close();
  }
}

/** @param modules names of the modules that have tensors */
function toDescription(
  { rank, alpha, targetModules, baseModelName }: LoraConfig,
  modules: readonly string[],
): LoraDescription {
  const found = [...new Set(modules.map(lastPart))];
  return { rank, alpha, targetModules: targetModules ?? found, baseModelName };
}

async function openLoraWeights(folder: string): Promise<Weights> {
  const names = await readdir(folder);
  if (!names.includes(WEIGHTS_FILE)) throw missingWeightsError(names, WEIGHTS_FILE);
  return openSafetensorsFile(folder, WEIGHTS_FILE);
}

interface OpenedLora {
  config: LoraConfig;
  model: BaseModel;
  pairs: LoraPair[];
}

async function withLoraPairs<T>(
  folder: string,
  base: string,
  use: (opened: OpenedLora) => Promise<T>,
): Promise<T> {
  const config = await readLoraConfig(folder);
  const model = await readBaseModel(base);
  checkTargets(config, model);
  const weights = await openLoraWeights(folder);
  try {
    return await use({ config, model, pairs: pairsOf(config, model, weights) });
  } finally {
    await weights.close();
  }
}

/** @throws ModelFileError for a target module that the base model does not have. */
function checkTargets(config: LoraConfig, model: BaseModel): void {
  const available = new Set([...model.modules.keys()].map(lastPart));
  for (const target of config.targetModules ?? []) {
    if (available.has(target)) continue;
    throw new ModelFileError(
      LORA_CONFIG_FILE,
      `target_modules names ${target}, which the base model doesn't have; it has ${[...available].join(", ")}.`,
    );
  }
}

function pairsOf(config: LoraConfig, model: BaseModel, { tensors }: Weights): LoraPair[] {
  const halves = new Map<string, Partial<LoraPair>>();
  for (const tensor of tensors.values()) {
    const { name, part } = parseTensorName(tensor.name);
    const module = model.modules.get(name);
    if (module === undefined) throw invalid(tensor.name, "is not one of the base model's.");
    if (!config.isTarget(name)) throw invalid(tensor.name, "is not of the target_modules.");
    const expected = part === "A" ? [config.rank, module.columns] : [module.rows, config.rank];
    if (tensor.shape.length !== 2 || tensor.shape.some((length, i) => length !== expected[i])) {
      throw invalid(
        tensor.name,
        `shape: torch.Size([${tensor.shape.join(", ")}]), expected (${expected.join(", ")})`,
      );
    }
    const pair = halves.get(name) ?? { module };
    if (pair[part === "A" ? "a" : "b"] !== undefined) throw invalid(tensor.name, "is there under two names.");
    halves.set(name, { ...pair, [part === "A" ? "a" : "b"]: tensor });
  }
  // Every target module must have both tensors. When only some layers have the LoRA, each module with one tensor must.
  const required = [...model.modules.values()].filter(({ name }) =>
    config.everyLayer ? config.isTarget(name) : halves.has(name),
  );
  if (required.length === 0) throw new ModelFileError(WEIGHTS_FILE, "has no LoRA weights.");
  return required.map((module) => {
    const { a, b } = halves.get(module.name) ?? {};
    if (a === undefined) throw invalid(`model.${module.name}.lora_A.weight`, "is missing.");
    if (b === undefined) throw invalid(`model.${module.name}.lora_B.weight`, "is missing.");
    return { module, a, b };
  });
}

/**
 * Parses "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": the module, and which matrix of the pair.
 */
function parseTensorName(tensor: string): { name: string; part: "A" | "B" } {
  const match = /^(?:base_model\.model\.)?(?:model\.)?(layers\..+)\.lora_([AB])(?:\.default)?\.weight$/.exec(
    tensor,
  );
  if (match === null) throw invalid(tensor, "is not one that is supported.");
  return { name: match[1] as string, part: match[2] as "A" | "B" };
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function invalid(tensor: string, problem: string): ModelFileError {
  const name = tensor.replace(/^base_model\.model\./, "");
  const shown = /^[\w.]{1,200}$/.test(name) ? name : quoted(name);
  return new ModelFileError(WEIGHTS_FILE, `Invalid LoRA weight ${shown} ${problem}`);
}

function toTensorToWrite(name: string, tensor: StoredTensor, order?: RowOrder): TensorToWrite {
  return {
    name,
    shape: tensor.shape.toReversed(),
    kind: "F16",
    async *data() {
      for await (const floats of readRows(tensor, order)) yield encodeTensor(tensor, floats, "F16");
    },
  };
}

function elementCount({ shape }: StoredTensor): number {
  return shape.reduce((product, length) => product * length, 1);
}

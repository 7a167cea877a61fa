/** LoRA adapters as PEFT writes them: checked against their base model, converted to llama.cpp's form. */
import { readdir } from "node:fs/promises";
import type { Module } from "../convert/modules.ts";
import type { RowOrder } from "../convert/plan.ts";
import { encode, readRows } from "../convert/tensors.ts";
import { ModelFileError } from "../errors.ts";
import { type TensorToWrite, type WriteOptions, writeGguf } from "../gguf/file.ts";
import { setting } from "../gguf/writer.ts";
import { quoted } from "../json.ts";
import type { StoredTensor } from "../safetensors.ts";
import { missingWeights, openFile, type Weights } from "../weights.ts";
import { type BaseModel, readBase } from "./base.ts";
import { ADAPTER_CONFIG, type AdapterConfig, readAdapterConfig } from "./config.ts";

const WEIGHTS_FILE = "adapter_model.safetensors";

/** What an adapter says of itself. */
export interface AdapterDescription {
  rank: number;
  alpha: number;
  targetModules: string[];
  /** What its author called the model it was trained on. */
  baseModelName: string | null;
}

export interface AdapterFacts extends AdapterDescription {
  /** llama.cpp's name of the base model's architecture. */
  baseArchitecture: string;
  parameterCount: number;
}

/** A matrix of the base model and the two small ones whose product is added to it. */
interface Pair {
  module: Module;
  a: StoredTensor;
  b: StoredTensor;
}

/**
 * Every tensor of the adapter against the base model.
 * @param base a Hugging Face folder, a folder with a GGUF file, or a GGUF file.
 * @throws ModelFileError naming the file, and the field or tensor, that doesn't fit.
 */
export async function checkAdapter(folder: string, base: string): Promise<AdapterFacts> {
  return withPairs(folder, base, async ({ config, model, pairs }) => ({
    ...described(config),
    baseArchitecture: model.architecture,
    parameterCount: pairs.reduce((sum, { a, b }) => sum + numbersIn(a) + numbersIn(b), 0),
  }));
}

/** Checks the adapter and writes it as one GGUF file. @throws as `checkAdapter`, and the signal's reason. */
export async function convertAdapter(
  folder: string,
  base: string,
  outFile: string,
  options: WriteOptions,
): Promise<void> {
  await withPairs(folder, base, async ({ config, model, pairs }) => {
    const settings = [
      setting.text("general.architecture", model.architecture),
      setting.text("general.type", "adapter"),
      setting.text("adapter.type", "lora"),
      // llama.cpp divides by the rank, whatever the adapter was trained with.
      setting.float("adapter.lora.alpha", config.scale * config.rank),
    ];
    const tensors = pairs.flatMap(({ module, a, b }) => [
      written(`${module.tensor}.weight.lora_a`, a),
      written(`${module.tensor}.weight.lora_b`, b, module.rowOrder),
    ]);
    await writeGguf(outFile, settings, tensors, options);
  });
}

/** Checks what can be without the base model. @throws ModelFileError */
export async function readAdapter(
  folder: string,
): Promise<{ description: AdapterDescription; tensors: StoredTensor[] }> {
  const config = await readAdapterConfig(folder);
  const weights = await openAdapterWeights(folder);
  try {
    const tensors = [...weights.tensors.values()];
    for (const { name } of tensors) partsOf(name);
    return { description: described(config), tensors };
  } finally {
    await weights.close();
  }
}

function described({ rank, alpha, targetModules, baseModelName }: AdapterConfig): AdapterDescription {
  return { rank, alpha, targetModules, baseModelName };
}

async function openAdapterWeights(folder: string): Promise<Weights> {
  const names = await readdir(folder);
  if (!names.includes(WEIGHTS_FILE)) throw missingWeights(names, WEIGHTS_FILE);
  return openFile(folder, WEIGHTS_FILE);
}

interface Opened {
  config: AdapterConfig;
  model: BaseModel;
  pairs: Pair[];
}

async function withPairs<T>(folder: string, base: string, use: (opened: Opened) => Promise<T>): Promise<T> {
  const config = await readAdapterConfig(folder);
  const model = await readBase(base);
  checkTargets(config, model);
  const weights = await openAdapterWeights(folder);
  try {
    return await use({ config, model, pairs: pairsOf(config, model, weights) });
  } finally {
    await weights.close();
  }
}

function checkTargets(config: AdapterConfig, model: BaseModel): void {
  const has = new Set([...model.modules.keys()].map(lastPart));
  for (const target of config.targetModules) {
    if (has.has(target)) continue;
    throw new ModelFileError(
      ADAPTER_CONFIG,
      `target_modules names ${target}, which the base model doesn't have; it has ${[...has].join(", ")}.`,
    );
  }
}

function pairsOf(config: AdapterConfig, model: BaseModel, { tensors }: Weights): Pair[] {
  const halves = new Map<string, Partial<Pair>>();
  for (const tensor of tensors.values()) {
    const { name, part } = partsOf(tensor.name);
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
  return wantedModules(config, model, halves).map((module) => {
    const { a, b } = halves.get(module.name) ?? {};
    if (a === undefined) throw invalid(`model.${module.name}.lora_A.weight`, "is missing.");
    if (b === undefined) throw invalid(`model.${module.name}.lora_B.weight`, "is missing.");
    return { module, a, b };
  });
}

/** All modules that are targets, or those that have a tensor where the adapter is for some layers only. */
function wantedModules(
  config: AdapterConfig,
  model: BaseModel,
  found: ReadonlyMap<string, unknown>,
): Module[] {
  return [...model.modules.values()].filter(({ name }) =>
    config.everyLayer ? config.isTarget(name) : found.has(name),
  );
}

/** "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" → the module and which of the two it is. */
function partsOf(tensor: string): { name: string; part: "A" | "B" } {
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

function written(name: string, tensor: StoredTensor, order?: RowOrder): TensorToWrite {
  return {
    name,
    shape: tensor.shape.toReversed(),
    kind: "F16",
    async *data() {
      for await (const floats of readRows(tensor, order)) yield encode(tensor, floats, "F16");
    },
  };
}

function numbersIn({ shape }: StoredTensor): number {
  return shape.reduce((product, length) => product * length, 1);
}

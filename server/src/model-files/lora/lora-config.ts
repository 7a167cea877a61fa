/** Reads `adapter_config.json`. Refuses each field that would change the LoRA's results and is not supported. */
import { type JsonObject, quoted, readJsonFile } from "../json.ts";

export const LORA_CONFIG_FILE = "adapter_config.json";
const MAX_CONFIG_BYTES = 1024 ** 2;
/** Inclusive range of ranks. */
export const LORA_RANK_RANGE = { min: 4, max: 64 } as const;

/** Modules that a LoRA can change. */
export const LORA_TARGET_MODULES: readonly string[] = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "up_proj",
  "w1",
  "down_proj",
  "w2",
  "gate_proj",
  "w3",
  "block_sparse_moe.gate",
];

/** Fields that must be absent, false or empty, because they change what the LoRA computes and are not supported. */
const REFUSED_FIELDS = [
  "use_dora",
  "use_qalora",
  "lora_bias",
  "modules_to_save",
  "rank_pattern",
  "alpha_pattern",
  "layer_replication",
  "fan_in_fan_out",
  "target_parameters",
  "trainable_token_indices",
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "use_bdlora",
];
/** Initialisations that also change the base model's weights, so that the LoRA does not fit the original weights. */
const CHANGES_BASE = /^(pissa|olora|loftq|corda|lora_ga)/i;

/** All linear modules of the layers; the output matrix is none of them. */
const ALL_LINEAR = "all-linear";

export interface LoraConfig {
  rank: number;
  alpha: number;
  /** Factor of the product of the two matrices: alpha divided by the rank, or by its square root with rsLoRA. */
  scale: number;
  /**
   * Last parts of the modules' names, without duplicates; null when the file gives a regular expression or
   * "all-linear", so that the tensors decide.
   */
  targetModules: string[] | null;
  /** Whether a module of the base model, named as in `modules.ts`, is a target. */
  isTarget(name: string): boolean;
  /** Whether the LoRA changes the target modules of all layers. */
  everyLayer: boolean;
  /** Name or path of the base model it was trained on, as free text. */
  baseModelName: string | null;
}

/** @throws ModelFileError naming the field. */
export async function readLoraConfig(folder: string): Promise<LoraConfig> {
  const json = await readJsonFile(folder, LORA_CONFIG_FILE, MAX_CONFIG_BYTES);
  const type = json.text("peft_type");
  if (type !== "LORA") throw json.fail("peft_type", "must be LORA.");
  const task = json.optionalText("task_type");
  if (task !== undefined && task !== "CAUSAL_LM") throw json.fail("task_type", "must be CAUSAL_LM.");
  for (const field of REFUSED_FIELDS) {
    if (!isEmpty(json.raw(field))) throw json.fail(field, "is not supported.");
  }
  if ((json.optionalText("bias") ?? "none") !== "none") throw json.fail("bias", "must be none.");
  const start = json.raw("init_lora_weights");
  if (typeof start === "string" && CHANGES_BASE.test(start)) {
    throw json.fail(
      "init_lora_weights",
      "changes the base model's weights: convert it to a plain LoRA first.",
    );
  }
  const rank = json.integer("r", LORA_RANK_RANGE.min, LORA_RANK_RANGE.max);
  const alpha = json.optionalPositive("lora_alpha") ?? 8;
  const targets = readTargets(json);
  return {
    rank,
    alpha,
    scale: alpha / (json.optionalBoolean("use_rslora") === true ? Math.sqrt(rank) : rank),
    targetModules: targets.modules,
    isTarget: targets.isTarget,
    everyLayer:
      targets.everyLayer && isEmpty(json.raw("layers_to_transform")) && isEmpty(json.raw("exclude_modules")),
    baseModelName: json.optionalText("base_model_name_or_path") ?? null,
  };
}

interface Targets {
  modules: string[] | null;
  isTarget: LoraConfig["isTarget"];
  /** All modules that are targets have tensors. */
  everyLayer: boolean;
}

function readTargets(json: JsonObject): Targets {
  const given = json.raw("target_modules");
  if (typeof given === "string") {
    // A regular expression of Python is not evaluated here: it may differ, or take for ever.
    return { modules: null, isTarget: () => true, everyLayer: given === ALL_LINEAR };
  }
  const paths = json.strings("target_modules");
  return {
    modules: parseTargets(json, paths),
    isTarget: (name) => paths.some((path) => `.model.${name}`.endsWith(`.${path}`)),
    everyLayer: true,
  };
}

function parseTargets(json: JsonObject, paths: readonly string[]): string[] {
  const targets = paths.map((path) => {
    const target = LORA_TARGET_MODULES.find((name) => path === name || path.endsWith(`.${name}`));
    if (target !== undefined) return target;
    throw json.fail(
      "target_modules",
      `names ${quoted(path)}; these are supported: ${LORA_TARGET_MODULES.join(", ")}.`,
    );
  });
  if (targets.length === 0) throw json.fail("target_modules", "must name at least one module.");
  return [...new Set(targets)];
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
